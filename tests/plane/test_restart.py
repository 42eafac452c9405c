"""An ICE restart and a new association through all layers: interfaces, negotiation, and the real plane."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from loadtest.wire import Client, Session, dtls, open_session
from loadtest.wire.transport import Transport

from ..api.server import Server, serving, token
from ..api.test_whip import FRAGMENT, fragment

NEW = ("restart0", "the-new-password-of-the-client")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving(real_plane=True) as server:
        yield server


async def until(is_so: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if is_so():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not come to that within ten seconds")


async def session(server: Server, door: str, identity: str, client: Client) -> Session:
    return await open_session(f"http://127.0.0.1:{server.port}/v1/{door}", token(identity), client)


def value(text: str, name: str) -> str:
    return next(line.partition(":")[2] for line in text.split("\r\n") if line.startswith(f"a={name}:"))


def check_with(transport: Transport, ours: tuple[str, str], theirs: tuple[str, str]) -> None:
    transport.ufrag, transport.password = ours
    assert transport._remote is not None
    transport._remote = replace(transport._remote, ufrag=theirs[0], password=theirs[1])
    transport.send(transport.check())


async def test_media_uses_the_old_pair_until_a_check_with_the_new_credentials_comes(server: Server) -> None:
    publisher = await session(server, "whip", "alice", Client(sends=["video"]))
    publisher.client.play()
    viewer = await session(server, "whep", "bob", Client(videos=1))
    receiver, transport = viewer.client.receiver, viewer.client.transport
    await until(lambda: receiver.packets > 20)

    assert transport._remote is not None
    old = ((transport.ufrag, transport.password), (transport._remote.ufrag, transport._remote.password))
    headers = {"If-Match": "*", "Content-Type": FRAGMENT}
    reply = await server.http.patch(viewer.location, content=fragment(*NEW), headers=headers)
    assert reply.status_code == 200
    theirs = (value(reply.text, "ice-ufrag"), value(reply.text, "ice-pwd"))
    seen, answered = receiver.packets, transport.checks_answered
    await until(lambda: receiver.packets > seen + 100)
    transport.send(transport.check())
    await until(lambda: transport.checks_answered > answered)

    answered, unknown = transport.checks_answered, server.sfu.stats().counters.discards["stun_unknown_user"]
    check_with(transport, NEW, theirs)
    await until(lambda: transport.checks_answered > answered)
    check_with(transport, *old)
    await until(lambda: server.sfu.stats().counters.discards["stun_unknown_user"] == unknown + 1)
    check_with(transport, NEW, theirs)
    seen = receiver.packets
    await until(lambda: receiver.packets > seen + 100)
    assert all(reception.gaps == 0 for reception in receiver.receptions.values())
    assert server.sfu.stats().transports == 2 and not receiver.refused, "the association is the one of before"
    for one in (viewer, publisher):
        await one.end()


async def test_another_certificate_is_another_association_and_what_was_shown_goes_on(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = await session(server, "whip", "alice", Client(sends=["video"]))
    publisher.client.play()
    async with server.client("bob") as bob:
        first = Client(videos=1)
        await first.connect((await bob.ask("offer", sdp=first.offer))["sdp"])
        await until(lambda: first.receiver.packets > 20)

        other = dtls.identity(dtls.PROFILES[:1])
        monkeypatch.setattr(dtls, "identity", lambda: other)
        second = Client(videos=1)
        answer = (await bob.ask("offer", sdp=second.offer))["sdp"]
        await until(first.transport.closed.is_set)
        await second.connect(answer)
        await asyncio.wait_for(second.receiver.first_keyframe, 10)
        await until(lambda: server.sfu.stats().transports == 2)
        for client in (first, second):
            client.close()
    await publisher.end()
