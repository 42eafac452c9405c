"""Data messages: the groups that channels join, and messages of the server."""

from typing import Any

import pytest

from sfu.errors import LimitExceeded, NotFound
from sfu.model import Permissions
from sfu.negotiation.channels import LOSSY, RELIABLE
from sfu.plane import ChannelState, Message, TransportState
from sfu.signalling import messages
from sfu.views import ParticipantInfo

from ...live import rooms_of
from ..scene import Client, Scene, scene, turn


async def talkers(it: Scene, *names: str, **may: Any) -> list[Client]:
    clients = []
    for name in names:
        client = await it.client(name, **may)
        await client.connect("application")
        clients.append(client)
    return clients


def reaches(it: Scene, client: Client, label: str) -> set[str]:
    """The sids that a message of this client can name on this channel, itself aside."""
    return {*it.plane.reached(client.channel(label)).values()}


async def open_channel(it: Scene, client: Client, id: int, label: str, state: str = "open") -> None:
    await it.say(ChannelState(client.transport, id, state, label, "", ""))  # type: ignore[arg-type]


async def test_our_channels_are_declared_before_the_client_opens_them() -> None:
    async with scene() as it:
        (alice,) = await talkers(it, "alice")
        reliable, lossy = it.plane.channels[alice.channel(RELIABLE)], it.plane.channels[alice.channel(LOSSY)]
        assert (reliable.label, reliable.ordered, reliable.retransmits, reliable.remote) == (RELIABLE, True, None, True)
        assert (lossy.label, lossy.ordered, lossy.retransmits, lossy.remote) == (LOSSY, False, 0, True)


async def test_everybody_reaches_everybody_by_sid_and_is_named_by_its_own() -> None:
    async with scene() as it:
        alice, bob, carol = await talkers(it, "alice", "bob", "carol")
        for label in (RELIABLE, LOSSY):
            assert reaches(it, alice, label) == {bob.sid, carol.sid}
            assert reaches(it, carol, label) == {alice.sid, bob.sid}
            assert it.plane.reached(bob.channel(label))[carol.channel(label)] == carol.sid
            assert it.plane.groups[it.plane.members[bob.channel(label)].group], "with an envelope"


async def test_who_leaves_is_reached_no_more() -> None:
    async with scene() as it:
        alice, bob, carol = await talkers(it, "alice", "bob", "carol")
        await bob.session.handle(messages.Leave("leave"))
        await turn()
        assert reaches(it, alice, RELIABLE) == {carol.sid}


async def test_who_may_not_publish_data_hears_and_does_not_speak() -> None:
    async with scene() as it:
        (alice,) = await talkers(it, "alice")
        (bob,) = await talkers(it, "bob", can_publish_data=False)
        assert reaches(it, alice, RELIABLE) == {bob.sid}
        assert reaches(it, bob, RELIABLE) == set()
        await bob.change(permissions=Permissions())
        await turn()
        assert reaches(it, bob, RELIABLE) == {alice.sid}
        await bob.change(permissions=Permissions(can_publish_data=False))
        await turn()
        assert reaches(it, bob, RELIABLE) == set() and reaches(it, alice, RELIABLE) == {bob.sid}


async def test_another_label_reaches_those_who_opened_the_same() -> None:
    async with scene() as it:
        alice, bob, carol = await talkers(it, "alice", "bob", "carol")
        await open_channel(it, alice, 901, "game")
        await open_channel(it, bob, 902, "game")
        await open_channel(it, carol, 903, "chess")
        assert it.plane.reached(901) == {902: bob.sid} and it.plane.reached(903) == {}
        assert not it.plane.groups[it.plane.members[901].group], "without an envelope"
        await open_channel(it, bob, 902, "game", "closed")
        assert it.plane.reached(901) == {}


async def test_another_label_needs_the_permission_too() -> None:
    async with scene() as it:
        (alice,) = await talkers(it, "alice", can_publish_data=False)
        (bob,) = await talkers(it, "bob")
        await open_channel(it, alice, 901, "game")
        await open_channel(it, bob, 902, "game")
        assert it.plane.reached(901) == {} and it.plane.reached(902) == {901: alice.sid}


async def test_a_group_lasts_as_long_as_its_last_channel() -> None:
    async with scene() as it:
        alice, bob = await talkers(it, "alice", "bob")
        for _ in range(2):
            await open_channel(it, alice, 901, "game")
            await open_channel(it, bob, 902, "game")
            group = it.plane.members[901].group
            await open_channel(it, alice, 901, "game", "closed")
            assert group in it.plane.groups
            await open_channel(it, bob, 902, "game", "closed")
            assert group not in it.plane.groups
        assert len(it.plane.groups) == 2, "those of the room's own channels"
        rooms_of(it.sfu).delete("room")
        await turn()
        assert (it.plane.groups, it.plane.members) == ({}, {})


