"""A selective forwarding unit: rooms steered from Python, packets moved by a native plane in the same process."""

from sfu.config import Config
from sfu.errors import (
    Conflict,
    InvalidRequest,
    LimitExceeded,
    NegotiationError,
    NotAllowed,
    NotFound,
    SfuError,
    Stale,
    Unauthenticated,
    Unavailable,
)
from sfu.media_session import MediaSession
from sfu.participant import Participant
from sfu.requests import Session
from sfu.room import Room
from sfu.service import Sfu, refusal

__all__ = [
    "Config",
    "Conflict",
    "InvalidRequest",
    "LimitExceeded",
    "MediaSession",
    "NegotiationError",
    "NotAllowed",
    "NotFound",
    "Participant",
    "Room",
    "Session",
    "Sfu",
    "SfuError",
    "Stale",
    "Unauthenticated",
    "Unavailable",
    "refusal",
]
