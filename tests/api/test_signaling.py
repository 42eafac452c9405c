"""The WebSocket: joins, resumes, new tokens, and how it ends."""

import asyncio
import time

import pytest
import websockets

from ..live import rooms_of
from .server import KEY, ORIGIN, OTHER_SECRET, SECRET, Client, Server, admin, token


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
        async with server.rtc(subprotocols=["sfu.v1", f"bearer.{token('bob')}"], additional_headers=ORIGIN) as socket:
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


async def test_a_client_of_the_tests_closes_whatever_it_has_not_read(server: Server) -> None:
    async with server.client("ada") as ada:
        for number in range(20):
            async with server.client(f"p{number}"):
                pass
    assert ada.socket.close_code == 1000 and ada.socket.transport.is_closing()
