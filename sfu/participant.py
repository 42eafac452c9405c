"""One identity in a room: what it may do, what it publishes, what it is shown, and what it is told.

Everything here concerns this participant alone. What a change means for the others is the room's: `Home` is what a
participant asks of it.
"""

import asyncio
import math
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sfu import messages, names
from sfu.context import Context
from sfu.errors import Conflict, InvalidRequest, LimitExceeded, NegotiationError, NotAllowed, NotFound
from sfu.model import (
    DisconnectReason,
    Explanation,
    Grant,
    Kind,
    ParticipantInfo,
    ParticipantKind,
    ParticipantState,
    Permissions,
    Source,
    SubscriptionInfo,
    new_sid,
)
from sfu.outbox import Tail
from sfu.policy.permissions import may_publish
from sfu.policy.presence import departs_at
from sfu.session import capabilities
from sfu.session.channels import Channels
from sfu.session.negotiation import Allow
from sfu.session.sdp import MediaSection, SessionDescription
from sfu.session.transport import MediaState, Transport
from sfu.subscriptions import Subscriptions
from sfu.tracks import CODECS, Track
from sfu.wishes import MAX_PIXELS, Changes

WHIP_SOURCES = {Kind.AUDIO: Source.MICROPHONE, Kind.VIDEO: Source.CAMERA}
RETIRED = 64
"""Names of unpublished tracks that are remembered: an offer made before its client heard of it is no mistake."""


