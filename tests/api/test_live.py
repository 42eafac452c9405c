"""REST and metrics about flowing media: light clients by WHIP and WHEP, over the real plane."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from loadtest.wire import Client, Session, open_session

from .server import Server, serving, token

ROOM = "/v1/rooms/room"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving(real_plane=True) as server:
        yield server


async def session(server: Server, door: str, identity: str, client: Client) -> Session:
    opened = await open_session(f"http://127.0.0.1:{server.port}/v1/{door}", token(identity), client)
    client.play()
    return opened


async def until(look: Callable[[], Awaitable[Any]], is_so: Callable[[Any], bool]) -> Any:
    """Looks until it is so, for ten seconds; returns what was seen last."""
    seen = None
    for _ in range(200):
        seen = await look()
        if is_so(seen):
            return seen
        await asyncio.sleep(0.05)
    pytest.fail(f"it did not come to that within ten seconds: {seen}")


async def tracks(server: Server) -> Any:
    return (await server.call("GET", ROOM + "/tracks")).json()["tracks"]


async def subscriptions(server: Server, identity: str) -> Any:
    return (await server.call("GET", f"{ROOM}/participants/{identity}/subscriptions")).json()["subscriptions"]


async def test_the_publishers_view_has_codec_bitrate_and_size_of_what_really_arrives(server: Server) -> None:
    alice = await session(server, "whip", "alice", Client(sends=["video"]))
    # The first report is of the first frame, or of a part of it.
    (shown,) = await until(lambda: tracks(server), lambda seen: seen[0]["encodings"][0]["fps"] > 20)
    assert (shown["participant"], shown["track"]["mime"]) == ("alice", "video/VP8")
    (encoding,) = shown["encodings"]
    assert (encoding["active"], encoding["width"], encoding["height"]) == (True, 640, 360)
    assert 500_000 < encoding["bitrate"] < 3_000_000 and encoding["fps"] < 40
    await alice.end()
    assert await tracks(server) == []


async def test_a_subscription_says_which_layer_really_leaves(server: Server) -> None:
    alice = await session(server, "whip", "alice", Client(sends=["video"]))
    bob = await session(server, "whep", "bob", Client(videos=1))
    (shown,) = await until(lambda: subscriptions(server, "bob"), lambda seen: seen[0]["state"] == "active")
    assert (shown["participant"], shown["mid"], shown["layer"]["spatial"]) == ("alice", "0", 0)
    path = f"{ROOM}/participants/alice/mute"
    await server.call("POST", path, {"track": shown["track"], "muted": True})
    await until(lambda: subscriptions(server, "bob"), lambda seen: seen[0]["reason"] == "muted by a moderator")
    counts = [-1]

    async def count() -> list[int]:
        await asyncio.sleep(0.3)
        counts.append(bob.client.receiver.packets)
        return counts

    await until(count, lambda seen: seen[-1] == seen[-2])  # Nothing of it is forwarded any more.
    for one in (alice, bob):
        await one.end()


async def test_an_explanation_follows_what_really_flows(server: Server) -> None:
    alice = await session(server, "whip", "alice", Client(sends=["video"]))
    bob = await session(server, "whep", "bob", Client(videos=1))

    async def explained() -> Any:
        (one,) = (await server.call("GET", f"{ROOM}/participants/bob/explain")).json()["subscriptions"]
        return one

    seen = await until(explained, lambda seen: (seen["current"] or {"bitrate": 0})["bitrate"] > 500_000)
    assert (seen["cause"], seen["current"]["width"], seen["current"]["height"]) == ("none", 640, 360)
    assert seen["wanted"] == seen["allowed"] == seen["target"] == seen["current"]
    assert seen["sentence"].startswith("alice's camera is shown to bob at 640x360, ")
    assert seen["since"] in [one["at"] for one in seen["decisions"] if one["what"] == "current"]
    await server.call("POST", f"{ROOM}/participants/alice/mute", {"track": seen["track"], "muted": True})
    seen = await until(explained, lambda seen: seen["current"] is None)
    assert seen["sentence"] == "alice's camera is not shown to bob: a moderator has muted it."
    for one in (alice, bob):
        await one.end()


async def test_with_one_section_a_viewer_is_shown_who_speaks(server: Server) -> None:
    alice = await session(server, "whip", "alice", Client(sends=["video"]))
    viewer = await session(server, "whep", "viewer", Client(audios=1, videos=1))

    def shows(identity: str) -> Callable[[Any], bool]:
        return lambda seen: [s["participant"] for s in seen if s["mid"] == "1" and s["state"] == "active"] == [identity]

    await until(lambda: subscriptions(server, "viewer"), shows("alice"))
    bob = await session(server, "whip", "bob", Client(sends=["audio", "video"]))
    await until(lambda: subscriptions(server, "viewer"), shows("bob"))
    assert all(reception.gaps == 0 for reception in viewer.client.receiver.receptions.values()), "numbers go on"
    for one in (alice, bob, viewer):
        await one.end()


async def test_metrics_count_what_flows(server: Server) -> None:
    alice = await session(server, "whip", "alice", Client(sends=["video"]))
    bob = await session(server, "whep", "bob", Client(videos=1))

    async def figures() -> dict[str, float]:
        lines = (await server.internal.get("/metrics")).text.splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}

    seen = await until(figures, lambda seen: seen["sfu_packets_forwarded_total"] > 20)
    assert (seen["sfu_transports"], seen["sfu_tracks"], seen["sfu_slots"]) == (2, 1, 1)
    # How many keyframes were asked for depends on whether one was kept when Bob came.
    assert seen["sfu_bytes_sent_total"] > 20_000 and "sfu_keyframe_requests_total" in seen
    assert seen['sfu_discards_total{reason="srtp_auth"}'] == 0

    async def counters(identity: str) -> dict[str, Any]:
        reply = await server.internal.get("/counters", params={"room": "room", "identity": identity})
        return dict(reply.json())

    sender = await until(lambda: counters("alice"), lambda seen: seen.get("packets_received", 0) > 20)
    viewer = await until(lambda: counters("bob"), lambda seen: seen.get("packets_forwarded", 0) > 20)
    assert sender["packets_forwarded"] == 0 and viewer["bytes_sent"] > 20_000
    assert sender["bytes_received"] > viewer["bytes_received"]
    assert 0 not in sender["discards"].values() and sender["discards"].get("srtp_auth") is None
    for one in (alice, bob):
        await one.end()
