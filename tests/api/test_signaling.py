"""The WebSocket: who is let in, what is answered, and how it ends."""

import asyncio
import json
import logging
import time
from typing import Any

import pytest
import websockets

from sfu import limits
from sfu.bucket import Bucket
from sfu.commands import ADMINISTRATOR, ListSubscriptions
from sfu.model import Wish

from ..live import rooms_of
from .conftest import Start
from .server import KEY, OTHER_SECRET, SECRET, Client, Server, admin, token

Origin = {"Origin": "http://page.example"}


async def test_a_join_is_answered_by_the_room_and_an_offer_by_an_answer(server: Server) -> None:
    async with server.client("ada", name="Ada") as ada:
        assert ada.joined["seq"] == 1 and ada.joined["room"]["name"] == "room"
        assert ada.joined["you"]["identity"] == "ada" and ada.joined["you"]["name"] == "Ada"
        answer = await ada.offer("audio recvonly", "video recvonly", "application")
        assert answer["type"] == "answer" and answer["sdp"].startswith("v=0\r\n")


async def test_what_one_publishes_the_others_hear_of(server: Server) -> None:
    async with server.client("ada") as ada, server.client("bob") as bob:
        published = await ada.ask("publish", cid="cam", kind="video", source="camera", name="front")
        await ada.ask("offer", sdp=await _camera_offer(), tracks={"0": "cam"})
        news = await bob.hear("participants")
        while not news["participants"][0]["tracks"]:
            news = await bob.hear("participants")
        assert news["participants"][0]["tracks"][0]["sid"] == published["track"]["sid"]


async def _camera_offer() -> str:
    from ..sfu.scene import sdp

    return sdp([("video", "sendonly")])


@pytest.mark.parametrize(
    "way",
    [
        lambda jwt: {"additional_headers": {"Authorization": f"Bearer {jwt}"}},
        lambda jwt: {"subprotocols": ["sfu.v1", f"bearer.{jwt}"]},
        lambda jwt: {"query": f"?access_token={jwt}"},
    ],
    ids=["authorization", "subprotocol", "query"],
)
@pytest.mark.parametrize("path", ["/v1/rooms/room/rtc", "/v1/rtc"])
async def test_a_token_may_come_in_three_ways_on_both_paths(server: Server, way: Any, path: str) -> None:
    arguments = way(token())
    url = f"ws://127.0.0.1:{server.port}{path}{arguments.pop('query', '')}"
    async with websockets.connect(url, **arguments) as socket:
        client = Client(socket)
        await client.say("join")
        assert (await client.hear("joined"))["room"]["name"] == "room"
        assert socket.subprotocol == ("sfu.v1" if "subprotocols" in arguments else None)


async def test_a_token_with_much_metadata_fits_into_the_request_line(server: Server) -> None:
    url = f"ws://127.0.0.1:{server.port}/v1/rtc?access_token={token(metadata='m' * 30_000)}"
    async with websockets.connect(url) as socket:
        client = Client(socket)
        await client.say("join")
        assert len((await client.hear("joined"))["you"]["metadata"]) == 30_000


REFUSED = [
    ("no token", "", 401, "A token is needed"),
    ("not a JWT", "nonsense", 401, "not a JWT"),
    ("expired", token(now=time.time() - 7200), 401, "has expired"),
    ("not yet valid", token(now=time.time() + 600), 401, "not valid yet"),
    ("an unknown key", token(key="other"), 401, "does not know"),
    ("a wrong secret", token(secret=OTHER_SECRET), 401, "signature"),
    ("another room", token(room="elsewhere"), 403, "is for the room 'elsewhere', not for 'room'"),
    ("no roomJoin", token(room_join=False), 403, "does not allow to join"),
]