class Home(Protocol):
    """What a participant asks of its room."""

    def update_participant(
        self,
        participant: "Participant",
        *,
        name: str | None,
        metadata: str | None,
        attributes: Mapping[str, str] | None,
        permissions: Permissions | None,
    ) -> None: ...

    def silence(self, participant: "Participant", track: str, muted: bool) -> None: ...

    def subscribe(self, participant: "Participant", tracks: Sequence[str], on: bool) -> None: ...

    def demand(self, participant: "Participant", demands: Mapping[str, Changes]) -> None: ...

    def subscriptions(self, participant: "Participant") -> list[SubscriptionInfo]: ...

    def explain(self, participant: "Participant") -> list[Explanation]: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an answered offer changed."""

    answer: str
    mids: Mapping[str, str]
    published: list[Track] = field(default_factory=list)
    withdrawn: list[Track] = field(default_factory=list)
    moved: list[Track] = field(default_factory=list)
    """Tracks that go on under another id of the plane."""
    labels: set[str] = field(default_factory=set)
    """Of data channels that are new, or gone."""


class Participant:
    def __init__(
        self,
        context: Context,
        home: Home,
        grant: Grant,
        kind: ParticipantKind,
        *,
        worker: int,
        order: int,
        candidates: tuple[tuple[str, int], ...],
        auto_subscribe: bool = True,
        only: str | None = None,
        client: messages.Client | None = None,
    ) -> None:
        self.sid = new_sid("PA")
        self.identity = names.identity(grant.identity)
        self.name = names.text("a display name", grant.name)
        self.metadata = names.metadata(grant.metadata)
        self.attributes: Mapping[str, str] = names.merged({}, grant.attributes)
        self.permissions = grant.permissions
        self.grant = grant
        self.kind = kind
        self.client = client or messages.Client()
        self.order = order
        self.joined_at = context.milliseconds()
        self.version = 1
        self.disconnect_reason: DisconnectReason | None = None
        self.grant_changed = asyncio.Event()
        """Set when its permissions have changed."""

        self.tail = Tail(context.config.outbox) if kind is ParticipantKind.STANDARD else None
        self.resume_secret: str | None = secrets.token_urlsafe(24)
        """None: revoked."""
        self.signal_gone: float | None = -math.inf
        """When its WebSocket went; None: it is there."""
        self.media_gone: float | None = context.now()
        """When its media was last connected; None: it is."""

        self.transport = Transport(context.binding, worker, self.sid, context.fingerprint, candidates)
        self.channels = Channels(context.binding, worker, self.sid)
        self.viewing = Subscriptions(context, self.sid, grant.identity, auto_subscribe, only)
        self.declared: dict[str, Track] = {}
        """Tracks waiting for their m-section, by cid."""
        self.tracks: dict[str, Track] = {}
        """Published tracks, by sid, and their backups while they are sent."""
        self._bound: dict[str, Track] = {}
        """Published tracks, by mid."""
        self._retired: deque[str] = deque(maxlen=RETIRED)
        self._declarations = 0
        self._context = context
        self._home = home

    # Views

    @property
    def state(self) -> ParticipantState:
        if self.disconnect_reason is not None:
            return ParticipantState.DISCONNECTED
        if self.transport.id is None:
            return ParticipantState.JOINING
        return ParticipantState.ACTIVE if self.transport.state is MediaState.CONNECTED else ParticipantState.JOINED

    @property
    def is_hidden(self) -> bool:
        return self.permissions.hidden

    def info(self) -> ParticipantInfo:
        return ParticipantInfo(
            sid=self.sid,
            identity=self.identity,
            name=self.name,
            state=self.state,
            kind=self.kind,
            metadata=self.metadata,
            attributes=self.attributes,
            permissions=self.permissions,
            joined_at=self.joined_at,
            version=self.version,
            tracks=tuple(track.info() for track in self.tracks.values() if track.primary is None),
            disconnect_reason=self.disconnect_reason,
        )

    def departs_at(self) -> float | None:
        """When it goes by itself, as things are. None: it stays."""
        return departs_at(self.signal_gone, self.media_gone, self._context.config.resume_window)

    # What backends and moderators ask, by way of the room

    def update(
        self,
        *,
        name: str | None = None,
        metadata: str | None = None,
        attributes: Mapping[str, str] | None = None,
        permissions: Permissions | None = None,
    ) -> None:
        """An attribute set to the empty string is deleted. Permissions take effect at once."""
        self._home.update_participant(
            self, name=name, metadata=metadata, attributes=attributes, permissions=permissions
        )

    def mute(self, track: str, muted: bool) -> None:
        """By a moderator: nothing of it is forwarded until a moderator allows it again."""
        self._home.silence(self, track, muted)

    def subscribe(self, tracks: Sequence[str], on: bool) -> None:
        self._home.subscribe(self, tracks, on)

    def demand(self, demands: Mapping[str, Changes]) -> None:
        """How tracks, by sid, are to be shown to it; what is not named stays as it was."""
        self._home.demand(self, demands)

    def subscriptions(self) -> list[SubscriptionInfo]:
        """Of every track it could be shown."""
        return self._home.subscriptions(self)

    def explain(self) -> list[Explanation]:
        """Why it gets every track it could be shown as it does."""
        return self._home.explain(self)

    # Signalling

    def tell(self, message: messages.ServerMessage) -> None:
        """Queues a message; a WHIP or WHEP session has nobody to tell."""
        if self.tail is not None:
            self.tail.put(message)

    # Publishing

    def may_publish(self, source: Source) -> bool:
        return may_publish(self.permissions, source)

    def declare(self, wish: messages.Publish) -> Track:
        """A track that will be offered. Raises if it may not be."""
        if not self.permissions.can_publish:
            raise NotAllowed("you may not publish in this room")
        if not self.may_publish(wish.source):
            raise NotAllowed(f"you may not publish the source {wish.source.value}")
        if not wish.cid:
            raise InvalidRequest("a track needs a cid, by which its m-section is found")
        names.text("a cid", wish.cid)
        names.text("the name of a track", wish.name)
        names.text("the stream of a track", wish.stream)
        for what, pixels in (("width", wish.width), ("height", wish.height)):
            if not 0 <= pixels <= MAX_PIXELS:
                raise InvalidRequest(f"a {what} is 0 (not known) to {MAX_PIXELS} pixels, which this is not")
        if wish.cid in self.declared or any(track.cid == wish.cid for track in self.tracks.values()):
            raise Conflict(f"you have already published a track with the cid {wish.cid!r}")
        published = [t for t in (*self.declared.values(), *self.tracks.values()) if t.primary is None]
        if len(published) >= self._context.config.max_tracks:
            raise LimitExceeded(f"a participant may publish {self._context.config.max_tracks} tracks")
        backup_codec = self._backup_codec(wish)
        track = self._declare(
            wish.kind,
            wish.source,
            wish.cid,
            wish.name,
            wish.stream,
            wish.muted,
            wish.width,
            wish.height,
            wish.encrypted,
        )
        if wish.backup is not None:
            backup = self._declare(
                wish.kind, wish.source, wish.backup.cid, "", "", False, wish.width, wish.height, wish.encrypted
            )
            backup.codec, backup.primary, track.backup = backup_codec, track, backup
        return track

    def _backup_codec(self, wish: messages.Publish) -> str:
        """The codec of the declared backup; empty: there is none. Raises if it cannot be."""
        if wish.backup is None:
            return ""
        cid, codec = names.text("a cid", wish.backup.cid), CODECS.get(wish.backup.mime.lower(), "")
        if not codec or capabilities.BY_NAME[codec].kind is not wish.kind or wish.kind is not Kind.VIDEO:
            raise InvalidRequest(f"{wish.backup.mime!r} cannot be the backup of a track of kind {wish.kind.value}")
        if not cid or cid in (wish.cid, *self.declared, *(track.cid for track in self.tracks.values())):
            raise Conflict(f"a backup needs a cid of its own, which {cid!r} is not")
        return codec

    def own_track(self, sid: str) -> Track:
        """A track it has declared or published; NotFound."""
        track = self.tracks.get(sid) or next((t for t in self.declared.values() if t.sid == sid), None)
        if track is None or track.primary is not None:
            raise NotFound(f"you do not publish a track {sid!r}" if sid else "a track is named by its sid")
        return track

    def withdraw(self, track: Track) -> None:
        """No longer published, and no longer received, nor is its backup. Its section stays until the client offers
        without it."""
        if track.backup is not None:
            self.withdraw(track.backup)
        self.declared.pop(track.cid, None)
        self._retired.append(track.cid)
        if self.tracks.pop(track.sid, None) is not None:
            self.transport.drop_track(track.mid)
            self._bound.pop(track.mid, None)
            self._context.binding.owners.pop(track.plane_id or 0, None)
            track.plane_id = None

    # Negotiation

    def answer(self, sdp: str, named: Mapping[str, str]) -> Outcome:
        """Answers an offer and commands what follows from it. One that is refused changes nothing.

        `named`: the cid of each sending section, by mid, where the client says so.
        """
        offer = SessionDescription.parse(sdp)
        intended = self._intended(offer, named)
        # RFC 9725 s4.2: a WHIP publisher may offer sendrecv, and is answered recvonly.
        may_watch = self.permissions.can_subscribe and self.kind is not ParticipantKind.INGRESS
        allow = Allow(publish=lambda mid, _: mid in intended, subscribe=may_watch, data=True)
        negotiated, local = self.transport.consider(offer, allow)

        # From here on nothing fails.
        had_data = self.transport.has_data
        labels: set[str] = set()
        renewed = self.transport.adopt(negotiated, local)
        if renewed:
            labels.update(self.channels.own, self.channels.others)
            self.channels.close()
            self.media_gone = self._context.now() if self.media_gone is None else self.media_gone
        if self.transport.has_data and (renewed or not had_data) and self.transport.id is not None:
            self.channels.open(self.transport.id)
            labels.update(self.channels.own)
        elif not self.transport.has_data:
            labels.update(self.channels.forget())
        accepted = {p.mid: intended[p.mid] for p in negotiated.publications}
        outcome = self._bind(accepted, {p.mid: p.encodings for p in negotiated.publications}, negotiated.answer)
        outcome.labels.update(labels)
        self.viewing.adopt(self.transport)
        return outcome

    def lose_transport(self) -> list[Track]:
        """Its media is over for good. What it published waits for another offer; returns it."""
        lost = list(self.tracks.values())
        self.transport.close()
        self.channels.close()
        self.viewing.clear()
        for track in lost:
            track.mid, track.plane_id = "", None
            self.declared[track.cid] = track
        self.tracks.clear()
        self._bound.clear()
        return lost

    def _intended(self, offer: SessionDescription, named: Mapping[str, str]) -> dict[str, Track]:
        """Which track each sending section is: the one named, or of that msid, or the first of its kind that waits."""
        sections = [s for s in offer.sections if not s.stopped and s.sends and s.kind in ("audio", "video")]
        known = {**{track.cid: track for track in self.tracks.values()}, **self.declared}
        intended: dict[str, Track] = {}
        for section in sections:
            cid = named.get(section.mid)
            track = known.get(cid) if cid is not None else None
            if cid is None or (track is None and cid in self._retired):
                continue
            if track is None:
                raise NegotiationError(f"the section {section.mid!r} names the track {cid!r}, which is not published")
            self._intend(intended, section, track)
        for section in sections:
            if section.mid in named:
                continue
            bound = self._bound.get(section.mid)
            if bound is not None and bound not in intended.values():
                intended[section.mid] = bound
        for section in sections:
            if section.mid in named or section.mid in intended:
                continue
            track = known.get(section.msid[1])
            if track is None or track.kind != section.kind or track in intended.values():
                waiting = [
                    t
                    for t in self.declared.values()
                    if t.kind == section.kind and t.primary is None and t not in intended.values()
                ]
                track = waiting[0] if waiting else None
            if track is None and self.kind is ParticipantKind.INGRESS:
                track = self._ingress(section, [*intended.values(), *self.tracks.values()])
            if track is not None:
                intended[section.mid] = track
        return intended

    def _intend(self, intended: dict[str, Track], section: MediaSection, track: Track) -> None:
        if track.kind != section.kind:
            raise NegotiationError(
                f"the {section.kind} section {section.mid!r} names the track {track.cid!r}, which is {track.kind.value}"
            )
        if track in intended.values():
            raise NegotiationError(f"two sections name the track {track.cid!r}")
        intended[section.mid] = track

    def _ingress(self, section: MediaSection, present: Sequence[Track]) -> Track | None:
        """WHIP declares nothing: camera and microphone first, what comes beside them is of no known source."""
        kind = Kind(section.kind)
        source = WHIP_SOURCES[kind]
        if any(track.source is source for track in present):
            source = Source.UNKNOWN
        if not self.may_publish(source):
            return None
        stream, track = section.msid
        return self._declare(kind, source, track or section.mid, "", stream, False, 0, 0, wait=False)

    def _declare(
        self,
        kind: Kind,
        source: Source,
        cid: str,
        name: str,
        stream: str,
        muted: bool,
        width: int,
        height: int,
        encrypted: bool = False,
        wait: bool = True,
    ) -> Track:
        self._declarations += 1
        track = Track(
            sid=new_sid("TR"),
            owner=self.sid,
            identity=self.identity,
            cid=cid,
            kind=kind,
            source=source,
            order=(self.order, self._declarations),
            name=name,
            stream=stream,
            muted=muted,
            width=width,
            height=height,
            encrypted=encrypted,
        )
        if wait:
            self.declared[cid] = track
        return track

    def _bind(self, accepted: Mapping[str, Track], encodings: Mapping[str, Sequence[object]], answer: str) -> Outcome:
        outcome = Outcome(answer, {mid: track.sid for mid, track in accepted.items()})
        for track in [track for track in self.tracks.values() if track not in accepted.values()]:
            del self.tracks[track.sid]
            track.plane_id = None
            if track.primary is not None:
                self.declared[track.cid] = track  # It may be asked for again.
            else:
                self._retired.append(track.cid)
            outcome.withdrawn.append(track)
        self._bound = dict(accepted)
        for mid, track in accepted.items():
            id = self.transport.tracks[mid]
            track.mid = mid
            track.rids = tuple(getattr(encoding, "rid", None) or "" for encoding in encodings[mid])
            if track.sid not in self.tracks:
                self.declared.pop(track.cid, None)
                self.tracks[track.sid] = track
                outcome.published.append(track)
            elif track.plane_id != id:
                outcome.moved.append(track)
            track.plane_id = id
        for track in outcome.withdrawn:
            if track.backup is not None:
                self.withdraw(track.backup)
        return outcome
