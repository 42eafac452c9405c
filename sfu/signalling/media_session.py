"""Sessions of participants without a WebSocket: publishers by WHIP (RFC 9725) and viewers by WHEP."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Self

from sfu import limits
from sfu.commands import MediaSessionInfo
from sfu.errors import NegotiationError, NotFound, Stale
from sfu.model import DisconnectReason, ParticipantKind
from sfu.negotiation.fragment import fragment, restarts_ice
from sfu.negotiation.sdp import SessionDescription
from sfu.room.participant import Participant
from sfu.room.room import Room
from sfu.room.tracks import MIME, Track

BY_ITSELF = (
    DisconnectReason.CLIENT_INITIATED,
    DisconnectReason.CONNECTION_TIMEOUT,
    DisconnectReason.MEDIA_FAILURE,
    DisconnectReason.SIGNAL_CLOSE,
)
"""Reasons for the end of a session that its client caused, or did not survive."""


class MediaSession:
    """A WHIP or WHEP session. `id` and `etag` are unguessable and safe in URLs and headers."""

    def __init__(
        self,
        room: Room,
        participant: Participant,
        answer: str,
        undecodable: Sequence[Track] = (),
        inactive: Sequence[str] = (),
    ) -> None:
        self.id = secrets.token_urlsafe(24)
        self.etag = _new_etag()
        self.room = room
        self.participant = participant
        self.answer = answer
        self.undecodable = tuple(dict.fromkeys(MIME[track.codec] for track in undecodable))
        """Published media types for which the viewer has sections, but no codec."""
        self.inactive = tuple(inactive)
        """Mids of sections that would send but may not publish. They are answered inactive."""
        self.was_closed = False
        """True after `close`, called for the client or the server."""

    @classmethod
    def open(cls, room: Room, participant: Participant, sdp: str | SessionDescription) -> Self:
        """Answers the offer and joins the room. Raises NegotiationError, and changes nothing, if no section fits."""
        try:
            offer = SessionDescription.parse(sdp) if isinstance(sdp, str) else sdp
            outcome = participant.answer(offer, {})
            if participant.kind is ParticipantKind.INGRESS and not participant.tracks:
                raise NegotiationError("the offer sends nothing that may be published here")
            if participant.kind is ParticipantKind.VIEWER and not participant.viewing.slots:
                raise NegotiationError("the offer has no section that receives")
            undecodable, wanted = room.forwarding.overview.undecodable(participant)
            if undecodable and len(undecodable) == len(wanted):
                raise NegotiationError(_no_codec(undecodable))
            room.attendance.enter(participant)
            room.negotiations.follow(participant, outcome)
        except BaseException:
            # The client has no session that it could end.
            if participant.sid in room.members:
                room.attendance.depart(participant, DisconnectReason.JOIN_FAILURE)
            else:
                participant.lose_transport()
            raise
        is_publisher = participant.kind is ParticipantKind.INGRESS
        return cls(room, participant, outcome.answer, undecodable, outcome.undeclared if is_publisher else ())

    @property
    def is_open(self) -> bool:
        return self.participant.sid in self.room.members

    def info(self) -> MediaSessionInfo:
        return MediaSessionInfo(self.id, self.etag, self.answer, self.undecodable, self.inactive)

    def trickle(self, text: str) -> None:
        """Parses candidates and ignores them. Raises Stale if the fragment has credentials other than the session's."""
        negotiated = self.participant.transport.negotiated
        if negotiated is not None and restarts_ice(fragment(text), negotiated):
            raise Stale("the fragment has other ICE credentials than the session")

    def is_of_session(self, text: str) -> bool:
        """Returns whether a fragment has the present credentials of the session. Raises NegotiationError if it is no
        fragment."""
        negotiated = self.participant.transport.negotiated
        return negotiated is not None and not restarts_ice(fragment(text), negotiated)

    def restart(self, text: str) -> str | None:
        """Restarts ICE. Returns the fragment of the reply, with a new `etag`. None: the credentials are the present
        ones."""
        answer = self.participant.transport.restart_ice(text)
        if answer is not None:
            self.etag = _new_etag()
        return answer

    def close(self) -> None:
        self.was_closed = True
        self.room.attendance.depart(self.participant, DisconnectReason.CLIENT_INITIATED)


class _Ended(NamedTuple):
    at: float
    kind: ParticipantKind
    room: str


class MediaSessions(Mapping[str, MediaSession]):
    """The open sessions, by their unguessable id, and which ones ended by themselves within the last minute."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._open: dict[str, MediaSession] = {}
        self._ended: dict[str, _Ended] = {}
        """Oldest first."""

    def __getitem__(self, id: str) -> MediaSession:
        self.handle_timeout()
        return self._open[id]

    def __iter__(self) -> Iterator[str]:
        self.handle_timeout()
        return iter(self._open)

    def __len__(self) -> int:
        self.handle_timeout()
        return len(self._open)

    def add(self, session: MediaSession) -> None:
        self._open[session.id] = session

    def find(self, id: str, kind: ParticipantKind, room: str | None) -> MediaSession:
        """Returns an open session. `room`: None for any. Raises NotFound."""
        found = self._open.get(id)
        if found is None or not found.is_open or found.participant.kind is not kind:
            raise NotFound("there is no such session: it has ended or never existed")
        if room not in (None, found.room.name):
            raise NotFound("there is no such session in this room")
        return found

    def has_ended(self, id: str, kind: ParticipantKind, room: str | None) -> bool:
        """Returns whether a session ended by itself within the last minute: its client may not know yet."""
        self.handle_timeout()
        ended = self._ended.get(id)
        return ended is not None and ended.kind is kind and room in (None, ended.room)

    def handle_timeout(self) -> None:
        """Forgets sessions that have ended, and after a minute that they did."""
        now = self._now()
        for session in [session for session in self._open.values() if not session.is_open]:
            del self._open[session.id]
            if not session.was_closed and session.participant.disconnect_reason in BY_ITSELF:
                self._ended[session.id] = _Ended(now, session.participant.kind, session.room.name)
        for id in list(self._ended):
            if self._ended[id].at > now - limits.ENDED_SECONDS and len(self._ended) <= limits.ENDED_SESSIONS:
                break
            del self._ended[id]


def _no_codec(tracks: Sequence[Track]) -> str:
    named = ", ".join(dict.fromkeys(MIME[track.codec] for track in tracks))
    return f"the offer has no codec for what is published ({named})"


def _new_etag() -> str:
    return secrets.token_hex(8)
