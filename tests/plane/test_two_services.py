"""Two services in one process, and one that is opened again: each has its own rooms, ports and threads."""

import asyncio
from collections.abc import Callable

import pytest

from loadtest.wire import Client, Session, open_session
from sfu.commands import ADMINISTRATOR, CreateRoom
from sfu.config import Config
from sfu.service import Sfu

from ..api.server import Server, serving, token
from ..live import rooms_of


async def until(is_so: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if is_so():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not come to that within ten seconds")


async def watch(server: Server) -> tuple[Session, Session]:
    """A publisher and its viewer, with media."""
    url = f"http://127.0.0.1:{server.port}/v1"
    publisher = await open_session(f"{url}/whip", token("ada"), Client(sends=["video"]))
    publisher.client.play()
    viewer = await open_session(f"{url}/whep", token("bob"), Client(videos=1))
    await until(lambda: viewer.client.receiver.packets > 20)
    return publisher, viewer


async def test_two_services_have_their_own_rooms_and_media_and_one_outlives_the_other() -> None:
    async with serving(real_plane=True) as one:
        async with serving(real_plane=True) as other:
            assert one.sfu._plane.addresses() != other.sfu._plane.addresses()
            sessions = [await watch(one), await watch(other)]
            first, second = (rooms_of(server.sfu)["room"] for server in (one, other))
            assert first.sid != second.sid
            assert {p.sid for p in first.members}.isdisjoint(p.sid for p in second.members)
            await other.sfu.execute(CreateRoom(ADMINISTRATOR, "elsewhere"))
            assert "elsewhere" not in rooms_of(one.sfu)
            for session in sessions[1]:
                session.client.close()
        seen = sessions[0][1].client.receiver.packets
        await until(lambda: sessions[0][1].client.receiver.packets > seen + 20)
        assert first.participants.keys() == {"ada", "bob"} and not second.participants
        for session in sessions[0]:
            await session.end()


async def test_a_second_service_on_the_same_port_is_refused_with_a_sentence() -> None:
    async with Sfu(Config(udp_port=0, workers=1)) as sfu:
        _, port = sfu._plane.addresses()[0]
        with pytest.raises(OSError, match=str(port)):
            Sfu(Config(udp_port=port, workers=1))
