"""The messages of a client on the WebSocket: refused ones, and their limits."""

import asyncio
import json

import pytest

from sfu import limits
from sfu.bucket import Bucket
from sfu.commands import ADMINISTRATOR, ListSubscriptions
from sfu.model import Wish

from .server import Client, Server, token


async def test_the_first_message_must_be_join(server: Server) -> None:
    async with server.rtc(additional_headers={"Authorization": f"Bearer {token()}"}) as socket:
        client = Client(socket)
        await client.say("leave")
        assert (await client.hear("left"))["message"] == "the first message must be join"
        assert (await client.closed())[0] == 1008


async def test_who_says_nothing_is_not_kept_waiting_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FIRST_MESSAGE_SECONDS", 0.05)
    async with server.rtc(additional_headers={"Authorization": f"Bearer {token()}"}) as socket:
        assert (await Client(socket).closed())[0] == 1008


@pytest.mark.parametrize(
    ("sent", "id", "sentence"),
    [
        ("{", 0, "not JSON"),
        ("[]", 0, "wrong at"),
        ("{}", 0, "has no type"),
        ('{"type": "dance", "id": 5}', 5, "not known"),
        ('{"type": "mute", "id": 6, "track": 3, "muted": true}', 6, "wrong at mute.track"),
        ('{"type": "offer", "id": 7, "sdp": "v=1"}', 7, ""),
        ('{"type": "join"}', 0, "first message only"),
        ('{"type": "unpublish", "id": 8, "track": "TR_none"}', 8, "TR_none"),
        ("[" * 10_000, 0, "not JSON"),
        ('{"type": "mute", "id": 1e400, "track": "x", "muted": true}', 0, "wrong at mute.id"),
    ],
)
async def test_a_bad_message_gets_a_sentence_and_the_conversation_goes_on(
    server: Server, sent: str, id: int, sentence: str
) -> None:
    async with server.client("ada") as ada:
        await ada.socket.send(sent)
        error = await ada.hear("error")
        assert error["id"] == id and sentence in error["message"] and error["code"]
        assert (await ada.ask("subscribe", tracks=[], on=True))["type"] == "ok"


async def test_a_message_of_a_mebibyte_ends_its_own_connection_only(server: Server) -> None:
    async with server.client("ada") as ada, server.client("bob") as bob:
        await ada.socket.send(json.dumps({"type": "offer", "id": 1, "sdp": "x" * 1024 * 1024}))
        code, reason = await ada.closed()
        assert code == 1009 and str(limits.MESSAGE_OCTETS) in reason
        assert (await bob.ask("subscribe", tracks=[], on=True))["type"] == "ok"


async def test_a_message_just_below_the_limit_is_read(server: Server) -> None:
    async with server.client("ada") as ada:
        assert (await ada.ask("offer", sdp="x" * (limits.MESSAGE_OCTETS - 200)))["type"] == "error"


async def test_binary_messages_are_refused(server: Server) -> None:
    async with server.client("ada") as ada:
        await ada.socket.send(b"{}")
        assert "text" in (await ada.hear("error"))["message"]
        assert (await ada.closed())[0] == 1003
    async with server.rtc(additional_headers={"Authorization": f"Bearer {token()}"}) as socket:
        await socket.send(b'{"type": "join"}')
        assert "text" in (await Client(socket).hear("left"))["message"]
        assert (await Client(socket).closed())[0] == 1003


async def test_every_request_of_a_flood_is_answered_in_order_and_nobody_else_waits(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MESSAGES_PER_SECOND", 1_000.0)
    async with server.client("ada") as ada, server.client("bob") as bob:

        async def flood() -> None:
            for id in range(600):
                await ada.say("subscribe", id=id, tracks=[], on=True)

        flooding = asyncio.create_task(flood())
        assert (await ada.hear("ok"))["id"] == 0
        assert (await bob.ask("subscribe", tracks=[], on=True))["type"] == "ok"
        assert [(await ada.hear("ok", "error"))["id"] for _ in range(599)] == list(range(1, 600))
        await flooding


async def test_what_is_wrong_costs_as_much_as_what_is_right(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    spent: list[float] = []

    def spend(bucket: Bucket, now: float, cost: float = 1.0) -> float:
        spent.append(cost)
        return 0.0

    monkeypatch.setattr(Bucket, "spend", spend)
    async with server.client("ada") as ada:
        await ada.socket.send("x" * 32 * 1024)
        assert (await ada.hear("error"))["id"] == 0
        await ada.ask("subscribe", tracks=[], on=True)
    assert spent[0] == 3.0 and 1.0 < spent[1] < 1.1


@pytest.mark.parametrize("id", ["9007199254740992", "-9007199254740992", "1" + "0" * 4000, "1.5", '"x"', "null"])
async def test_an_id_that_is_no_integer_is_refused_and_not_repeated(server: Server, id: str) -> None:
    async with server.client("ada") as ada:
        await ada.socket.send('{"type": "mute", "id": ' + id + ', "track": "TR_", "muted": true}')
        error = await ada.hear("error")
        assert (error["id"], error["code"]) == (0, "invalid_request") and len(error["message"]) < 200


async def test_refusals_repeat_64_characters_of_what_they_refuse(server: Server) -> None:
    name = "\u202e" + "\U000e0001" * 60_000
    async with server.client("ada") as ada:
        for asked in (
            {"type": "mute", "track": name, "muted": True},
            {"type": "unpublish", "track": name},
            {"type": "subscribe", "tracks": [name], "on": True},
            {"type": "settings", "track": name},
            {"type": "settings", "tracks": [{"track": name}]},
            {"type": "publish", "cid": name, "kind": "video"},
            {"type": "publish", "cid": "c", "kind": "video", "backup": {"cid": "d", "mime": name}},
            {"type": "publish", "cid": "c", "kind": name},
            {"type": "update", "attributes": {name: 1}},
            {"type": "offer", "sdp": name},
            {"type": "offer", "sdp": "", "tracks": {name: 1}},
            {"type": name},
        ):
            await ada.socket.send(json.dumps({"id": 1, **asked}, ensure_ascii=False))
            message = (await ada.hear("error"))["message"]
            assert len(message) < 900 and "\u202e" not in message, asked["type"]


async def test_several_tracks_are_set_in_one_message_or_none_of_them(server: Server) -> None:
    async with server.client("ada") as ada, server.client("bob") as bob:
        tracks = []
        for cid in ("camera", "screen"):
            tracks.append((await ada.ask("publish", cid=cid, kind="video"))["track"]["sid"])
        await ada.offer("video sendonly", "video sendonly")
        wishes = [{"track": tracks[0], "width": 320, "height": 180}, {"track": tracks[1], "visible": False}]
        for wrong in ([*wishes, {"track": "TR_?"}], [*wishes, {"track": tracks[0], "width": -1}], wishes * 200, []):
            assert (await bob.ask("settings", tracks=wrong))["type"] == "error"
        everything = ListSubscriptions(ADMINISTRATOR, "room", "bob")
        assert [one.wish for one in (await server.sfu.execute(everything)).entries] == [Wish(), Wish()]
        assert (await bob.ask("settings", tracks=wishes))["type"] == "ok"
        shown = {one.track: one.wish for one in (await server.sfu.execute(everything)).entries}
        assert shown == {tracks[0]: Wish(width=320, height=180), tracks[1]: Wish(visible=False)}