async def test_what_is_sent_reliably_waits_for_a_participant_that_has_not_offered_yet() -> None:
    async with scene() as it:
        (alice,) = await talkers(it, "alice")
        bob = await it.client("bob")
        await turn()
        awaited = bob.channel(RELIABLE)
        assert it.plane.channels[awaited].transport is None
        assert reaches(it, alice, RELIABLE) == {bob.sid} and reaches(it, alice, LOSSY) == set()
        assert alice.room.send_data(b"hello") == 2 and it.plane.sent[-1][0] == [alice.channel(RELIABLE), awaited]

        joined = it.plane.count("join_group")
        await bob.connect("application")
        assert bob.channel(RELIABLE) == awaited and it.plane.channels[awaited].transport == bob.transport
        assert reaches(it, bob, RELIABLE) == {alice.sid} and reaches(it, alice, LOSSY) == {bob.sid}
        assert it.plane.count("join_group") == joined + 1, "the lossy one: the reliable one is in its group"


@pytest.mark.parametrize("end", ["an offer without data", "it leaves"])
async def test_who_opens_no_channel_is_waited_for_no_longer(end: str) -> None:
    async with scene() as it:
        (alice,) = await talkers(it, "alice")
        bob = await it.client("bob")
        await turn()
        awaited = bob.channel(RELIABLE)
        if end == "it leaves":
            await bob.session.handle(messages.Leave("leave"))
        else:
            await bob.connect("audio recvonly")
        await turn()
        assert ("remove", awaited) in it.plane.commands and awaited not in it.plane.channels
        assert reaches(it, alice, RELIABLE) == set()


async def test_who_lost_its_media_is_awaited_again() -> None:
    async with scene() as it:
        alice, bob = await talkers(it, "alice", "bob")
        await it.say(TransportState(bob.transport, "failed", "the handshake"))
        awaited = bob.channel(RELIABLE)
        assert it.plane.channels[awaited].transport is None and reaches(it, alice, RELIABLE) == {bob.sid}
        await bob.connect("application")
        assert it.plane.channels[awaited].transport == bob.transport


async def test_a_channel_that_was_closed_may_be_opened_again_under_its_label() -> None:
    async with scene() as it:
        alice, bob = await talkers(it, "alice", "bob")
        first = alice.channel(RELIABLE)
        await open_channel(it, alice, first, RELIABLE)
        await open_channel(it, alice, first, RELIABLE, "closed")
        second = alice.channel(RELIABLE)
        assert second != first and it.plane.channels[second].label == RELIABLE
        assert it.plane.reached(bob.channel(RELIABLE)) == {second: alice.sid}


async def test_a_channel_that_never_opened_is_not_declared_again() -> None:
    async with scene() as it:
        (alice,) = await talkers(it, "alice")
        declared = it.plane.count("open_channel")
        await open_channel(it, alice, alice.channel(LOSSY), LOSSY, "closed")
        assert it.plane.count("open_channel") == declared


async def test_the_server_sends_to_all_or_to_some_under_its_own_name() -> None:
    async with scene() as it:
        alice, bob = await talkers(it, "alice", "bob")
        deaf = await it.client("deaf without channels")
        await deaf.connect("audio recvonly")
        assert alice.room.send_data(b"hello") == 2
        assert alice.room.send_data(b"psst", reliable=False, to=["bob"]) == 1
        assert it.plane.sent == [
            ([alice.channel(RELIABLE), bob.channel(RELIABLE)], b"\x06serverhello"),
            ([bob.channel(LOSSY)], b"\x06serverpsst"),
        ]
        with pytest.raises(NotFound):
            alice.room.send_data(b"x", to=["nobody"])
        with pytest.raises(LimitExceeded, match="a message has at most 65536 octets"):
            alice.room.send_data(b"x" * 65_537)


async def test_a_message_for_the_server_reaches_the_application() -> None:
    heard: list[tuple[str, str, bytes]] = []

    def on_message(room: str, participant: ParticipantInfo, payload: bytes) -> None:
        heard.append((room, participant.identity, payload))

    async with scene(on_message=on_message) as it:
        (alice,) = await talkers(it, "alice")
        envelope = bytes([len(alice.sid)]) + alice.sid.encode()
        await it.say(Message(alice.channel(RELIABLE), envelope + b"hi", False))
        assert heard == [("room", "alice", b"hi")]


async def test_a_hook_that_fails_loses_its_message_and_nobody_elses(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[bytes] = []

    def on_message(_room: str, participant: ParticipantInfo, payload: bytes) -> None:
        if payload == b"bad":
            raise RuntimeError("the application fails")
        heard.append(payload)

    async with scene(on_message=on_message) as it:
        (alice,) = await talkers(it, "alice")
        channel = alice.channel(RELIABLE)
        await it.say(*(Message(channel, b"\x01x" + word, False) for word in (b"one", b"bad", b"two")))
        assert heard == [b"one", b"two"]
        assert "where=on_message" in caplog.text
