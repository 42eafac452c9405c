"""ICE servers over the WebSocket: with a join and a resume, and again before the credentials expire."""

from sfu.config import Config, TurnServers
from sfu.model import DisconnectReason, IceServer
from sfu.signalling import messages

from ..scene import START, Client, scene

TTL = 3600
TURN = Config(turn=TurnServers(("turn:a",), "s" * 32, TTL))


def expiry(servers: tuple[IceServer, ...], sid: str) -> int:
    (server,) = servers
    at, _, user = server.username.partition(":")
    assert user == sid and server.credential
    return int(at) - int(START)


def renewed(client: Client) -> list[int]:
    return [expiry(message.ice_servers, client.sid) for message in client.heard(messages.IceServers)]


async def test_a_participant_has_credentials_of_its_own_which_are_renewed_at_half_their_life() -> None:
    async with scene(TURN) as it:
        ada = await it.client("ada")
        assert expiry(ada.last(messages.Joined).ice_servers, ada.sid) == TTL
        await it.pass_time(TTL / 2 - 1)
        assert renewed(ada) == []
        await it.pass_time(1)
        assert renewed(ada) == [TTL * 3 // 2]
        await it.pass_time(TTL / 2)
        assert renewed(ada) == [TTL * 2]


async def test_a_resume_has_new_credentials_and_they_are_renewed_half_their_life_later() -> None:
    async with scene(TURN) as it:
        ada = await it.client("ada")
        ada.heard()
        await it.pass_time(1000)
        seen = ada.seq
        await ada.cut()
        await it.pass_time(10)
        again = await it.resume(ada, seen)
        (resumed,) = again.heard(messages.Resumed)
        assert expiry(resumed.ice_servers, ada.sid) == 1010 + TTL
        await it.pass_time(TTL / 2 - 1)
        assert renewed(again) == [], "the first credentials are not renewed any more"
        await it.pass_time(1)
        assert renewed(again) == [1010 + TTL * 3 // 2]


async def test_credentials_that_became_due_while_the_connection_was_cut_are_in_what_it_missed() -> None:
    async with scene(TURN) as it:
        ada = await it.client("ada")
        await it.pass_time(TTL / 2 - 5)
        ada.heard()
        seen = ada.seq
        await ada.cut()
        await it.pass_time(10)
        again = await it.resume(ada, seen)
        assert renewed(again) == [TTL // 2 + 5 + TTL]


async def test_who_left_is_forgotten() -> None:
    async with scene(TURN) as it:
        ada, bob = await it.client("ada"), await it.client("bob")
        await it.pass_time(1)
        ada.room.attendance.depart(ada.participant, DisconnectReason.CLIENT_INITIATED)
        await it.pass_time(TTL / 2)
        assert len(renewed(bob)) == 1


async def test_without_a_turn_server_nothing_is_sent() -> None:
    async with scene(Config(ice_servers=(IceServer(("stun:a",)),))) as it:
        ada = await it.client("ada")
        assert ada.last(messages.Joined).ice_servers == (IceServer(("stun:a",)),)
        await it.pass_time(10 * TTL)
        assert ada.heard(messages.IceServers) == []
