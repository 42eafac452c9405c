"""Events are plain values, distinguished by `match`."""

from sfu.plane import (
    AudioLevels,
    Buffered,
    Captured,
    ChannelState,
    Event,
    Layer,
    LayerRate,
    Layers,
    Message,
    Refused,
    Switched,
    TraceLine,
    TransportState,
    WorkerFailed,
)

EVENTS: list[Event] = [
    TransportState(1, "connected", ""),
    Layers(2, "vp8", [LayerRate(Layer(0, 2), 150_000, 320, 180, 30.0)], False, True, lacks_parameters=False),
    Switched(3, 2, Layer(0, 2), "none"),
    Switched(3, None, None, "paused"),
    Refused(3, 2, "no payload type"),
    AudioLevels([(2, b"\x1e\x1f\x20\x7f\xff")]),
    ChannelState(1, 4, "open", "chat", "", ""),
    Message(4, b"hello", True),
    Buffered(4, 9),
    Captured(1, b"a piece", None),
    TraceLine("info", "ice", "path nominated"),
    WorkerFailed(0, "a reason"),
]


def told(event: Event) -> tuple[object, ...]:
    match event:
        case TransportState(transport, state, reason):
            return transport, state, reason
        case Layers(track, codec, [LayerRate(Layer(spatial, temporal), bps, width, height, fps)], encrypted, deaf):
            return track, codec, spatial, temporal, bps, width, height, fps, encrypted, deaf
        case Switched(slot, _, Layer(spatial=spatial), cause):
            return slot, spatial, cause
        case Switched(slot, _, None, cause):
            return slot, None, cause
        case Refused(slot, _, reason):
            return slot, reason
        case AudioLevels(levels):
            return tuple(levels)
        case ChannelState(transport, channel, state, label, protocol, reason):
            return transport, channel, state, label, protocol, reason
        case Message(channel, payload, text):
            return channel, payload, text
        case Buffered(channel, octets):
            return channel, octets
        case Captured(transport, octets, ended):
            return transport, octets, ended
        case TraceLine(level, target, text):
            return level, target, text
        case WorkerFailed(worker, reason):
            return worker, reason
        case _:
            raise AssertionError(event)


def test_every_event_is_matched_by_position() -> None:
    assert [told(event) for event in EVENTS] == [
        (1, "connected", ""),
        (2, "vp8", 0, 2, 150_000, 320, 180, 30.0, False, True),
        (3, 0, "none"),
        (3, None, "paused"),
        (3, "no payload type"),
        ((2, b"\x1e\x1f\x20\x7f\xff"),),
        (1, 4, "open", "chat", "", ""),
        (4, b"hello", True),
        (4, 9),
        (1, b"a piece", None),
        ("info", "ice", "path nominated"),
        (0, "a reason"),
    ]


def test_events_compare_and_show_their_fields() -> None:
    assert Message(4, b"hello", True) == Message(4, b"hello", True) != Message(4, b"hello", False)
    assert repr(Switched(3, 2, Layer(0, 2), "none")) == (
        "Switched(slot=3, track=2, layer=Layer(spatial=0, temporal=2), cause='none')"
    )
    assert repr(Message(4, b"hello", True)) == "Message(channel=4, payload=b'hello', text=True)"
