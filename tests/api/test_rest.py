"""REST: rooms, participants, tracks, and data."""

import base64
from typing import Any
from unittest.mock import ANY

from ..live import rooms_of
from .server import ROOM, Server, bearer, is_problem, joined, token


async def test_a_room_is_created_once_and_found_again(server: Server) -> None:
    wish = {"name": "lobby", "max_participants": 7, "metadata": "m"}
    created = await server.call("POST", "/v1/rooms", wish)
    again = await server.call("POST", "/v1/rooms", wish)
    assert (created.status_code, again.status_code) == (201, 200)
    assert created.json() == again.json()
    assert created.json()["sid"].startswith("RM_") and created.json()["max_participants"] == 7
    other = await server.call("POST", "/v1/rooms", {"name": "lobby", "max_participants": 8})
    assert is_problem(other, 409, "other options")
    listed = (await server.call("GET", "/v1/rooms")).json()
    assert [room["name"] for room in listed["rooms"]] == ["lobby"]


async def test_a_room_is_put_as_it_is_to_be_however_often(server: Server) -> None:
    wish = {"metadata": "m", "last_n": 4}
    made = await server.call("PUT", "/v1/rooms/school%2F3b", wish)
    assert (made.status_code, made.headers["Location"]) == (201, "/v1/rooms/school%2F3b")
    assert (made.json()["name"], made.json()["last_n"]) == ("school/3b", 4)
    again = await server.call("PUT", made.headers["Location"], wish)
    assert (again.status_code, again.json()) == (200, made.json()) and "Location" not in again.headers
    other = await server.call("PUT", made.headers["Location"], {"locked": True})
    assert (other.status_code, other.json()) == (200, made.json() | {"metadata": "", "last_n": 0, "locked": True})

    creator = token("backend", room="", room_create=True, room_join=False)
    assert (await server.call("PUT", made.headers["Location"], {"locked": True}, as_=creator)).status_code == 200
    refused = await server.call("PUT", made.headers["Location"], {"locked": False}, as_=creator)
    assert is_problem(refused, 403, "roomAdmin"), "who may create rooms may not change those of others"
    assert (await server.call("GET", made.headers["Location"])).json()["locked"] is True


async def test_the_sid_of_a_room_stands_wherever_its_name_does(server: Server) -> None:
    sid = (await server.call("PUT", ROOM, {})).json()["sid"]
    by_sid = f"/v1/rooms/{sid}"
    bearer = {"Authorization": f"Bearer {token('ada')}"}
    async with joined(server.rtc(sid, additional_headers=bearer)) as ada:
        assert ada.joined["room"]["sid"] == sid
        assert (await server.call("GET", by_sid)).json()["num_participants"] == 1
        assert (await server.call("PATCH", by_sid, {"metadata": "m"})).json()["name"] == "room"
        assert (await server.call("GET", by_sid + "/participants/ada")).status_code == 200
        assert (await server.call("GET", by_sid, as_=token(room="room", room_admin=True))).status_code == 200
        other = await server.call("GET", by_sid, as_=token(room="other", room_admin=True))
        assert is_problem(other, 403, "'room'")
        page = (await server.call("GET", f"/v1/events?room={sid}")).json()
        assert {event["room"]["sid"] for event in page["events"]} == {sid}
    assert (await server.call("DELETE", by_sid)).status_code == 204
    assert is_problem(await server.call("GET", by_sid), 404, sid)
    assert is_problem(await server.call("PUT", by_sid, {}), 400, "RM_"), "no name begins like a sid"
    assert is_problem(await server.call("POST", "/v1/rooms", {"name": "RM_1"}), 400, "RM_")


async def test_a_room_is_changed_where_it_is_named_and_nowhere_else(server: Server) -> None:
    await server.call("POST", "/v1/rooms", {"name": "room", "metadata": "before"})
    async with server.client("ada") as ada:
        changed = await server.call("PATCH", ROOM, {"locked": True, "empty_timeout": 5})
        assert changed.json()["locked"] is True and changed.json()["metadata"] == "before"
        assert (await ada.hear("room"))["room"] == changed.json()
    assert (await server.call("GET", ROOM)).json()["locked"] is True


