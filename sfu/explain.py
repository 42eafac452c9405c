"""Why a subscription receives its layer: the record of decisions, the limiting cause, and one sentence.

Each subscription and each published track has a `Record`, which `sfu/room/records.py` fills from facts. Records are
bounded by count when they are written, and by age when they are read.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from sfu.model import Cause, Kind, Layer, Quality, Source, Step, Wish
from sfu.views import Decision, Picture

AGE = 60_000
"""Milliseconds for which a decision is reported."""
MOST = 64
"""Decisions stored per subscription or track. A layer that flaps each second fills it in a minute."""

STOPPED_TOP = "has stopped its top encoding"
DEAF = "ignores keyframe requests"
SURPLUS = "sends several streams in one section without RIDs or a SIM group, of which one is forwarded"
LACKS_PARAMETERS = "sends keyframes without parameter sets (SPS, PPS), so later viewers cannot decode them"
ENCRYPTED = "sends it end-to-end encrypted"

LOSING = "loses "
"""The beginning of the fact about its loss, which continues with numbers."""
LOSES, RECOVERED = 0.04, 0.02
"""A publisher loses packets from this share of them on, until it is below the second one. Video repairs less without a
visible delay (NACK, RTX), and Opus conceals it."""
NEWS = 0.25
"""A smaller relative change of its loss is not reported."""

CALLED = {
    Source.CAMERA: "camera",
    Source.MICROPHONE: "microphone",
    Source.SCREEN_SHARE: "shared screen",
    Source.SCREEN_SHARE_AUDIO: "shared screen's audio",
}


Noted = tuple[int, Step, Layer | None, Cause, str]
"""The fields of a `Decision`. Many are recorded, few are read."""


class Record:
    """Recent decisions, oldest first."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: list[Noted] = []

    def add(self, entry: Noted) -> None:
        """Adds a decision, unless it repeats the last one of its step."""
        entries, what = self._entries, entry[1]
        for last in reversed(entries):
            if last[1] is what:
                if last[4] == entry[4] and last[3] is entry[3] and last[2] == entry[2]:
                    return
                break
        if len(entries) == MOST:
            del entries[0]
        entries.append(entry)

    def since(self, at: int) -> list[Decision]:
        return [Decision(*entry) for entry in self._entries if entry[0] >= at]


def recent(now: int, *records: Record) -> tuple[Decision, ...]:
    """Returns the decisions of the last minute from all records, in order."""
    found = [decision for record in records for decision in record.since(now - AGE)]
    return tuple(sorted(found, key=lambda decision: decision.at))


class PublisherState:
    """What a publisher does with a track, independent of subscribers."""

    __slots__ = ("_codec", "_ignored", "_loses", "_loss", "_now", "_seen")

    def __init__(self) -> None:
        self._now: tuple[str, ...] = ()
        self._loss = 0.0
        """The reported share of lost packets. 0: it loses few."""
        self._loses = ""
        self._codec = ""
        self._ignored = ""
        """The SSRCs of streams that are ignored."""
        self._seen: set[int] = set()
        """Encodings, or spatial layers, that ever arrived, by rank."""

    @property
    def facts(self) -> tuple[str, ...]:
        """Returns what the publisher does that limits subscribers, for example `ignores keyframe requests`."""
        return self._now

    def rerank(self, moved: Mapping[int, int]) -> None:
        """Handles a new ranking of the encodings. `moved`: new ranks by old ones."""
        self._seen = {moved.get(rank, rank) for rank in self._seen}

    def arriving(
        self,
        codec: str,
        alive: Set[int],
        *,
        unwanted: Set[int] = frozenset(),
        deaf: bool = False,
        encrypted: bool = False,
        surplus: Sequence[int] = (),
        lacks_parameters: bool = False,
        loss: float = 0.0,
        round_trip: float = 0.0,
    ) -> list[str]:
        """Handles the encodings (or spatial layers) that arrive. Returns what changed, for the record.

        `unwanted`: those that it was asked to stop. `surplus`: SSRCs of ignored streams. `loss`: the share of packets
        that were lost on the way to the server, before retransmissions. `round_trip`: ms; 0: unknown.
        """
        if codec != self._codec:
            self._codec, self._seen = codec, set()
        self._seen |= alive
        top = max(self._seen, default=0)
        is_top_gone = bool(alive) and top not in alive and top not in unwanted
        facts = (
            (STOPPED_TOP, is_top_gone),
            (DEAF, deaf),
            (ENCRYPTED, encrypted),
            (SURPLUS, bool(surplus)),
            (LACKS_PARAMETERS, lacks_parameters),
        )
        now = tuple(fact for fact, holds in facts if holds) + self._losing(loss, round_trip)
        changes = [fact for fact in now if fact not in self._now]
        changes += [f"no longer: {fact}" for fact in self._now if fact not in now]
        self._now = now
        ignored = ", ".join(map(str, surplus))
        if ignored and ignored != self._ignored:
            changes.append(f"the streams with SSRC {ignored} are ignored")
        self._ignored = ignored
        return changes

    def _losing(self, loss: float, round_trip: float) -> tuple[str, ...]:
        """Returns the fact about its loss. Its numbers stay until they have changed enough."""
        if loss < (RECOVERED if self._loss else LOSES):
            self._loss, self._loses = 0.0, ""
        elif abs(loss - self._loss) > NEWS * self._loss:
            self._loss = loss
            way = f", {round_trip:.0f} ms there and back" if round_trip else ""
            self._loses = f"{LOSING}{loss:.0%} of its packets on the way to the server{way}".replace("%", " %")
        return (self._loses,) if self._loses else ()


