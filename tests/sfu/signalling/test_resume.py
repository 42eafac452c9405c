"""Resuming after a cut WebSocket, and who is present meanwhile."""

import pytest

from sfu.config import Config
from sfu.errors import Stale
from sfu.model import DisconnectReason, Grant, ParticipantState
from sfu.signalling import messages
from sfu.signalling.sessions import refusal
from sfu.views import SlotInfo

from ..scene import Client, Scene, grant, scene


async def connected(it: Scene, identity: str) -> Client:
    client = await it.client(identity)
    await client.connect("audio recvonly", "video recvonly")
    return client


async def test_a_cut_connection_gets_what_it_missed_and_media_never_stopped() -> None:
    async with scene() as it:
        alice = await connected(it, "alice")
        bob = await connected(it, "bob")
        bob.heard()
        seen = bob.seq
        await bob.cut()
        camera = await alice.camera()
        commands = len(it.plane.commands)
        again = await it.resume(bob, seen)
        assert len(it.plane.commands) == commands, "nothing was told to the plane"
        first, *missed = again.heard()
        assert first == messages.Resumed(seen + 1)
        assert messages.Slots({"1": SlotInfo(camera, alice.sid)}) in missed
        assert not any(isinstance(message, messages.Joined) for message in missed)
        assert again.sid == bob.sid
        await alice.microphone()
        assert again.heard(messages.Participants), "and what comes goes on"


async def test_who_missed_too_much_gets_a_snapshot_with_its_slots() -> None:
    async with scene() as it:
        alice = await connected(it, "alice")
        bob = await connected(it, "bob")
        camera = await alice.camera()
        bob.heard()
        seen = bob.seq
        await bob.cut()
        for number in range(300):
            bob.room.update(metadata=str(number))
            await it.pass_time(0)
        again = await it.resume(bob, seen)
        joined = again.last(messages.Joined)
        assert joined.resumed and joined.room.metadata == "299"
        assert joined.slots["1"] == SlotInfo(camera, alice.sid)
        await it.pass_time(0)
        assert again.heard_states(), "what reaches it is told anew"


async def test_a_connection_that_is_not_yet_known_to_be_cut_is_replaced() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        again = await it.resume(alice)
        assert alice.session.outbox.close_code == 4000
        await alice.cut()
        assert alice.participant.signal_gone is None, "the old block does not detach the new connection"
        answer = await again.offer("audio recvonly")
        assert isinstance(answer, messages.Answer)


async def test_what_the_replaced_connection_still_said_is_not_done() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        again = await it.resume(alice)
        await alice.session.handle(messages.Leave("leave"))
        assert "alice" in again.room.participants


async def test_an_expired_token_does_not_matter_but_the_secret_does() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        await alice.cut()
        with pytest.raises(Stale, match="the secret of the session is wrong"):
            await it.resume(alice, secret="guessed")
        await it.resume(alice)


@pytest.mark.parametrize(
    ("seq", "who", "sentence"),
    [
        (10_000, None, "the session has no message with this seq"),
        (-1, None, "the session has no message with this seq"),
        (1, "mallory", "the session belongs to another identity"),
    ],
)
async def test_a_resume_that_does_not_fit_is_refused_with_a_sentence(seq: int, who: str | None, sentence: str) -> None:
    async with scene() as it:
        alice = await it.client("alice")
        await alice.cut()
        token: Grant | None = grant(who) if who else None
        resume = messages.Resume(alice.sid, alice.secret, seq)
        with pytest.raises(Stale, match=sentence):
            await it.attach(token, "room", messages.Join("join", resume=resume))


async def test_a_late_one_is_told_to_join_anew_in_one_reply() -> None:
    async with scene() as it:
        alice = await it.client("alice")
        bob = await it.client("bob")
        await alice.cut()
        await it.pass_time(29.9)
        assert "alice" in bob.room.participants
        await it.pass_time(0.2)
        assert "alice" not in bob.room.participants
        with pytest.raises(Stale) as refused:
            await it.resume(alice)
        left = refusal(refused.value)
        assert (left.reason, left.action) == (DisconnectReason.STATE_MISMATCH, "rejoin")
        assert left.message == "your session has ended: join with a new session"


async def test_who_has_media_stays_without_a_websocket_until_that_is_silent_too() -> None:
    async with scene() as it:
        alice = await connected(it, "alice")
        bob = await it.client("bob")
        await alice.cut()
        await it.pass_time(120)
        assert "alice" in bob.room.participants
        await alice.media("disconnected")
        await it.pass_time(29.9)
        assert "alice" in bob.room.participants
        await alice.media("connected")
        await it.pass_time(60)
        assert "alice" in bob.room.participants, "it was heard again"
        await alice.media("disconnected")
        bob.heard()
        await it.pass_time(30.1)
        (news,) = bob.heard(messages.Participants)
        assert news.participants[0].disconnect_reason is DisconnectReason.SIGNAL_CLOSE


async def test_who_has_a_websocket_stays_without_media() -> None:
    async with scene() as it:
        alice = await connected(it, "alice")
        await alice.media("disconnected")
        await it.pass_time(300)
        assert alice.room.members.find("alice").state is ParticipantState.JOINED
        assert it.plane.transports, "its transport waits for it"


async def test_a_reader_too_slow_is_let_go_and_may_come_back() -> None:
    async with scene(Config(outbox=16)) as it:
        alice = await it.client("alice")
        for number in range(20):
            alice.room.update(metadata=str(number))
            await it.pass_time(0)
        assert alice.session.outbox.close_code == 1008
        await alice.cut()
        again = await it.resume(alice, 1)
        assert again.last(messages.Joined).resumed


async def test_a_changed_network_restarts_ice_on_the_same_transport() -> None:
    async with scene() as it:
        alice = await connected(it, "alice")
        transport, before = alice.transport, alice.participant.transport.local
        await alice.cut()
        again = await it.resume(alice)
        again.ufrag = "othernet"
        answer = await again.offer()
        (restart,) = [command for command in it.plane.commands if command[0] == "restart_ice"]
        assert restart[1] == transport and restart[2].remote_ufrag == "othernet"
        assert restart[2].local_ufrag != before.ufrag, "an answer to a restart has new credentials"
        assert f"a=ice-ufrag:{restart[2].local_ufrag}" in answer.sdp
        assert it.plane.count("add_transport") == 1