async def test_a_deleted_room_is_gone(server: Server) -> None:
    await server.call("POST", "/v1/rooms", {"name": "room"})
    assert (await server.call("DELETE", ROOM)).status_code == 204
    assert is_problem(await server.call("GET", ROOM), 404, "'room'")
    assert is_problem(await server.call("DELETE", ROOM), 404)


async def test_participants_are_listed_shown_changed_and_removed(server: Server) -> None:
    async with server.client("ada") as ada, server.client("bob", hidden=True):
        listed = (await server.call("GET", ROOM + "/participants")).json()["participants"]
        assert [one["identity"] for one in listed] == ["ada", "bob"]
        change = {"name": "Ada L.", "attributes": {"hand": "up"}, "permissions": {"can_publish": False}}
        changed = await server.call("PATCH", ROOM + "/participants/ada", change)
        assert changed.json()["name"] == "Ada L." and changed.json()["attributes"] == {"hand": "up"}
        assert changed.json()["permissions"]["can_publish"] is False
        assert changed.json()["permissions"]["can_subscribe"] is True
        assert (await ada.ask("publish", cid="c", kind="audio"))["code"] == "not_allowed"
        assert (await server.call("GET", ROOM + "/participants/ada")).json()["name"] == "Ada L."
        assert (await server.call("DELETE", ROOM + "/participants/ada")).status_code == 204
        assert is_problem(await server.call("GET", ROOM + "/participants/ada"), 404, "'ada'")


async def _publish(server: Server, ada: Any) -> str:
    from ..sfu.scene import sdp

    published = await ada.ask("publish", cid="cam", kind="video", source="camera")
    await ada.ask("offer", sdp=sdp([("video", "sendonly")]), tracks={"0": "cam"})
    return str(published["track"]["sid"])


async def test_a_moderator_mutes_a_track_and_its_owner_cannot_undo_it(server: Server) -> None:
    async with server.client("ada") as ada:
        track = await _publish(server, ada)
        path = ROOM + "/participants/ada/mute"
        muted = await server.call("POST", path, {"track": track, "muted": True})
        assert muted.json()["tracks"][0]["muted"] is True
        assert (await ada.hear("muted"))["track"] == track
        assert (await ada.ask("mute", track=track, muted=False))["code"] == "not_allowed"
        assert (await server.call("POST", path, {"track": track, "muted": False})).status_code == 200
        assert (await ada.ask("mute", track=track, muted=False))["type"] == "ok"
        assert is_problem(await server.call("POST", path, {"track": "TR_?", "muted": True}), 404)


async def test_subscriptions_are_replaced_as_a_whole(server: Server) -> None:
    async with server.client("ada") as ada, server.client("bob") as bob:
        track = await _publish(server, ada)
        await bob.offer("video recvonly")
        path = ROOM + "/participants/bob/subscriptions"
        assert (await server.call("GET", path)).json()["subscriptions"][0]["desired"] is True
        off = await server.call("PUT", path, {"tracks": []})
        assert [(s["track"], s["desired"]) for s in off.json()["subscriptions"]] == [(track, False)]
        on = await server.call("PUT", path, {"tracks": [track]})
        assert on.json()["subscriptions"][0]["desired"] is True
        before = (await server.call("GET", path)).json()
        for wrong in (
            {"tracks": ["TR_?"]},
            {"tracks": [], "settings": [{"track": "TR_?"}]},
            {"tracks": [], "settings": [{"track": track, "width": -1}]},
            {"tracks": ["TR_?"], "settings": [{"track": track, "width": 320}]},
        ):
            assert is_problem(await server.call("PUT", path, wrong), 404 if "TR_?" in str(wrong) else 400)
            assert (await server.call("GET", path)).json() == before, wrong


