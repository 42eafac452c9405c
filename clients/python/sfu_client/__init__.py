"""A client of the SFU for backends: REST, events that resume, tokens, webhooks.

It needs neither the service nor its dependencies. `Client` is for asyncio; `SyncClient` is its synchronous twin.
"""

from .aio.client import Client
from .aio.following import Following
from .aio.internal import InternalClient
from .changes import PermissionChanges, RoomOptions, TrackWish
from .errors import (
    ApiError,
    ClientError,
    Conflict,
    EventsMissed,
    Fault,
    InvalidAnswer,
    InvalidRequest,
    NotAllowed,
    NotFound,
    RequestFailed,
    Stale,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    Unreachable,
    WebhookRefused,
)
from .events import (
    AdminCommand,
    Event,
    EventLimit,
    EventPage,
    EventParticipant,
    EventQuality,
    EventRoom,
    EventTrack,
    Usage,
)
from .media import MediaPatch, MediaSession
from .models import (
    Delivery,
    DrainState,
    Explanation,
    IssuedToken,
    Participant,
    Permissions,
    PublishedTrack,
    Room,
    Subscription,
    Track,
    TrackDetails,
    Webhook,
)
from .sync.client import Client as SyncClient
from .sync.following import Following as SyncFollowing
from .sync.internal import InternalClient as SyncInternalClient
from .tokens import AccessToken, new_jti
from .webhooks import WebhookVerifier

__version__ = "0.1.0"

__all__ = [
    "AccessToken",
    "AdminCommand",
    "ApiError",
    "Client",
    "ClientError",
    "Conflict",
    "Delivery",
    "DrainState",
    "Event",
    "EventLimit",
    "EventPage",
    "EventParticipant",
    "EventQuality",
    "EventRoom",
    "EventTrack",
    "EventsMissed",
    "Explanation",
    "Fault",
    "Following",
    "InternalClient",
    "InvalidAnswer",
    "InvalidRequest",
    "IssuedToken",
    "MediaPatch",
    "MediaSession",
    "NotAllowed",
    "NotFound",
    "Participant",
    "PermissionChanges",
    "Permissions",
    "PublishedTrack",
    "RequestFailed",
    "Room",
    "RoomOptions",
    "Stale",
    "Subscription",
    "SyncClient",
    "SyncFollowing",
    "SyncInternalClient",
    "TooManyRequests",
    "Track",
    "TrackDetails",
    "TrackWish",
    "Unauthenticated",
    "Unavailable",
    "Unreachable",
    "Usage",
    "Webhook",
    "WebhookRefused",
    "WebhookVerifier",
    "new_jti",
]
