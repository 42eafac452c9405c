"""A track: declared by its publisher, bound to an m-section, then published; and the layers that arrive."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sfu.explain import PublisherState
from sfu.model import Kind, Layer, Order, Rate, Source
from sfu.plane import Layers
from sfu.policy import ladders, slots
from sfu.policy.allocation import Offer
from sfu.policy.dynacast import EncodingRequest
from sfu.room.simulcast import Simulcast
from sfu.views import EncodingInfo, Picture, TrackInfo

WITHOUT_SPATIAL = ("vp8", "h264", "h265")
"""Codecs whose streams have one spatial layer in browsers (RFC 7741 s1; no browser implements RFC 6190)."""

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
CODECS = {mime.lower(): codec for codec, mime in MIME.items()}


@dataclass(eq=False, slots=True)
class Track:
    sid: str
    owner: str
    """The publisher's sid."""
    identity: str
    cid: str
    kind: Kind
    source: Source
    order: Order
    """When its publisher joined and when it was declared. Receive sections are filled in this order."""
    name: str = ""
    stream: str = ""
    muted: bool = False
    """Muted by its publisher."""
    silenced: bool = False
    """Muted by a moderator."""
    width: int = 0
    height: int = 0
    encrypted: bool = False
    """Encrypted end to end."""

    mid: str = ""
    plane_id: int | None = None
    simulcast: Simulcast = field(default_factory=Simulcast)
    codec: str = ""
    """Of the last packet. Empty before the first."""
    preferred_codec: str = ""
    """The first one that its publisher offers: browsers send it."""
    rates: Mapping[Layer, Rate] = field(default_factory=dict)
    """The measured rate of each layer, including the layers it depends on. `_measured` sets it."""
    is_arriving: bool = False
    """Media arrived at the last measurement. For video, complete frames count."""
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Width and height of each spatial layer when it last arrived. A layer that is stopped at the source keeps them."""
    viewers: dict[str, str] = field(default_factory=dict)
    """The participants that have it in a slot: mids by sid."""
    claim: slots.Claim = field(init=False)
    """The claim of this track to a receive section."""
    loss: float = 0.0
    """0 to 1: the share of its packets that did not arrive in the last five seconds."""
    round_trip: float = 0.0
    """Milliseconds to its publisher and back. 0: not measured."""
    publishing: PublisherState = field(default_factory=PublisherState)
    """What its publisher does that affects all subscribers."""
    asked: dict[str, Layer] = field(default_factory=dict)
    """The best layer that each subscriber asks for, by sid. A subscriber that paused it or cannot decode it is not
    included."""
    decided: tuple[tuple[object, ...], Any] | None = None
    """A `shape`, and the decision for it (`decisions.py`)."""
    offers: dict[Hashable, Offer] = field(default_factory=dict)
    """What it offers to subscribers whose bandwidth is estimated, while its layers do not change (`decisions.py`)."""
    is_stopped: bool = False
    """The plane has it muted."""
    requested: EncodingRequest | None = None
    """The encodings that its publisher was last asked to send. None: all."""

    _described: tuple[tuple[object, ...], TrackInfo] | None = None
    """The last `info`, and what may change of it."""

    primary: "Track | None" = None
    """The track whose backup this is: the same picture in another codec, under the primary's sid."""
    backup: "Track | None" = None
    is_needed: bool = False
    """For a backup: its publisher was asked to send it."""

    def __post_init__(self) -> None:
        self.claim = slots.Claim(self.sid, self.owner, self.kind, self.source)

    @property
    def is_muted(self) -> bool:
        return self.muted or self.silenced or (self.primary is not None and self.primary.is_muted)

    @property
    def is_flowing(self) -> bool:
        """Returns whether the track is bound to an m-section."""
        return self.plane_id is not None

    @property
    def expected_codec(self) -> str:
        """Returns the codec of the next packet. The first packet may show that this was wrong."""
        return self.codec or self.preferred_codec

    def info(self) -> TrackInfo:
        # Each join needs the info of all tracks, and usually nothing of it changed.
        simulcast = self.simulcast.is_several
        codec = self.expected_codec
        muted = (self.is_muted, self.silenced)
        variable = (muted, self.width, self.height, codec, self.mid, simulcast, self.name, self.stream)
        if self._described is None or self._described[0] != variable:
            self._described = (variable, self._describe())
        return self._described[1]

    def _describe(self) -> TrackInfo:
        return TrackInfo(
            sid=self.sid,
            kind=self.kind,
            source=self.source,
            name=self.name,
            muted=self.is_muted,
            width=self.width,
            height=self.height,
            mime=MIME.get(self.expected_codec, ""),
            mid=self.mid,
            simulcast=self.simulcast.is_several,
            stream=self.stream,
            muted_by_moderator=self.silenced,
        )

    def supply(self) -> ladders.Supply:
        """Returns the available layers."""
        sizes = ladders.sizes(self._spatial_layers(), (self.width, self.height), self.sizes)
        return ladders.Supply(self.kind, self.source, sizes, self.rates)

    def wanted(self) -> Layer | None:
        """Returns the best layer that any subscriber wants, regardless of mutes. None: nobody wants the track."""
        if not self.asked:
            return None
        return Layer(max(at.spatial for at in self.asked.values()), max(at.temporal for at in self.asked.values()))

    def shape(self) -> tuple[object, ...]:
        """Returns everything that ladders depend on, except the frame rate."""
        return (
            self.codec,
            self.width,
            self.height,
            self.simulcast.ranking,
            frozenset(self.rates),
            tuple(sorted(self.sizes.items())),
        )

    def is_wanted(self, spatial: int) -> bool:
        """Returns whether the encoding is wanted. False: its publisher was asked to stop it."""
        if self.requested is None:
            return True
        # SVC has all spatial layers in one encoding.
        return self.requested.encodings[min(spatial, len(self.requested.encodings) - 1)]

    def offer(self, rids: tuple[str, ...]) -> bool:
        """Sets the encodings of its section, in the order of the offer. True: the plane now names them differently."""
        if rids == self.simulcast.offered:
            return False
        self.offers.clear()
        if self.simulcast.offer(rids):
            self.requested, self.sizes = None, self.simulcast.sizes()
            self._measured({})
        return True

    def handle_layers(self, event: Layers) -> bool:
        """Sets the layers that arrive. True: `info` changed."""
        before = (self.expected_codec, self.width, self.height)
        self.offers.clear()
        self.loss, self.round_trip = event.loss, event.round_trip
        if event.codec is not None and event.codec != self.codec:
            self.codec = event.codec
            self.sizes.clear()
        if moved := self.simulcast.measure(event.layers, self.width * self.height):
            self._rerank(moved)
        self._measured(
            {
                Layer(self.simulcast.rank(rate.layer.spatial), rate.layer.temporal): Rate(
                    rate.bps, rate.width, rate.height, rate.fps
                )
                for rate in event.layers
            }
        )
        for layer, rate in self.rates.items():
            if rate.width and rate.height:
                self.sizes[layer.spatial] = (rate.width, rate.height)
        if not self.width or not self.height:
            # An undeclared size is set once, from the first measurement. `encodings` has the present sizes.
            self.width, self.height = max(((r.width, r.height) for r in self.rates.values()), default=(0, 0))
        return before != (self.expected_codec, self.width, self.height)

    def _measured(self, rates: Mapping[Layer, Rate]) -> None:
        self.rates = rates
        self.is_arriving = any(rate.bps and (rate.fps or self.kind is Kind.AUDIO) for rate in rates.values())

    def _rerank(self, moved: Mapping[int, int]) -> None:
        if self.requested is not None:
            on = {moved[rank]: is_on for rank, is_on in enumerate(self.requested.encodings)}
            self.requested = replace(self.requested, encodings=tuple(on[rank] for rank in sorted(on)))
        self.sizes = self.simulcast.sizes()

    def best(self, layer: Layer) -> Layer:
        """Returns the highest layer that arrives of this encoding up to this temporal layer. If nothing is known yet,
        its lowest."""
        arriving = (at for at in self.rates if at.spatial == layer.spatial and at.temporal <= layer.temporal)
        return max(arriving, default=Layer(layer.spatial, 0))

    def rate(self, layer: Layer) -> Rate:
        """Returns the rate of the best layer."""
        return self.rates.get(self.best(layer), Rate(0, 0, 0, 0.0))

    def picture(self, layer: Layer | None) -> Picture | None:
        """Returns the best layer as it arrives, or with its last size."""
        if layer is None:
            return None
        at, rate = self.best(layer), self.rate(layer)
        width, height = (rate.width, rate.height) if rate.width else self.sizes.get(at.spatial, (0, 0))
        return Picture(at, width, height, rate.fps, rate.bps)

    def encodings(self) -> tuple[EncodingInfo, ...]:
        result = []
        highest = max((layer.spatial for layer in self.rates), default=0)
        offered = self.simulcast.offered
        for spatial in range(max(len(offered), highest + 1)):
            bps, width, height, fps = self.rate(Layer(spatial, 255))
            place = self.simulcast.place(spatial)
            rid, wanted = offered[place] if place < len(offered) else "", self.is_wanted(spatial)
            result.append(EncodingInfo(rid, spatial, bps > 0, bps, width, height, fps, wanted, place))
        return tuple(result)

    def _spatial_layers(self) -> int:
        """Returns the number of spatial layers: simulcast encodings, or the layers seen in the packets of one
        stream."""
        if self.simulcast.is_several:
            return len(self.simulcast.offered)
        if self.codec in WITHOUT_SPATIAL:
            return 1
        seen = {*self.sizes, *(layer.spatial for layer in self.rates)}
        return max(seen) + 1 if seen else ladders.TOP_SPATIAL + 1