async def test_why_a_participant_gets_a_track_as_it_does_is_explained(server: Server) -> None:
    async with server.client("ada") as ada, server.client("bob") as bob:
        track = await _publish(server, ada)
        await bob.offer("video recvonly")
        await server.call(
            "PUT", ROOM + "/participants/bob/subscriptions", {"settings": [{"track": track, "visible": False}]}
        )
        (seen,) = (await server.call("GET", ROOM + "/participants/bob/explain")).json()["subscriptions"]
        assert (seen["track"], seen["participant"], seen["source"], seen["cause"]) == (track, "ada", "camera", "paused")
        assert seen["sentence"] == "ada's camera is not shown to bob: bob has switched it off, or does not show it."
        assert (seen["target"], seen["current"], seen["publisher"]) == (None, None, [])
        assert [one["what"] for one in seen["decisions"]] == ["shown", "target", "wanted", "target"]
        assert (await server.call("GET", ROOM + "/participants/ada/explain")).json()["subscriptions"] == []
        assert is_problem(await server.call("GET", ROOM + "/participants/eve/explain"), 404, "'eve'")
        assert is_problem(await server.call("GET", ROOM + "/participants/bob/explain", as_=token("ada")), 403)


async def test_a_source_is_muted_before_and_after_it_is_published_and_shown_apart_from_its_owners_mute(
    server: Server,
) -> None:
    mute = ROOM + "/participants/ada/mute"
    async with server.client("ada") as ada:
        shown = (await server.call("POST", mute, {"source": "camera", "muted": True})).json()
        assert (shown["muted_sources"], shown["tracks"]) == (["camera"], [])
        track = await _publish(server, ada)
        assert await ada.hear("muted") == {"type": "muted", "track": track, "muted": True} | {"seq": ANY}
        (published,) = (await server.call("GET", ROOM + "/participants/ada")).json()["tracks"]
        assert (published["muted"], published["muted_by_moderator"]) == (True, True)
        assert (await ada.ask("mute", track=track, muted=False))["code"] == "not_allowed"
        shown = (await server.call("POST", mute, {"source": "camera", "muted": False})).json()
        (published,) = shown["tracks"]
        assert (published["muted"], published["muted_by_moderator"]) == (True, False), "her own mute is hers to end"
        assert (await ada.ask("mute", track=track, muted=False))["type"] == "ok"

        for wrong in ({"muted": True}, {"muted": True, "track": track, "source": "camera"}):
            assert is_problem(await server.call("POST", mute, wrong), 400, "either")
        assert is_problem(await server.call("POST", mute, {"source": "nose", "muted": True}), 422, "source")
    async with server.client("ada") as ada:
        await _publish(server, ada)
        (published,) = (await server.call("GET", ROOM + "/participants/ada")).json()["tracks"]
        assert published["muted"] is False, "a new session begins without it"


async def test_a_backend_says_how_tracks_are_to_be_shown(server: Server) -> None:
    async with server.client("ada") as ada, server.client("bob") as bob:
        track = await _publish(server, ada)
        await bob.offer("video recvonly")
        path = ROOM + "/participants/bob/subscriptions"
        wish = {"track": track, "width": 320, "height": 180, "fps": 15, "visible": False}
        (shown,) = (await server.call("PUT", path, {"settings": [wish]})).json()["subscriptions"]
        assert shown["desired"] is True and shown["reason"] == "not visible at the subscriber"
        assert shown["wish"] == {
            "quality": "high", "width": 320, "height": 180, "fps": 15.0, "priority": 0, "visible": False,
        }  # fmt: skip
        wrong = [{"track": track, "visible": True}, {"track": "TR_?"}]
        assert is_problem(await server.call("PUT", path, {"settings": wrong}), 404, "TR_?")
        wrong = [{"track": track, "visible": True, "priority": 300}]
        assert is_problem(await server.call("PUT", path, {"settings": wrong}), 400, "priority")
        (shown,) = (await server.call("GET", path)).json()["subscriptions"]
        assert shown["wish"]["visible"] is False, "what is refused changes nothing"


async def test_a_large_room_is_set_up_and_changed(server: Server) -> None:
    made = await server.call("POST", "/v1/rooms", {"name": "room", "last_n": 16, "on_stage": ["ada"]})
    assert (made.json()["last_n"], made.json()["on_stage"]) == (16, ["ada"])
    changed = await server.call("PATCH", ROOM, {"on_stage": ["bob", "ada"]})
    assert (changed.json()["last_n"], changed.json()["on_stage"]) == (16, ["bob", "ada"])
    assert is_problem(await server.call("PATCH", ROOM, {"on_stage": [""]}), 400, "identity")


