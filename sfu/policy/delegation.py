"""What a token may hand out: never more rooms, rights or lifetime than it has itself."""

from sfu.model import Grant, Permissions, Source
from sfu.policy.permissions import may_publish
from sfu.quoting import quote

RIGHTS = (
    ("roomJoin", "room_join"),
    ("roomAdmin", "room_admin"),
    ("roomCreate", "room_create"),
    ("roomList", "room_list"),
    ("tokenCreate", "token_create"),
)


def excess(of: Grant, wanted: Grant) -> str:
    """Returns the first thing that `wanted` has and `of` has not, as the end of a sentence. Empty: there is none."""
    if of.room and wanted.room != of.room:
        return f"{quote(wanted.room) if wanted.room else 'every room'}: it is for the room {quote(of.room)}"
    for claim, name in RIGHTS:
        if getattr(wanted, name) and not getattr(of, name):
            return claim
    if permission := _more(of.permissions, wanted.permissions):
        return permission
    if wanted.max_viewers > of.max_viewers:
        return f"maxViewers above {of.max_viewers}"
    if of.expires and wanted.expires > of.expires:
        return "a lifetime beyond its own"
    return ""


def _more(of: Permissions, wanted: Permissions) -> str:
    for source in Source:
        if may_publish(wanted, source) and not may_publish(of, source):
            return f"publishing the source {source.value}"
    for claim, name in (
        ("canSubscribe", "can_subscribe"),
        ("canPublishData", "can_publish_data"),
        ("canUpdateOwnMetadata", "can_update_own_metadata"),
        ("hidden", "hidden"),
    ):
        if getattr(wanted, name) and not getattr(of, name):
            return claim
    return ""