@pytest.mark.parametrize(
    ("jwt", "status", "sentence"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
async def test_a_handshake_is_refused_with_a_problem_document(
    server: Server, caplog: pytest.LogCaptureFixture, jwt: str, status: int, sentence: str
) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with server.rtc(additional_headers={"Authorization": f"Bearer {jwt}"} if jwt else None):
            pass
    response = refused.value.response
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = json.loads(response.body)
    assert sentence in problem["detail"] and problem["status"] == status
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING], (
        "a refusal is no error of ours"
    )


@pytest.mark.parametrize("path", ["/v1/rtx", "/rtc", "/v1/rooms"])
async def test_a_websocket_to_nowhere_is_told_so(server: Server, path: str) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with websockets.connect(f"ws://127.0.0.1:{server.port}{path}", origin="http://page.example"):  # type: ignore[arg-type]
            pass
    assert refused.value.response.status_code == 404
    assert json.loads(refused.value.response.body)["detail"] == "There is nothing at this path."


@pytest.mark.parametrize(
    ("jwt", "status", "sentence"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
async def test_a_browser_which_hides_the_status_is_told_behind_the_door(
    server: Server, jwt: str, status: int, sentence: str
) -> None:
    offered = ["sfu.v1", f"bearer.{jwt}"] if jwt else ["sfu.v1"]
    async with server.rtc(subprotocols=offered, additional_headers=Origin) as socket:
        client = Client(socket)
        await client.say("join")
        left = await client.hear("left")
        assert sentence.lower() in left["message"].lower() and left["reason"] == "join_failure"
        code, reason = await client.closed()
        assert code == 1008 and reason == left["message"].encode()[:123].decode()


@pytest.mark.parametrize("claim", [{"name": "\ud83d"}, {"metadata": "\ud83d"}, {"attributes": {"a": "\ud83d"}}])
async def test_half_a_character_in_a_token_lets_nobody_in_and_nobody_fall(
    server: Server, claim: dict[str, Any]
) -> None:
    async with server.client("ada") as ada:
        bearer = {"Authorization": f"Bearer {token('eve', **claim)}"}
        async with server.rtc(additional_headers=bearer) as socket:
            eve = Client(socket)
            await eve.say("join")
            assert "surrogate" in (await eve.hear("left"))["message"]
        assert (await ada.ask("subscribe", tracks=[], on=True))["type"] == "ok"


async def test_a_token_of_either_key_counts_while_keys_rotate(start: Start) -> None:
    server = await start(keys=f"old: {SECRET}, new: {OTHER_SECRET}")
    async with server.client("ada", key="old"), server.client("bob", key="new", secret=OTHER_SECRET):
        assert len(rooms_of(server.sfu)["room"].participants) == 2


async def test_a_cut_connection_resumes_by_its_secret_without_a_token(server: Server) -> None:
    async with server.client("ada") as ada:
        seq = ada.seq
    async with server.rtc("room", "?resume=1") as socket:
        again = Client(socket)
        resume = {"sid": ada.sid, "secret": ada.joined["resume_secret"], "seq": seq}
        await again.say("join", resume=resume)
        assert (await again.hear("resumed", "joined"))["type"] == "resumed"


async def test_a_resume_of_something_unknown_is_told_to_join_anew(server: Server) -> None:
    async with server.rtc("room", additional_headers={"Authorization": f"Bearer {token()}"}) as socket:
        client = Client(socket)
        await client.say("join", resume={"sid": "PA_unknown", "secret": "x", "seq": 3})
        left = await client.hear("left")
        assert (left["reason"], left["action"]) == ("state_mismatch", "rejoin")
        assert (await client.closed())[0] == 4001


async def test_an_expired_token_opens_the_door_for_a_resume_only(server: Server) -> None:
    expired = token(now=time.time() - 7200)
    async with server.client("ada") as ada:
        pass
    url = f"ws://127.0.0.1:{server.port}/v1/rtc?resume=1&access_token={expired}"
    async with websockets.connect(url) as socket:
        client = Client(socket)
        await client.say("join")
        assert "expired" in (await client.hear("left"))["message"]
    async with websockets.connect(url) as socket:
        client = Client(socket)
        await client.say("join", resume={"sid": ada.sid, "secret": ada.joined["resume_secret"], "seq": ada.seq})
        await client.hear("resumed")


async def test_the_same_identity_replaces_the_first_which_is_told_why(server: Server) -> None:
    async with server.client("ada") as first, server.client("ada"):
        assert (await first.hear("left"))["reason"] == "duplicate_identity"
        assert (await first.closed())[0] == 1000


async def test_one_session_over_a_second_connection_closes_the_first(server: Server) -> None:
    async with server.client("ada") as ada, server.rtc("room", "?resume=1") as socket:
        again = Client(socket)
        await again.say("join", resume={"sid": ada.sid, "secret": ada.joined["resume_secret"], "seq": ada.seq})
        await again.hear("resumed")
        assert (await ada.closed())[0] == 4000


async def test_leave_is_answered_and_closed_as_normal(server: Server) -> None:
    async with server.client("ada") as ada:
        await ada.say("leave")
        assert (await ada.hear("left"))["reason"] == "client_initiated"
        assert (await ada.closed())[0] == 1000
    assert not rooms_of(server.sfu)["room"].participants


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


async def test_a_fresh_token_comes_at_half_life_and_lets_in(server: Server) -> None:
    async with server.client("ada", ttl=100, now=time.time() - 60, can_publish=False) as ada:
        fresh = (await ada.hear("token"))["token"]
    async with server.rtc(additional_headers={"Authorization": f"Bearer {fresh}"}) as socket:
        client = Client(socket)
        await client.say("join")
        assert (await client.hear("joined"))["you"]["permissions"]["can_publish"] is False


async def test_a_fresh_token_is_not_sent_before_half_life(server: Server) -> None:
    async with server.client("ada", ttl=100, now=time.time() - 40) as ada:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await ada.hear("token")


async def test_who_loses_a_permission_is_sent_a_token_with_what_is_left(server: Server) -> None:
    old = token("ada")
    async with server.client("ada") as ada:
        change = {"permissions": {"can_publish": False}}
        await server.call("PATCH", "/v1/rooms/room/participants/ada", change)
        fresh = (await ada.hear("token"))["token"]
    for jwt, first in ((old, "left"), (fresh, "joined")):
        headers = {"Authorization": f"Bearer {jwt}", "Origin": "https://page.example"}
        async with server.rtc(additional_headers=headers) as socket:
            client = Client(socket)
            await client.say("join")
            message = await client.hear("left", "joined")
            assert message["type"] == first
            if first == "joined":
                assert message["you"]["permissions"]["can_publish"] is False


async def test_who_comes_back_to_a_snapshot_is_sent_a_token_again(server: Server) -> None:
    async with server.client("ada") as ada:
        secret = ada.joined["resume_secret"]
    for number in range(300):
        rooms_of(server.sfu).find("room").update(metadata=str(number))
        await asyncio.sleep(0)
    async with server.rtc("room", "?resume=1") as socket:
        client = Client(socket)
        await client.say("join", resume={"sid": ada.sid, "secret": secret, "seq": 1})
        assert (await client.hear("joined"))["resumed"] is True
        await client.hear("token")


async def test_a_removed_participant_is_told_and_neither_its_token_nor_its_secret_lets_it_in(server: Server) -> None:
    old = token("ada")
    async with server.client("ada") as ada:
        reply = await server.call("DELETE", "/v1/rooms/room/participants/ada")
        assert reply.status_code == 204
        assert (await ada.hear("left"))["reason"] == "participant_removed"
    for jwt, resume in ((old, None), ("", {"sid": ada.sid, "secret": ada.joined["resume_secret"], "seq": 1})):
        async with server.rtc("room", "?resume=1", additional_headers={"Authorization": f"Bearer {jwt}"}) as socket:
            client = Client(socket)
            await client.say("join", **({"resume": resume} if resume else {}))
            await client.hear("left")


async def test_a_full_room_and_a_locked_one_say_so(server: Server) -> None:
    await server.call("POST", "/v1/rooms", {"name": "room", "max_participants": 1})
    async with server.client("ada"):
        for sentence, change in (("full", {}), ("locked", {"locked": True, "max_participants": 9})):
            await server.call("PATCH", "/v1/rooms/room", change)
            async with server.rtc(additional_headers={"Authorization": f"Bearer {token('bob')}"}) as socket:
                client = Client(socket)
                await client.say("join")
                assert sentence in (await client.hear("left"))["message"]
                assert (await client.closed())[0] == 1008


async def test_while_draining_a_join_is_sent_elsewhere_and_a_resume_still_counts(server: Server) -> None:
    async with server.client("ada") as ada:
        server.sfu.drain(30)
        deadline = (await ada.hear("draining"))["deadline"]
        assert 25_000 < deadline - time.time() * 1000 < 31_000
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with server.rtc(additional_headers={"Authorization": f"Bearer {token('bob')}"}):
                pass
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["Retry-After"]
        async with server.rtc(subprotocols=["sfu.v1", f"bearer.{token('bob')}"], additional_headers=Origin) as socket:
            client = Client(socket)
            await client.say("join")
            assert (await client.hear("left"))["reason"] == "server_shutdown"
            assert (await client.closed())[0] == 1013
    async with server.rtc("room", "?resume=1") as socket:
        again = Client(socket)
        await again.say("join", resume={"sid": ada.sid, "secret": ada.joined["resume_secret"], "seq": ada.seq})
        await again.hear("resumed")


async def test_a_closed_room_tells_its_members(server: Server) -> None:
    async with server.client("ada") as ada:
        assert (await server.call("DELETE", "/v1/rooms/room", as_=admin("room"))).status_code == 204
        assert (await ada.hear("left"))["reason"] == "room_deleted"
        assert (await ada.closed())[0] == 1000


def test_keys_of_the_tests_are_long_enough() -> None:
    assert KEY and min(len(SECRET), len(OTHER_SECRET)) >= 32
