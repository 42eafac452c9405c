"""Sessions of participants without a WebSocket: publishers by WHIP (RFC 9725) and viewers by WHEP."""

import secrets
from collections.abc import Sequence
from typing import Self

from sfu.commands import MediaSessionInfo
from sfu.errors import NegotiationError, Stale
from sfu.model import DisconnectReason, ParticipantKind
from sfu.negotiation.fragment import fragment, restarts_ice
from sfu.negotiation.sdp import SessionDescription
from sfu.room.participant import Participant
from sfu.room.room import Room
from sfu.room.tracks import MIME, Track


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
                raise NegotiationError("the offer has no section in which something can be received")
            undecodable, wanted = room.stage.overview.undecodable(participant)
            if undecodable and len(undecodable) == len(wanted):
                raise NegotiationError(_no_codec(undecodable))
        except BaseException:
            # Nobody else knows the participant, so its objects in the plane would leak.
            participant.lose_transport()
            raise
        room.enter(participant)
        room.follow(participant, outcome)
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
        self.room.depart(self.participant, DisconnectReason.CLIENT_INITIATED)


def _no_codec(tracks: Sequence[Track]) -> str:
    named = ", ".join(dict.fromkeys(MIME[track.codec] for track in tracks))
    return f"the offer has no codec for what is published: it is {named}, and no a=rtpmap of the offer is that"


def _new_etag() -> str:
    return secrets.token_hex(8)
