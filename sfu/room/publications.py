"""The tracks that one participant publishes: their declarations, and their sections in the offer."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sfu import limits, names
from sfu.context import Context
from sfu.errors import Conflict, InvalidRequest, LimitExceeded, NegotiationError, NotFound
from sfu.model import Declaration, Kind, Permissions, Source, new_sid
from sfu.negotiation import capabilities
from sfu.negotiation.sdp import MediaSection, SessionDescription
from sfu.negotiation.specs import Negotiated
from sfu.negotiation.transport import Transport
from sfu.policy.permissions import may_publish
from sfu.quoting import quote
from sfu.room.tracks import CODECS, Track

WHIP_SOURCES = {Kind.AUDIO: Source.MICROPHONE, Kind.VIDEO: Source.CAMERA}
RETIRED = 64
"""The number of cids of unpublished tracks that are remembered. An offer may still name them if the client made it
earlier."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an answered offer."""

    answer: str
    mids: Mapping[str, str]
    """The published track of each sending section, by mid."""
    undeclared: tuple[str, ...] = ()
    """Mids of sections that would send, but have no track."""
    published: list[Track] = field(default_factory=list)
    withdrawn: list[Track] = field(default_factory=list)
    moved: list[Track] = field(default_factory=list)
    """Tracks that continue with another id of the plane."""
    reshaped: list[Track] = field(default_factory=list)
    """Tracks whose encodings changed, or their order."""


