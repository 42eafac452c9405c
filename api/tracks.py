"""REST: the published tracks of a room."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.dependencies import GrantDep, SfuDep
from api.errors import responses
from api.pages import NEXT, After, Limit
from sfu import commands, limits
from sfu.views import PublishedTrack, TrackDetails

router = APIRouter(prefix="/v1/rooms/{room:name}/tracks", tags=["rooms"])

TRACK: dict[str, Any] = {
    "participant": "ada",
    "track": {
        "sid": "TR_5hJk2mNpQrSt",
        "kind": "video",
        "source": "camera",
        "name": "front",
        "muted": False,
        "width": 1280,
        "height": 720,
        "mime": "video/VP8",
        "mid": "1",
        "simulcast": True,
        "stream": "cam",
        "muted_by_moderator": False,
    },
    "encodings": [
        {"rid": rid, "spatial": at, "active": True, "wanted": True, "offered": 1 - at}
        | {"bitrate": bitrate, "width": 640 << at, "height": 360 << at, "fps": 30.0}
        for at, (rid, bitrate) in enumerate([("h", 491_000), ("f", 1_540_000)])
    ],
    "subscribers": ["bob"],
    "paused": False,
    "backup": None,
}
DETAILS: dict[str, Any] = TRACK | {
    "viewers": [{"participant": "bob", "layer": {"spatial": 1, "temporal": 2}}],
    "loss": 0.01,
    "round_trip": 43.0,
}


class Tracks(BaseModel):
    tracks: list[PublishedTrack] = Field(examples=[[TRACK]])
    next: str = Field("", description=NEXT)


@router.get("", responses=responses(400, 403, 404))
async def list_tracks(
    room: str, sfu: SfuDep, grant: GrantDep, after: After = "", limit: Limit = limits.LIST_PAGE
) -> Tracks:
    """Lists the published tracks in the order in which their publishers joined, a page at a time: the encodings that
    arrive, and the subscribers. Needs roomAdmin for the room."""
    page = await sfu.execute(commands.ListTracks(grant, room, after, limit))
    return Tracks(tracks=list(page.entries), next=page.next)


@router.get(
    "/{track}",
    responses={
        **responses(403, 404),
        200: {"description": "The track.", "content": {"application/json": {"example": DETAILS}}},
    },
)
async def show_track(room: str, track: str, sfu: SfuDep, grant: GrantDep) -> TrackDetails:
    """Returns a published track: the encodings that arrive, its loss, and the layer that each subscriber is sent. Needs
    roomAdmin for the room."""
    return await sfu.execute(commands.ShowTrack(grant, room, track))


@router.delete("/{track}", status_code=204, responses=responses(403, 404))
async def remove_track(room: str, track: str, sfu: SfuDep, grant: GrantDep) -> None:
    """Ends the publication of a track. Its publisher receives `unpublished`, and may publish again what its permissions
    allow. Needs roomAdmin for the room."""
    await sfu.execute(commands.RemoveTrack(grant, room, track))


@router.post("/{track}/keyframe", status_code=204, responses=responses(403, 404, 409))
async def request_keyframe(room: str, track: str, sfu: SfuDep, grant: GrantDep) -> None:
    """Asks the publisher of a video track for a keyframe of each encoding that is shown. At most three requests in
    1.5 s are sent. Needs roomAdmin for the room."""
    await sfu.execute(commands.RequestKeyframe(grant, room, track))