def muted(by: str) -> str:
    """Says that a track was muted. `by` is empty: it was unmuted."""
    return f"muted by {by}" if by else "no longer muted"


def reranked(names: Sequence[str], offered: Sequence[str]) -> str:
    """Says in which order the encodings of a track are by what arrives. `names`: lowest first."""
    return f"its encodings are {', '.join(names)}, lowest first; its offer lists {', '.join(offered)}"


def wish(of: Wish) -> str:
    """Describes a wish: `320x180, 15 frames/s, out of sight`; `anything` if it has no limits."""
    if of.quality is Quality.OFF:
        return "off"
    parts = [f"quality {of.quality.value}"] if of.quality is not Quality.HIGH else []
    if of.width and of.height:
        parts.append(f"{of.width}x{of.height}")
    elif of.width or of.height:
        parts.append(f"width {of.width}" if of.width else f"height {of.height}")
    if of.fps:
        parts.append(f"{of.fps:g} frames/s")
    if of.priority:
        parts.append(f"priority {of.priority}")
    if not of.visible:
        parts.append("out of sight")
    return ", ".join(parts) or "anything"


@dataclass(frozen=True, slots=True)
class Share:
    """What a track was given of its subscriber's bandwidth, in bits per second."""

    estimate: int
    """What the network carries."""
    audio: int
    """For all audio, which comes first."""
    others: int
    """For the other video."""
    given: int
    better: int
    """What the next better layer of the track needs. 0: there is none."""


@dataclass(slots=True)
class Situation:
    """The state of a subscription, from which its cause and its sentence are derived."""

    # Not frozen, which takes longer to make: each report of a subscription makes one.

    subscriber: str
    publisher: str
    """Identities."""
    source: Source
    kind: Kind
    desired: bool
    mid: str
    """The mid of the receive section that shows it. Empty: no section does."""
    refused: str = ""
    """Why the subscriber cannot receive it, for example `cannot decode H265`. Empty: it can."""
    muted_by: str = ""
    """The author of its mute: its publisher's identity, or `a moderator`. Empty: it is not muted."""
    kept_out: str = ""
    """The rule of the room that excludes it, for example `it is not among the last 9 who spoke`."""
    target: Layer | None = None
    """The best layer that the room requests of the plane. None: no layer, because of `held_by`."""
    held_by: Cause = Cause.NONE
    """What limits `target`."""
    current: Layer | None = None
    lacks: Cause = Cause.NONE
    """Why the plane sends less than the target."""
    picture: Picture | None = None
    """Of `current`."""
    share: Share | None = None
    """What the track was last given. None: nothing is estimated."""
    is_arriving: bool = True
    """True: the track arrives; for video, complete frames."""
    facts: tuple[str, ...] = ()
    """The facts about its publisher."""


def cause(of: Situation) -> Cause:
    """Returns the cause that limits a subscription: the first one on the way from publisher to subscriber. If nothing
    else does, it is the publisher if it loses packets on its way to the server."""
    why = _limit(of)
    return Cause.PUBLISHER if why in (Cause.NONE, Cause.LOSS) and _is_losing(of) else why


def _is_losing(of: Situation) -> bool:
    return bool(of.facts) and any(fact.startswith(LOSING) for fact in of.facts)


def _limit(of: Situation) -> Cause:
    """Returns what limits the layer, apart from packets that its publisher loses."""
    if of.refused:
        return Cause.CODEC
    if of.muted_by:
        return Cause.MUTED
    if not of.desired:
        return Cause.DEMAND
    if of.kept_out or not of.mid:
        return Cause.PAUSED
    if of.target is None:
        return Cause.PUBLISHER if of.held_by is Cause.NONE and not of.is_arriving else of.held_by
    if of.current is None and of.lacks in (Cause.NONE, Cause.PAUSED):
        # The target was sent a moment ago, and the plane has not reported a layer yet.
        if not of.is_arriving:
            return Cause.PUBLISHER
        return Cause.WAITING_FOR_KEYFRAME if of.kind is Kind.VIDEO else of.held_by
    if not of.is_arriving and of.lacks in (Cause.NONE, Cause.PAUSED):
        # The plane keeps a layer although it has stopped arriving.
        return Cause.PUBLISHER
    return of.held_by if of.lacks in (Cause.NONE, Cause.PAUSED) else of.lacks