async def test_tracks_are_shown_as_publishers_see_them(server: Server) -> None:
    async with server.client("ada") as ada:
        track = await _publish(server, ada)
        (shown,) = (await server.call("GET", ROOM + "/tracks")).json()["tracks"]
        assert shown["participant"] == "ada" and shown["track"]["sid"] == track
        assert {"encodings", "subscribers", "paused", "backup"} <= shown.keys()


async def test_data_is_sent_by_the_server_to_those_with_a_channel(server: Server) -> None:
    async with server.client("ada"):
        path = ROOM + "/data"
        assert (await server.call("POST", path, {"text": "hello"})).json() == {"receivers": 1}
        lossy = await server.call("POST", path, {"text": "hello", "reliable": False})
        assert lossy.json() == {"receivers": 0}, "her channels are still to open"
        coded = base64.b64encode(b"\x00\xff").decode()
        assert (await server.call("POST", path, {"base64": coded, "to": ["ada"]})).status_code == 200
        assert is_problem(await server.call("POST", path, {"text": "a", "to": ["nobody"]}), 404, "nobody")
        assert is_problem(await server.call("POST", path, {"text": "x" * 65_537}), 422, "65536")
        assert is_problem(await server.call("POST", path, {"text": "a", "base64": coded}), 400, "either")
        assert is_problem(await server.call("POST", path, {}), 400, "either")
        assert is_problem(await server.call("POST", path, {"base64": "%%%"}), 400, "base64")


async def test_lists_come_in_pages(server: Server) -> None:
    names = [f"room {number:02}" for number in range(25)]
    for name in reversed(names):
        rooms_of(server.sfu).create(name)
    seen: list[str] = []
    after, pages = "", 0
    while pages == 0 or after:
        reply = (await server.http.get("/v1/rooms", params={"limit": 10, "after": after}, headers=bearer())).json()
        seen += [room["name"] for room in reply["rooms"]]
        after, pages = reply["next"], pages + 1
    assert (seen, pages) == (names, 3)
    async with server.client("bob"), server.client("ada"), server.client("eve"):
        path = ROOM + "/participants"
        first = (await server.http.get(path, params={"limit": 2}, headers=bearer())).json()
        rest = (await server.http.get(path, params={"after": first["next"]}, headers=bearer())).json()
    assert [one["identity"] for one in first["participants"]] == ["ada", "bob"]
    assert [one["identity"] for one in rest["participants"]] == ["eve"] and rest["next"] == ""


async def test_num_publishers_counts_those_who_publish_and_are_seen(server: Server) -> None:
    async def count() -> tuple[int, int]:
        room = (await server.call("GET", ROOM)).json()
        return room["num_participants"], room["num_publishers"]

    async with server.client("ada") as ada, server.client("bob"), server.client("eve", hidden=True) as eve:
        assert await count() == (2, 0)
        await _publish(server, ada)
        assert await count() == (2, 1)
        await ada.ask("publish", cid="screen", kind="video", source="screen_share")
        await ada.offer("video sendonly", "video sendonly")
        assert await count() == (2, 1), "once, whatever they publish"
        await eve.ask("publish", cid="c", kind="video", source="camera")
        await eve.offer("video sendonly")
        assert await count() == (2, 1), "who is hidden is not counted"
        tracks = (await server.call("GET", ROOM + "/participants/ada")).json()["tracks"]
        assert len(tracks) == 2
        for track in tracks:
            await ada.ask("unpublish", track=track["sid"])
        assert await count() == (2, 0)


async def test_who_is_hidden_is_not_among_those_a_later_joiner_is_told_of(server: Server) -> None:
    async with server.client("ada"), server.client("eve", hidden=True), server.client("bob") as bob:
        assert [one["identity"] for one in bob.joined["participants"]] == ["ada"]
        assert bob.joined["room"]["num_participants"] == 2
