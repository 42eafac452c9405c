"""Commands about a participant. It sends some of them for itself only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sfu import limits
from sfu.commands.base import Command, Page, R
from sfu.model import Declaration, PermissionChanges, Source, WishChanges
from sfu.negotiation.sdp import SessionDescription
from sfu.views import Explanation, ParticipantInfo, SubscriptionInfo, TrackInfo, TransportCounters


@dataclass(frozen=True, slots=True)
class OfParticipant(Command[R]):
    """A command about one participant. NotFound: there is no such room or participant."""

    room: str
    identity: str | None
    """None: the participant that sends the command."""


@dataclass(frozen=True, slots=True)
class ShowParticipant(OfParticipant[ParticipantInfo]):
    pass


@dataclass(frozen=True, slots=True)
class ChangeParticipant(OfParticipant[ParticipantInfo]):
    """Changes a participant. A field that is None or missing keeps its value."""

    name: str | None = None
    metadata: str | None = None
    attributes: Mapping[str, str] | None = None
    """Attributes to change. An empty string deletes the attribute."""
    permissions: PermissionChanges | None = None
    """A change needs roomAdmin, also of the participant's own. Removing a permission revokes its tokens."""


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
class MuteSource(OfParticipant[ParticipantInfo]):
    """Mutes or unmutes a source of a participant for a moderator: its present tracks, and those that it publishes later
    in this session."""

    source: Source
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
    """Settings by sid, at most `limits.WISHES`. The last one of a track counts."""
    only: Sequence[str] | None = None
    """The only present tracks to be subscribed to. None: no change."""


@dataclass(frozen=True, slots=True)
class Subscribe(OfParticipant[None]):
    """Subscribes to tracks, or unsubscribes. If one of them is refused, none is changed."""

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
    """Declares a track that a later offer will send."""

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
    """Answers an offer, and publishes the tracks that it sends. A refused offer changes nothing."""

    offer: SessionDescription
    cids: Mapping[str, str]
    """The cids of sending sections by mid, as far as the client gives them."""


@dataclass(frozen=True, slots=True)
class NoteToken(Command[None]):
    """Records a token that was sent to the participant. A revocation must outlast it. Times are in seconds since the
    epoch."""

    issued: float
    expires: float
    jti: str = ""


@dataclass(frozen=True, slots=True)
class Leave(Command[None]):
    pass


@dataclass(frozen=True, slots=True)
class ShowCounters(OfParticipant[TransportCounters]):
    """Returns what the plane counted of the participant's transport. NotFound: it has counted nothing yet."""


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