def sentence(of: Situation) -> str:
    """Returns one English sentence: the received layer, its limit, and the publisher's part in it."""
    why = _limit(of)
    thing = f"{of.publisher}'s {CALLED.get(of.source, of.kind.value)}"
    verb = "heard by" if of.kind is Kind.AUDIO else "shown to"
    facts = _relevant(of, why)
    if of.current is not None and why in SHOWN and of.target is not None and of.is_arriving:
        state, reason = f"{thing} is {verb} {of.subscriber}{_size(of.picture)}", SHOWN[why]
        if why is Cause.PUBLISHER and STOPPED_TOP in facts:
            return f"{state}: {of.publisher}'s browser {' and '.join(facts)}."
    else:
        state, reason = f"{thing} is not {verb} {of.subscriber}", _hidden(of, why)
    reason = reason.format(subscriber=of.subscriber, publisher=of.publisher)
    if why is Cause.BANDWIDTH and of.share is not None:
        reason += _shared(of.share)
    return f"{state}: {reason}{f'; {of.publisher} ' if facts else ''}{' and '.join(facts)}."


SHOWN: Mapping[Cause, str] = {
    Cause.NONE: "that is the best there is",
    Cause.DEMAND: "{subscriber} asks for no more",
    Cause.BANDWIDTH: "the network of {subscriber} carries no more",
    Cause.PUBLISHER: "{publisher} sends nothing better at present",
    Cause.ENCRYPTED: "the layer is fixed, because keyframes cannot be recognised in encrypted media",
    Cause.WAITING_FOR_KEYFRAME: "a keyframe of a better layer is awaited",
    Cause.LOSS: "packets are lost on the way from {publisher}",
}
HIDDEN: Mapping[Cause, str] = {
    Cause.NONE: "it is about to begin",
    Cause.DEMAND: "{subscriber} does not ask for it",
    Cause.BANDWIDTH: "the network of {subscriber} does not carry even its lowest layer",
    Cause.PUBLISHER: "nothing of it arrives from {publisher}",
    Cause.PAUSED: "{subscriber} has switched it off, or does not show it",
    Cause.ENCRYPTED: "no keyframe can be recognised in encrypted media",
    Cause.WAITING_FOR_KEYFRAME: "a keyframe is awaited",
    Cause.LOSS: "packets were lost for good, and a keyframe is awaited",
}


def _hidden(of: Situation, why: Cause) -> str:
    if why is Cause.MUTED:
        return f"{of.muted_by} has muted it"
    if why is Cause.CODEC:
        return f"{of.subscriber} {of.refused}"
    if why is Cause.DEMAND and not of.desired:
        return "{subscriber} is not subscribed to it"
    if why is Cause.PAUSED and of.kept_out:
        return of.kept_out
    if why is Cause.PAUSED and not of.mid:
        return "{subscriber} has no receive section free for it"
    return HIDDEN[why]


def _shared(of: Share) -> str:
    """Describes a share: ` (of 600 kbit/s, 48 are for audio, 155 for other video and 207 for this; …)`."""
    better = f"; the next layer needs {of.better / 1e3:.0f}" if of.better else ""
    rates = f"{of.audio / 1e3:.0f} are for audio, {of.others / 1e3:.0f} for other video"
    return f" (of {of.estimate / 1e3:.0f} kbit/s, {rates} and {of.given / 1e3:.0f} for this{better})"


def _size(picture: Picture | None) -> str:
    """Describes a picture: ` at 1280x720, 30 frames/s, 1.5 Mbit/s`, without unknown values."""
    if picture is None:
        return ""
    parts = []
    if picture.width and picture.height:
        parts.append(f"{picture.width}x{picture.height}")
    if picture.fps:
        parts.append(f"{picture.fps:.0f} frames/s")
    if picture.bitrate:
        is_mega = picture.bitrate >= 1_000_000
        parts.append(f"{picture.bitrate / 1e6:.1f} Mbit/s" if is_mega else f"{picture.bitrate / 1e3:.0f} kbit/s")
    return f" at {', '.join(parts)}" if parts else ""


def _relevant(of: Situation, why: Cause) -> list[str]:
    """Returns the facts about the publisher that concern the cause. A publisher that ignores requests makes every start
    slow."""
    if not of.desired or why in (Cause.MUTED, Cause.PAUSED, Cause.CODEC):
        return []
    always = (DEAF, LACKS_PARAMETERS)
    return [fact for fact in of.facts if fact in always or fact.startswith(LOSING) or why is Cause.PUBLISHER]
