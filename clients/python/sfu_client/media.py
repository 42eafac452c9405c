"""WHIP and WHEP sessions: what the service answers to an offer."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MediaSession:
    """An open session. Whoever knows `location` may change and end it."""

    location: str
    answer: str
    """SDP."""
    etag: str
    ice_servers: tuple[str, ...]
    """Values of Link headers (RFC 9725 s4.6)."""
    undecodable: tuple[str, ...]
    """Published media types that the viewer cannot decode."""
    inactive: tuple[str, ...]
    """Mids that the publisher offers to send, but its token does not allow."""


@dataclass(frozen=True, slots=True)
class MediaPatch:
    etag: str
    fragment: str
    """The server's credentials after a restart of ICE. Empty: the candidates were read."""
