//! What the plane tells the application. All but [`Event::Message`] are state: the newest per key is enough.

use crate::id::{ChannelId, SlotId, TrackId, TransportId};
use crate::layer::Layer;

#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    TransportState {
        transport: TransportId,
        state: TransportState,
        reason: &'static str,
    },
    /// What really arrives of a track, once a second and when an encoding starts or stops.
    Layers {
        track: TrackId,
        codec: Option<crate::codec::Codec>,
        layers: Vec<LayerRate>,
        /// Its payload cannot be read, and no descriptor tells keyframes: layers stay as they are.
        encrypted: bool,
        /// The publisher ignores requests for keyframes.
        deaf: bool,
        /// SSRCs that came in its m-section of late and were not taken: nothing tells them apart from the stream that is.
        surplus: Vec<u32>,
        /// Its keyframes came without parameter sets (H.264, H.265), and nobody knows any: it stays black.
        lacks_parameters: bool,
    },
    /// What really leaves through a slot, of which track, and why it changed; no layer: nothing does.
    Switched {
        slot: SlotId,
        track: Option<TrackId>,
        layer: Option<Layer>,
        cause: Cause,
    },
    /// The slot cannot show its source: the subscriber has no payload type for the codec.
    Refused {
        slot: SlotId,
        track: Option<TrackId>,
        reason: &'static str,
    },
    /// Tracks heard in the last 100 ms, with their level in -dBov in each 20 ms of it, oldest first: 0 is the loudest, 127
    /// silence (RFC 6464), 255 where nothing came.
    AudioLevels(Vec<(TrackId, [u8; 5])>),
    ChannelState {
        transport: TransportId,
        channel: ChannelId,
        state: ChannelState,
        label: String,
        protocol: String,
        reason: &'static str,
    },
    /// The transport is that of the channel: messages for the server are bounded per transport.
    Message {
        transport: TransportId,
        channel: ChannelId,
        payload: Vec<u8>,
        text: bool,
    },
    /// Octets queued towards the peer of a channel rose over, or fell under, half of what is allowed.
    Buffered {
        channel: ChannelId,
        octets: usize,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TransportState {
    Connected,
    /// Silent for too long: nothing more is sent until it is heard again.
    Disconnected,
    /// For good: DTLS failed, or an invariant of this transport is broken.
    Failed,
    /// The peer said goodbye (close_notify).
    Closed,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LayerRate {
    pub layer: Layer,
    /// Bits per second of this layer and those it needs, RTP payload only.
    pub bps: u64,
    /// Pixels; zero where not known.
    pub width: u16,
    pub height: u16,
    pub fps: f32,
}

/// Why nothing better leaves through a slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cause {
    /// The best rung does.
    None,
    /// No target, or no source.
    Paused,
    /// Its publisher does not send a better rung.
    Publisher,
    /// A better rung arrives; its keyframe is awaited.
    WaitingForKeyframe,
    /// Nothing does: packets were lost for good, and a keyframe is awaited.
    Loss,
    /// Layers stay as they are, because keyframes cannot be recognised.
    Encrypted,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ChannelState {
    Open,
    Closed,
}