class Publications:
    def __init__(
        self, context: Context, transport: Transport, *, owner: str, identity: str, order: int, is_ingress: bool
    ) -> None:
        self.declared: dict[str, Track] = {}
        """Tracks waiting for their m-section, by cid."""
        self.tracks: dict[str, Track] = {}
        """Published tracks, by sid, and their backups while they are sent."""
        self.muted_sources: set[Source] = set()
        """The sources that a moderator muted."""
        self._bound: dict[str, Track] = {}
        """Published tracks, by mid."""
        self._retired: deque[str] = deque(maxlen=RETIRED)
        self._declarations = 0
        self._context = context
        self._transport = transport
        self._owner = owner
        self._identity = identity
        self._order = order
        self._is_ingress = is_ingress
        """True for WHIP: no tracks are declared, and every sending section is published."""

    def find(self, sid: str) -> Track:
        """Returns a declared or published track. Raises NotFound."""
        track = self.tracks.get(sid) or next((t for t in self.declared.values() if t.sid == sid), None)
        if track is None or track.primary is not None:
            raise NotFound(f"you do not publish a track {quote(sid)}" if sid else "a track is named by its sid")
        return track

    def of_source(self, source: Source) -> list[Track]:
        """Returns the declared and published tracks of a source, without backups."""
        tracks = {track.sid: track for track in (*self.declared.values(), *self.tracks.values())}.values()
        return [track for track in tracks if track.source is source and track.primary is None]

    def declare(self, declaration: Declaration) -> Track:
        """Declares a track, and its backup. Raises if the request is not allowed."""
        if not declaration.cid:
            raise InvalidRequest("a track needs a cid, which offers refer to")
        names.text("a cid", declaration.cid)
        names.text("the name of a track", declaration.name)
        names.text("the stream of a track", declaration.stream)
        for what, pixels in (("width", declaration.width), ("height", declaration.height)):
            if not 0 <= pixels <= limits.PIXELS:
                raise InvalidRequest(f"a {what} must be 0 (unknown) to {limits.PIXELS} pixels")
        if declaration.cid in self._cids():
            raise Conflict(f"you have already published a track with the cid {quote(declaration.cid)}")
        present = [t for t in (*self.declared.values(), *self.tracks.values()) if t.primary is None]
        if len(present) >= self._context.config.max_tracks:
            raise LimitExceeded(f"a participant may publish {self._context.config.max_tracks} tracks")
        backup_codec = self._backup_codec(declaration)
        track = self._declare(declaration, declaration.cid)
        track.name, track.stream, track.muted = (
            declaration.name,
            declaration.stream,
            declaration.muted or track.silenced,
        )
        if declaration.backup is not None:
            backup = self._declare(declaration, declaration.backup.cid)
            backup.codec, backup.primary, track.backup = backup_codec, track, backup
        return track

    def withdraw(self, track: Track) -> None:
        """Ends the publication of a track and of its backup. The section stays until the client offers without it."""
        if track.backup is not None:
            self.withdraw(track.backup)
        self.declared.pop(track.cid, None)
        self._retired.append(track.cid)
        if self.tracks.pop(track.sid, None) is not None:
            self._transport.drop_track(track.mid)
            self._bound.pop(track.mid, None)
            self._context.binding.owners.pop(track.plane_id or 0, None)
            track.plane_id = None

    def intended(
        self, offer: SessionDescription, named: Mapping[str, str], permissions: Permissions
    ) -> dict[str, Track]:
        """Returns the track of each sending section: the named one, the one with that msid, or the first waiting one of
        its kind."""
        sections = _sending(offer)
        known = {**{track.cid: track for track in self.tracks.values()}, **self.declared}
        intended: dict[str, Track] = {}
        for section in sections:
            cid = named.get(section.mid)
            if cid is None or (cid not in known and cid in self._retired):
                continue
            if cid not in known:
                raise NegotiationError(
                    f"the section {quote(section.mid)} names the track {quote(cid)}, which is not published"
                )
            _intend(intended, section, known[cid])
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
                waiting = (t for t in self.declared.values() if t.kind == section.kind and t.primary is None)
                track = next((t for t in waiting if t not in intended.values()), None)
            if track is None and self._is_ingress:
                if len(intended) >= self._context.config.max_tracks:
                    most = self._context.config.max_tracks
                    raise NegotiationError(f"the offer has more than {most} sections that send, and {most} are allowed")
                track = self._ingress(section, [*intended.values(), *self.tracks.values()], permissions)
            if track is not None:
                intended[section.mid] = track
        return intended

    def adopt(self, negotiated: Negotiated, intended: Mapping[str, Track], offer: SessionDescription) -> Outcome:
        """Binds tracks to the accepted sections. Tracks without a section are no longer published."""
        publications = {publication.mid: publication for publication in negotiated.publications}
        accepted = {mid: intended[mid] for mid in publications}
        undeclared = tuple(section.mid for section in _sending(offer) if section.mid not in intended)
        outcome = Outcome(negotiated.answer, {mid: track.sid for mid, track in accepted.items()}, undeclared)
        for track in [track for track in self.tracks.values() if track not in accepted.values()]:
            del self.tracks[track.sid]
            track.plane_id = None
            if track.primary is not None:
                self.declared[track.cid] = track  # The backup may be requested again.
            else:
                self._retired.append(track.cid)
            outcome.withdrawn.append(track)
        self._bound = accepted
        for mid, track in accepted.items():
            id = self._transport.tracks[mid]
            track.mid = mid
            track.preferred_codec = publications[mid].payload_types[0].codec
            reshaped = track.offer(tuple(encoding.rid or "" for encoding in publications[mid].encodings))
            if track.sid not in self.tracks:
                self.declared.pop(track.cid, None)
                self.tracks[track.sid] = track
                outcome.published.append(track)
            elif track.plane_id != id:
                outcome.moved.append(track)
            elif reshaped:
                outcome.reshaped.append(track)
            track.plane_id = id
        for track in outcome.withdrawn:
            if track.backup is not None:
                self.withdraw(track.backup)
        return outcome

    def unbind(self) -> list[Track]:
        """Unbinds all tracks of a removed transport; they wait for another offer. Returns them."""
        lost = list(self.tracks.values())
        for track in lost:
            track.mid, track.plane_id = "", None
            self.declared[track.cid] = track
        self.tracks.clear()
        self._bound.clear()
        return lost

    def _cids(self) -> set[str]:
        return {*self.declared, *(track.cid for track in self.tracks.values())}

    def _backup_codec(self, declaration: Declaration) -> str:
        """Returns the codec of the declared backup. Empty: none is declared. Raises if the backup is not allowed."""
        if declaration.backup is None:
            return ""
        cid, codec = names.text("a cid", declaration.backup.cid), CODECS.get(declaration.backup.mime.lower(), "")
        if not codec or capabilities.BY_NAME[codec].kind is not declaration.kind or declaration.kind is not Kind.VIDEO:
            raise InvalidRequest(
                f"{quote(declaration.backup.mime)} cannot be the backup of a track of kind {declaration.kind.value}"
            )
        if not cid or cid == declaration.cid or cid in self._cids():
            raise Conflict(f"a backup needs a cid of its own, not {quote(cid)}")
        return codec

    def _declare(self, declaration: Declaration, cid: str) -> Track:
        track = self._new(declaration.kind, declaration.source, cid)
        track.width, track.height, track.encrypted = declaration.width, declaration.height, declaration.encrypted
        self.declared[cid] = track
        return track

    def _ingress(self, section: MediaSection, present: Sequence[Track], permissions: Permissions) -> Track | None:
        """Returns a new track for a WHIP section. The first of each kind is the camera or microphone; others have no
        source."""
        kind = Kind(section.kind)
        source = WHIP_SOURCES[kind]
        if any(track.source is source for track in present):
            source = Source.UNKNOWN
        if not may_publish(permissions, source):
            return None
        stream, track = section.msid
        return self._new(kind, source, track or section.mid, stream)

    def _new(self, kind: Kind, source: Source, cid: str, stream: str = "") -> Track:
        self._declarations += 1
        return Track(
            sid=new_sid("TR"),
            owner=self._owner,
            identity=self._identity,
            cid=cid,
            kind=kind,
            source=source,
            order=(self._order, self._declarations),
            stream=stream,
            silenced=source in self.muted_sources,
            muted=source in self.muted_sources,
        )


def _sending(offer: SessionDescription) -> list[MediaSection]:
    return [s for s in offer.sections if not s.stopped and s.sends and s.kind in ("audio", "video")]


def _intend(intended: dict[str, Track], section: MediaSection, track: Track) -> None:
    if track.kind != section.kind:
        where = f"the {section.kind} section {quote(section.mid)}"
        raise NegotiationError(f"{where} names the track {quote(track.cid)}, which is {track.kind.value}")
    if track in intended.values():
        raise NegotiationError(f"two sections name the track {quote(track.cid)}")
    intended[section.mid] = track
