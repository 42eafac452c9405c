"""Commands that start, resume and end sessions: by WebSocket, WHIP and WHEP."""

from collections.abc import Sequence
from dataclasses import dataclass

from sfu.commands.base import Anyone, Command, Member, R
from sfu.model import Client, Grant, IceServer, ParticipantKind
from sfu.negotiation.sdp import SessionDescription


@dataclass(frozen=True, slots=True)
class Join(Command[Member]):
    """Joins a room as a participant with a WebSocket. The participant leaves unless it connects within the resume
    window."""

    by: Grant | Anyone
    room: str
    auto_subscribe: bool = True
    client: Client | None = None
    address: str = ""
    """The address of the client, for the quota of joins."""
    via: str | None = None
    """The server's address that the request reached, which is announced first."""


@dataclass(frozen=True, slots=True)
class Resume(Command[Member]):
    """Proves that a new connection may continue a session. Stale: there is no such session, or it is another
    client's."""

    by: Grant | Anyone
    room: str
    sid: str
    secret: str
    address: str = ""
    """The address of the client, for the quota of joins."""


@dataclass(frozen=True, slots=True)
class ListIceServers(Command[Sequence[IceServer]]):
    """Lists the ICE servers of a client that has not joined yet. Without a grant: those that need no credentials."""

    by: Grant | Anyone
    room: str


# WHIP and WHEP


@dataclass(frozen=True, slots=True)
class MediaSessionInfo:
    """A WHIP or WHEP session."""

    id: str
    """Unguessable, and safe in URLs. A client that knows it may restart and end the session."""
    etag: str
    """The ETag of its ICE session."""
    answer: str
    undecodable: Sequence[str] = ()
    """Published media types for which the viewer has sections, but no codec."""
    inactive: Sequence[str] = ()
    """Mids of sections that would send but may not publish."""
    ice_servers: Sequence[IceServer] = ()
    """With new credentials, in the result of `OpenMediaSession` only."""


@dataclass(frozen=True, slots=True)
class OpenMediaSession(Command[MediaSessionInfo]):
    """Opens a WHIP (`INGRESS`) or WHEP (`VIEWER`) session."""

    by: Grant
    room: str
    kind: ParticipantKind
    offer: str | SessionDescription
    participant: str | None = None
    """The only identity that a viewer sees. None: all."""
    address: str = ""
    """The address of the client, for the quota of joins."""
    via: str | None = None
    """The server's address that the request reached, which is announced first."""


@dataclass(frozen=True, slots=True)
class OfMediaSession(Command[R]):
    """A command about one session. NotFound: the room has no session of this id and kind."""

    id: str
    kind: ParticipantKind
    room: str | None
    """None: any."""


@dataclass(frozen=True, slots=True)
class FindMediaSession(OfMediaSession[MediaSessionInfo]):
    pass


@dataclass(frozen=True, slots=True)
class Restarted:
    etag: str
    fragment: str | None
    """The reply. None: the credentials were the present ones, so nothing was restarted."""
    ice_servers: Sequence[IceServer] = ()
    """With new credentials."""


@dataclass(frozen=True, slots=True)
class TrickleIce(OfMediaSession[MediaSessionInfo]):
    """Reads candidates (RFC 8840). Stale: the fragment or the ETags are of an older ICE session."""

    fragment: str
    etags: Sequence[str] | None = None
    """None: unknown; the fragment's credentials identify the ICE session."""


@dataclass(frozen=True, slots=True)
class RestartIce(OfMediaSession[Restarted]):
    """Restarts ICE (RFC 9725 s4.3.3)."""

    fragment: str


@dataclass(frozen=True, slots=True)
class EndMediaSession(OfMediaSession[None]):
    """Ends a session. One that ended by itself within the last minute is ended without an error."""
