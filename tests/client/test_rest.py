"""The client against a running service: every operation, refusals as exceptions, and limits."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from sfu_client import (
    Client,
    Conflict,
    InternalClient,
    InvalidAnswer,
    InvalidRequest,
    NotAllowed,
    NotFound,
    RequestFailed,
    Stale,
    SyncClient,
    TooManyRequests,
    TrackWish,
    Unauthenticated,
    Unreachable,
)
from sfu_client.aio import connection

from ..api.conftest import Start
from ..api.server import KEY, SECRET, Server, token
from ..sfu.scene import sdp

FRAGMENT = "a=ice-ufrag:restart0\r\na=ice-pwd:anotherpasswordanotherpw\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"


async def test_rooms_are_created_listed_changed_and_deleted(client: Client) -> None:
    lobby = await client.create_room("lobby", max_participants=20, metadata="m")
    assert (lobby.name, lobby.max_participants, lobby.metadata, lobby.locked) == ("lobby", 20, "m", False)
    assert await client.create_room("lobby", max_participants=20, metadata="m") == lobby
    with pytest.raises(Conflict):
        await client.create_room("lobby", max_participants=21)
    changed = await client.change_room("lobby", locked=True, on_stage=["ada"], last_n=4, departure_timeout=5)
    assert (changed.locked, changed.on_stage, changed.last_n, changed.departure_timeout) == (True, ("ada",), 4, 5.0)
    assert changed.max_participants == 20
    assert await client.show_room("lobby") == changed
    await client.delete_room("lobby")
    with pytest.raises(NotFound, match="There is no room 'lobby'"):
        await client.show_room("lobby")


async def test_lists_are_read_a_page_at_a_time_or_whole(client: Client) -> None:
    for name in "abc":
        await client.create_room(name)
    page = await client.list_rooms(limit=2)
    assert ([room.name for room in page.rooms], bool(page.next)) == (["a", "b"], True)
    rest = await client.list_rooms(after=page.next, limit=2)
    assert ([room.name for room in rest.rooms], rest.next) == (["c"], "")


async def test_all_pages_are_read(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        await client.create_room(name)
    list_rooms = client.list_rooms
    monkeypatch.setattr(client, "list_rooms", lambda after="": list_rooms(after=after, limit=2))
    assert [room.name async for room in client.all_rooms()] == ["a", "b", "c"]


async def test_a_participant_is_shown_changed_muted_explained_and_removed(client: Client, server: Server) -> None:
    async with server.client("ada") as ada, server.client("bob") as bob:
        published = await ada.ask("publish", cid="cam", kind="video", source="camera")
        track = published["track"]["sid"]
        await ada.ask("offer", sdp=sdp([("video", "sendonly")]), tracks={"0": "cam"})
        await bob.offer("video recvonly")
        assert [one.identity for one in (await client.list_participants("room")).participants] == ["ada", "bob"]
        assert [one.identity async for one in client.all_participants("room")] == ["ada", "bob"]
        shown = await client.show_participant("room", "ada")
        assert (shown.sid, shown.kind, shown.tracks[0].sid, shown.tracks[0].source) == (
            ada.sid,
            "standard",
            track,
            "camera",
        )
        changed = await client.change_participant(
            "room", "ada", name="Ada L.", attributes={"hand": "up"}, permissions={"can_publish_data": False}
        )
        assert (changed.name, changed.attributes, changed.permissions.can_publish_data) == (
            "Ada L.",
            {"hand": "up"},
            False,
        )
        assert (await client.mute_track("room", "ada", track)).tracks[0].muted
        # Unmuting allows the owner to unmute.
        await client.mute_track("room", "ada", track, False)
        assert (await ada.ask("mute", track=track, muted=False))["type"] == "ok"
        assert not (await client.show_participant("room", "ada")).tracks[0].muted
        assert [one.track.sid async for one in client.all_tracks("room")] == [track]
        details = await client.show_track("room", track)
        assert (details.track.sid, details.participant, [one.participant for one in details.viewers]) == (
            track,
            "ada",
            ["bob"],
        )
        await client.request_keyframe("room", track)
        (subscription,) = (await client.list_subscriptions("room", "bob")).subscriptions
        assert (subscription.track, subscription.participant, subscription.desired) == (track, "ada", True)
        settings: list[TrackWish] = [{"track": track, "quality": "low", "fps": 15}]
        (wished,) = (await client.set_subscriptions("room", "bob", tracks=[track], settings=settings)).subscriptions
        assert (wished.wish.quality, wished.wish.fps) == ("low", 15.0)
        assert [one.track async for one in client.all_subscriptions("room", "bob")] == [track]
        (explained,) = [one async for one in client.all_explanations("room", "bob")]
        assert explained.track == track and explained.sentence
        assert (await client.send_data("room", text="Hello.", to=["ada"])).receivers in (0, 1)
        await client.remove_track("room", track)
        with pytest.raises(NotFound):
            await client.show_track("room", track)
        await client.remove_participant("room", "ada")
        with pytest.raises(NotFound):
            await client.show_participant("room", "ada")
        await client.readmit_participant("room", "ada")


async def test_events_are_read_a_page_at_a_time_or_whole(client: Client, server: Server) -> None:
    async with server.client("ada") as ada:
        await ada.say("leave")
        await ada.hear("left")
    page = await client.list_events(limit=1)
    assert ([event.type for event in page.events], page.missed) == (["room_started"], False)
    assert page.next == page.events[0].id
    rest = [event async for event in client.all_events(after=page.next, room="room")]
    assert rest[0].type == "participant_joined" and rest[0].participant is not None
    assert rest[0].participant.identity == "ada"
    assert await client.delete_events("ada", room="room") == 2
    assert [event.type async for event in client.all_events()] == ["room_started", "command"]


async def test_whip_and_whep_sessions_are_opened_patched_and_ended(client: Client) -> None:
    one_room, any_room = token("cam"), token("cam2", room="")
    offer = sdp([("video", "sendonly")])
    for session in (
        await client.publish(offer, token=one_room),
        await client.publish(offer, token=any_room, room="room"),
        await client.watch(sdp([("video", "recvonly")]), token=token("eve")),
        await client.watch(sdp([("video", "recvonly")]), token=token("fay"), participant="cam"),
    ):
        assert session.answer.startswith("v=0") and session.etag
        restarted = await client.patch_session(session, FRAGMENT, restart=True)
        assert "a=ice-pwd:" in restarted.fragment and restarted.etag != session.etag
        with pytest.raises(Stale):
            await client.patch_session(session, FRAGMENT)
        await client.end_session(session)
    with pytest.raises(NotAllowed):
        await client.publish(offer, token=token("cam", room_join=False))


async def test_a_session_names_the_ice_servers(start: Start) -> None:
    server = await start(ice_servers='[{"urls": "stun:stun.example.com"}]')
    async with Client(f"http://127.0.0.1:{server.port}", key=KEY, secret=SECRET) as client:
        session = await client.publish(sdp([("video", "sendonly")]), token=token("cam"))
    assert session.ice_servers == ('<stun:stun.example.com>; rel="ice-server"',)


async def test_a_session_of_another_server_is_not_touched(client: Client) -> None:
    session = await client.publish(sdp([("video", "sendonly")]), token=token("cam"))
    elsewhere = type(session)("http://other.example/v1/whip/x", "", "e", (), (), ())
    with pytest.raises(ValueError, match="not one of"):
        await client.end_session(elsewhere)


async def test_the_protocol_is_described(client: Client) -> None:
    assert (await client.show_protocol())["asyncapi"] == "3.0.0"


async def test_names_may_contain_any_characters(client: Client) -> None:
    for name in ("a/b", "..", ".", "50% off?", "ö #1", "x" * 200):
        assert (await client.create_room(name)).name == name
        assert (await client.show_room(name)).name == name
        await client.delete_room(name)


async def test_the_synchronous_twin_does_the_same(server: Server) -> None:
    def work() -> None:
        with SyncClient(f"http://127.0.0.1:{server.port}", key=KEY, secret=SECRET) as client:
            assert client.create_room("lobby").name == "lobby"
            assert [room.name for room in client.all_rooms()] == ["lobby"]
            with pytest.raises(NotFound):
                client.show_room("other")
            client.delete_room("lobby")

    await asyncio.to_thread(work)


async def test_the_internal_listener_is_drained(server: Server) -> None:
    async with InternalClient("http://internal", transport=server.internal._transport) as internal:
        assert await internal.list_webhooks() == ()
        with pytest.raises(NotFound):
            await internal.retry_webhook("none")
        with pytest.raises(NotFound):
            await internal.test_webhook("none")
        assert (await internal.drain(limit=0)).rooms == 0
        assert (await internal.show_drain()).participants == 0


async def test_a_refusal_is_an_exception_of_its_kind(server: Server, client: Client, start: Start) -> None:
    url = f"http://127.0.0.1:{server.port}"
    with pytest.raises(InvalidRequest) as refused:
        await client.create_room("lobby", max_participants="many", last_n="x")  # type: ignore[arg-type]
    assert refused.value.status == 422
    assert {fault.where for fault in refused.value.faults} == {"body.max_participants", "body.last_n"}
    async with Client(url, token="x") as unknown:
        with pytest.raises(Unauthenticated) as refused_401:
            await unknown.list_rooms()
        assert (refused_401.value.status, refused_401.value.code) == (401, "unauthenticated")
    async with Client(url, token=lambda: token("ada")) as ada:
        with pytest.raises(NotAllowed):
            await ada.list_rooms()
    small = await start(max_rooms=1)
    async with Client(f"http://127.0.0.1:{small.port}", key=KEY, secret=SECRET) as one_room:
        await one_room.create_room("a")
        with pytest.raises((TooManyRequests, Conflict)) as full:
            await one_room.create_room("b")
        assert full.value.detail.endswith(".")


@asynccontextmanager
async def answering(answer: Callable[[httpx.Request], httpx.Response], **more: Any) -> AsyncIterator[Client]:
    async with Client("http://sfu/prefix", token="t", transport=httpx.MockTransport(answer), **more) as client:
        yield client


async def test_the_service_may_be_mounted_under_a_path() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(204)

    async with answering(answer) as client:
        await client.delete_room("a")
    assert seen == ["http://sfu/prefix/v1/rooms/a"]


@pytest.mark.parametrize(
    ("reply", "kind", "sentence"),
    [
        (httpx.Response(404, text="<html>"), InvalidAnswer, "answered 404, and may not be an SFU"),
        (httpx.Response(200, text="<html>"), InvalidAnswer, "The reply is no Room"),
        (httpx.Response(200, json={"name": "a"}), InvalidAnswer, "The reply is no Room: sid"),
        (httpx.Response(302, headers={"Location": "http://other/"}), InvalidAnswer, "answered 302"),
    ],
    ids=["not ours", "not JSON", "not a room", "elsewhere"],
)
async def test_a_reply_that_is_not_of_an_sfu_is_refused(
    reply: httpx.Response, kind: type[Exception], sentence: str
) -> None:
    async with answering(lambda _: reply) as client:
        with pytest.raises(kind, match=sentence):
            await client.show_room("a")


async def test_a_limit_that_was_hit_is_named() -> None:
    body = {"detail": "Too many rooms.", "code": "too_many", "limit": "max_rooms", "status": 429}
    async with answering(lambda _: httpx.Response(429, json=body, headers={"Retry-After": "7"})) as client:
        with pytest.raises(TooManyRequests) as refused:
            await client.create_room("a")
    assert (refused.value.limit, refused.value.retry_after, refused.value.code) == ("max_rooms", 7.0, "too_many")


async def test_a_long_reply_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "REPLY_OCTETS", 1000)
    async with answering(lambda _: httpx.Response(200, content=b" " * 1001)) as client:
        with pytest.raises(InvalidAnswer, match="more than 1000 octets"):
            await client.show_room("a")


async def test_a_reply_that_never_ends_is_given_up() -> None:
    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                await asyncio.sleep(0)
                yield b" "

    async with answering(lambda _: httpx.Response(200, stream=Endless()), timeout=0.05) as client:
        with pytest.raises(RequestFailed, match=r"took longer than 0\.05 s"):
            await client.show_room("a")


async def test_nobody_there_and_silence_are_told_apart() -> None:
    async with Client("http://127.0.0.1:1", token="t") as client:
        with pytest.raises(Unreachable, match="Nothing answers"):
            await client.list_rooms()
    # The kernel accepts the connection, and nobody answers.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with Client(url, token="t", timeout=0.1) as client:
            with pytest.raises(RequestFailed, match="took longer"):
                await client.list_rooms()


@pytest.mark.parametrize("url", ["localhost:7880", "ftp://x", "http://", "http://x:port", "http://x/?a=b", ""])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="needs to begin with http"):
        Client(url, token="t")


def test_a_client_needs_one_way_to_sign() -> None:
    for given, key, secret in (("", "", ""), ("", "k", ""), ("t", "k", "s")):
        with pytest.raises(ValueError, match="key"):
            Client("http://sfu", token=given, key=key, secret=secret)
