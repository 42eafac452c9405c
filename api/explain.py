"""REST: why a participant receives its tracks as it does."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.dependencies import GrantDep, SfuDep
from api.errors import responses
from api.pages import NEXT, After, Limit
from sfu import commands, limits
from sfu.views import Explanation

router = APIRouter(prefix="/v1/rooms/{room:name}/participants", tags=["participants"])

FULL = {"layer": {"spatial": 2, "temporal": 2}, "width": 1280, "height": 720, "fps": 30.0, "bitrate": 1_540_000}
SMALL = {"layer": {"spatial": 0, "temporal": 2}, "width": 320, "height": 180, "fps": 15.0, "bitrate": 149_000}
EXAMPLE: dict[str, Any] = {
    "track": "TR_5hJk2mNpQrSt",
    "participant": "ada",
    "source": "camera",
    "mid": "1",
    "wanted": FULL,
    "allowed": FULL,
    "target": FULL,
    "current": SMALL,
    "since": 1_767_225_660_250,
    "cause": "waiting_for_keyframe",
    "sentence": "ada's camera is shown to bob at 320x180, 15 frames/s, 149 kbit/s: "
    "a keyframe of a better layer is awaited; ada ignores keyframe requests.",
    "publisher": ["ignores keyframe requests"],
    "decisions": [
        {"at": 1_767_225_660_000, "what": "wanted", "layer": None, "cause": "none", "detail": "anything"},
        {"at": 1_767_225_660_002, "what": "target", "layer": FULL["layer"], "cause": "none", "detail": ""},
        {
            "at": 1_767_225_660_250,
            "what": "current",
            "layer": SMALL["layer"],
            "cause": "waiting_for_keyframe",
            "detail": "",
        },
    ],
}


class Explanations(BaseModel):
    subscriptions: list[Explanation] = Field(examples=[[EXAMPLE]])
    next: str = Field("", description=NEXT)


@router.get("/{identity:name}/explain", responses=responses(400, 403, 404))
async def explain_participant(
    room: str, identity: str, sfu: SfuDep, grant: GrantDep, after: After = "", limit: Limit = limits.LIST_PAGE
) -> Explanations:
    """Explains every track that the participant could receive, a page at a time: the layers that are wanted, allowed,
    requested and sent, the limiting cause in one sentence, and the decisions of the last minute. Needs roomAdmin for
    the room."""
    page = await sfu.execute(commands.ExplainSubscriptions(grant, room, identity, after, limit))
    return Explanations(subscriptions=list(page.entries), next=page.next)
