"""REST: one published track, what its subscribers are sent, and what a moderator does with it."""

from sfu.model import Kind
from sfu.plane import Layer, LayerRate, Layers, Switched

from ..sfu.scene import sdp
from .server import ROOM, Client, Server, is_problem

TRACKS = ROOM + "/tracks"


async def publish(ada: Client, kind: Kind = Kind.VIDEO) -> str:
    source = "camera" if kind is Kind.VIDEO else "microphone"
    published = await ada.ask("publish", cid="one", kind=kind.value, source=source)
    await ada.ask("offer", sdp=sdp([(kind.value, "sendonly")]), tracks={"0": "one"})
    return str(published["track"]["sid"])


async def test_a_track_is_shown_with_its_loss_and_the_layer_of_each_subscriber(server: Server) -> None:
    assert server.plane is not None
    async with server.client("ada") as ada, server.client("bob") as bob, server.client("eve", hidden=True) as eve:
        sid = await publish(ada)
        for viewer in (bob, eve):
            await viewer.ask("offer", sdp=sdp([("video", "recvonly")]), tracks={})
        (track,) = {source for source in server.plane.sources.values() if source is not None}
        rates = [LayerRate(Layer(0, 0), 400_000, 640, 360, 30.0)]
        server.plane.say(
            Layers(track, "vp8", rates, False, False, [], False, 0.05, 43.0),
            *(Switched(slot, track, Layer(0, 0), "none") for slot in server.plane.sources),
        )
        await bob.hear("subscriptions")
        shown = (await server.call("GET", f"{TRACKS}/{sid}")).json()
        (listed,) = (await server.call("GET", TRACKS)).json()["tracks"]
        assert listed.items() <= shown.items(), "what the list says, and more"
        assert shown["viewers"] == [{"participant": "bob", "layer": {"spatial": 0, "temporal": 0}}]
        assert (round(shown["loss"], 3), shown["round_trip"]) == (0.05, 43.0)
        assert shown["encodings"][0]["bitrate"] == 400_000

        muted = {"track": sid, "muted": True}
        await server.call("POST", ROOM + "/participants/ada/mute", muted)
        shown = (await server.call("GET", f"{TRACKS}/{sid}")).json()
        assert shown["viewers"] == [{"participant": "bob", "layer": None}], "of a muted track nothing is sent"


async def test_a_moderator_ends_a_track_and_its_publisher_may_publish_again(server: Server) -> None:
    async with server.client("ada") as ada, server.client("bob") as bob:
        sid = await publish(ada)
        assert (await server.call("DELETE", f"{TRACKS}/{sid}")).status_code == 204
        told = await ada.hear("unpublished")
        assert (told["track"], told["reason"]) == (sid, "a moderator ended it")
        while (await bob.hear("participants"))["participants"][0]["tracks"]:
            pass
        assert is_problem(await server.call("DELETE", f"{TRACKS}/{sid}"), 404, sid)
        assert is_problem(await server.call("GET", f"{TRACKS}/{sid}"), 404, sid)
        assert await publish(ada) != sid
        assert len((await server.call("GET", TRACKS)).json()["tracks"]) == 1


async def test_a_keyframe_is_asked_of_video_alone(server: Server) -> None:
    assert server.plane is not None
    async with server.client("ada") as ada, server.client("bob") as bob:
        video, audio = await publish(ada), await publish(bob, Kind.AUDIO)
        before = len(server.plane.commands)
        assert (await server.call("POST", f"{TRACKS}/{video}/keyframe")).status_code == 204
        assert [command[0] for command in server.plane.commands[before:]] == ["request_keyframe"]
        assert is_problem(await server.call("POST", f"{TRACKS}/{audio}/keyframe"), 409, "no keyframes")
        assert is_problem(await server.call("POST", f"{TRACKS}/TR_none/keyframe"), 404, "TR_none")
        assert len(server.plane.commands) == before + 1
