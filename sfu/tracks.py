"""A track: declared by its publisher, bound to an m-section, then published; and what really arrives of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sfu.model import EncodingInfo, Kind, Layer, Quality, Source, TrackInfo
from sfu.plane import Layers

TOP_TEMPORAL = 3
"""VP8 and libwebrtc know at most four temporal layers; a ceiling above what arrives lets all of it through."""

TOP_SPATIAL = 2
"""One stream may hold three spatial layers (VP9 and AV1 SVC); a rung above what arrives costs nothing."""

MIME = {
    "opus": "audio/opus",
    "red": "audio/red",
    "pcmu": "audio/PCMU",
    "pcma": "audio/PCMA",
    "vp8": "video/VP8",
    "vp9": "video/VP9",
    "av1": "video/AV1",
    "h264": "video/H264",
    "h265": "video/H265",
}


@dataclass(eq=False, slots=True)
class Track:
    sid: str
    owner: str
    """The publisher's sid."""
    identity: str
    cid: str
    kind: Kind
    source: Source
    order: tuple[int, int]
    """When its publisher joined and when it was declared: receive sections are filled in this order."""
    name: str = ""
    stream: str = ""
    muted: bool = False
    """By its owner."""
    silenced: bool = False
    """By a moderator."""
    width: int = 0
    height: int = 0

    mid: str = ""
    plane_id: int | None = None
    rids: tuple[str, ...] = ()
    """Of its encodings, lowest first; one empty rid where there is no simulcast."""
    codec: str = ""
    encrypted: bool = False
    """End to end, with nothing that tells keyframes: its layers stay as they are."""
    rates: dict[Layer, tuple[int, int, int, float]] = field(default_factory=dict)
    """What arrives of each layer with those it needs: bits per second, width, height, frames per second."""
    viewers: dict[str, str] = field(default_factory=dict)
    """Who is shown it: their sids, and the mid of the slot."""

    @property
    def is_muted(self) -> bool:
        return self.muted or self.silenced

    def info(self) -> TrackInfo:
        return TrackInfo(
            sid=self.sid,
            kind=self.kind,
            source=self.source,
            name=self.name,
            muted=self.is_muted,
            width=self.width,
            height=self.height,
            mime=MIME.get(self.codec, ""),
            mid=self.mid,
            simulcast=len(self.rids) > 1,
            stream=self.stream,
        )

    def ladder(self, quality: Quality) -> Sequence[Layer]:
        """The layers a slot may show of it, best first. Empty: nothing is forwarded."""
        if self.is_muted or quality is Quality.OFF:
            return ()
        if self.kind is Kind.AUDIO:
            return (Layer(0, 0),)
        highest = len(self.rids) - 1 if len(self.rids) > 1 else TOP_SPATIAL
        best = {Quality.LOW: 0, Quality.MEDIUM: min(1, highest)}.get(quality, highest)
        return [Layer(spatial, TOP_TEMPORAL) for spatial in range(best, -1, -1)]

    def handle_layers(self, event: Layers) -> bool:
        """What arrives has changed. True: in a way that others see in `info`."""
        before = (self.codec, self.width, self.height)
        self.codec = event.codec or self.codec
        self.encrypted = event.encrypted
        self.rates = {
            Layer(rate.layer.spatial, rate.layer.temporal): (rate.bps, rate.width, rate.height, rate.fps)
            for rate in event.layers
        }
        if not self.width or not self.height:
            # What the publisher did not declare is learned once: the live size is in `encodings`.
            self.width, self.height = max(((w, h) for _, w, h, _ in self.rates.values()), default=(0, 0))
        return before != (self.codec, self.width, self.height)

    def best(self, layer: Layer) -> Layer:
        """The highest that arrives of this encoding up to this temporal layer; its lowest, if nothing is known yet."""
        arriving = (at for at in self.rates if at.spatial == layer.spatial and at.temporal <= layer.temporal)
        return max(arriving, default=Layer(layer.spatial, 0))

    def rate(self, layer: Layer) -> tuple[int, int, int, float]:
        """Bits per second, width, height and frames per second of that best layer."""
        return self.rates.get(self.best(layer), (0, 0, 0, 0.0))

    def encodings(self) -> tuple[EncodingInfo, ...]:
        result = []
        highest = max((layer.spatial for layer in self.rates), default=0)
        for spatial in range(max(len(self.rids), highest + 1)):
            bps, width, height, fps = self.rate(Layer(spatial, 255))
            rid = self.rids[spatial] if spatial < len(self.rids) else ""
            result.append(EncodingInfo(rid, spatial, bps > 0, bps, width, height, fps))
        return tuple(result)
