"""Commands about a participant, some of which it asks for itself only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sfu import limits
from sfu.commands.base import Command, Page, R
from sfu.model import Declaration, PermissionChanges, WishChanges
from sfu.negotiation.sdp import SessionDescription
from sfu.views import Explanation, ParticipantInfo, SubscriptionInfo, TrackInfo


@dataclass(frozen=True, slots=True)
class OfParticipant(Command[R]):
    """A command that concerns one participant. NotFound: there is no such room or participant."""

    room: str
    identity: str | None
    """None: the participant that asks."""


@dataclass(frozen=True, slots=True)
class ShowParticipant(OfParticipant[ParticipantInfo]):
    pass


@dataclass(frozen=True, slots=True)
class ChangeParticipant(OfParticipant[ParticipantInfo]):
    """Changes a participant. What is None or missing keeps its value."""

    name: str | None = None
    metadata: str | None = None
    attributes: Mapping[str, str] | None = None
    """Attributes to change. An empty string deletes the attribute."""
    permissions: PermissionChanges | None = None
    """They need roomAdmin, also for oneself. Removing one revokes the participant's tokens."""


@dataclass(frozen=True, slots=True)
class RemoveParticipant(OfParticipant[None]):
    """Removes a participant, and the viewers that share its token. Its tokens no longer admit it."""


@dataclass(frozen=True, slots=True)
class ReadmitParticipant(Command[None]):
    """Readmits an identity that was removed, or whose grant was reduced. The room need not exist."""

    room: str
    identity: str
    jti: str | None = None
    """The token that admits it. None: every token issued from now on."""


@dataclass(frozen=True, slots=True)
class MuteTrack(OfParticipant[ParticipantInfo]):
    """Mutes or unmutes a track. A participant cannot unmute what a moderator muted."""

    track: str
    muted: bool


@dataclass(frozen=True, slots=True)
class ListSubscriptions(OfParticipant[Page[SubscriptionInfo]]):
    """Lists every track that the participant could receive, in the order in which their publishers joined."""

    after: str = ""
    limit: int = limits.LIST_PAGE


@dataclass(frozen=True, slots=True)
class SetSubscriptions(OfParticipant[None]):
    """Sets how a participant receives tracks. If one of them is refused, none is changed."""

    wishes: Sequence[tuple[str, WishChanges]]
    """By sid, at most `limits.WISHES`. The last one of a track counts."""
    only: Sequence[str] | None = None
    """Of the tracks that are published now, it is subscribed to these. None: as before."""


@dataclass(frozen=True, slots=True)
class Subscribe(OfParticipant[None]):
    """Subscribes to tracks, or no longer. If one of them is refused, none is changed."""

    tracks: Sequence[str]
    on: bool


@dataclass(frozen=True, slots=True)
class ExplainSubscriptions(OfParticipant[Page[Explanation]]):
    """Explains why the participant receives its tracks as it does. The record has decisions up to the last turn of the
    event loop."""

    after: str = ""
    limit: int = limits.LIST_PAGE


# A participant, for itself


@dataclass(frozen=True, slots=True)
class DeclareTrack(Command[TrackInfo]):
    """Announces a track that a later offer will send."""

    track: Declaration


@dataclass(frozen=True, slots=True)
class UnpublishTrack(Command[None]):
    track: str


@dataclass(frozen=True, slots=True)
class Answered:
    sdp: str
    mids: Mapping[str, str]
    """The published track of each sending section, by mid."""
    undeclared: Sequence[str]
    """Mids of sections that would send, but have no track."""


@dataclass(frozen=True, slots=True)
class AnswerOffer(Command[Answered]):
    """Answers an offer, and publishes what it sends. An offer that is refused changes nothing."""

    offer: SessionDescription
    cids: Mapping[str, str]
    """The cid of each sending section, by mid, where the client says so."""


@dataclass(frozen=True, slots=True)
class NoteToken(Command[None]):
    """Records that the participant was sent a token: a revocation has to outlast it. Seconds since the epoch."""

    issued: float
    expires: float
    jti: str = ""


@dataclass(frozen=True, slots=True)
class Leave(Command[None]):
    pass


@dataclass(frozen=True, slots=True)
class StartCapture(OfParticipant[int]):
    """Captures the clear RTP and RTCP of a participant, both ways: returns the id of the capture. Conflict: another one
    is running."""

    seconds: float = 10.0
    """At most `limits.CAPTURE_SECONDS`."""
    octets: int = limits.CAPTURE_OCTETS


@dataclass(frozen=True, slots=True)
class StopCapture(Command[None]):
    """Stops a capture, also one that has ended by itself."""

    id: int
