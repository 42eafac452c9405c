//! What the plane tells the application. All but [`Event::Message`] are state: the newest per key is enough.

use crate::id::{ChannelId, SlotId, TrackId, TransportId};
use crate::layer::Layer;

/// What happened, or how things are now.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A transport has another state.
    TransportState {
        /// The transport that it is about.
        transport: TransportId,
        /// Its state from now on.
        state: TransportState,
        /// Why, for people.
        reason: &'static str,
    },
    /// What really arrives of a track, once a second and when an encoding starts or stops.
    Layers {
        /// The track that it is about.
        track: TrackId,
        /// That of its last packet.
        codec: Option<crate::codec::Codec>,
        /// Those that flow.
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
        /// The slot that it is about.
        slot: SlotId,
        /// Its source.
        track: Option<TrackId>,
        /// By the encodings as the track's spec lists them.
        layer: Option<Layer>,
        /// Why it is no better one.
        cause: Cause,
    },
    /// The slot cannot show its source: the subscriber has no payload type for the codec.
    Refused {
        /// The slot that it is about.
        slot: SlotId,
        /// Its source.
        track: Option<TrackId>,
        /// Why, for people.
        reason: &'static str,
    },
    /// Tracks heard in the last 100 ms, with their level in -dBov in each 20 ms of it, oldest first: 0 is the loudest, 127
    /// silence (RFC 6464), 255 where nothing came.
    AudioLevels(Vec<(TrackId, [u8; 5])>),
    /// A data channel is open, or is closed for good.
    ChannelState {
        /// The transport that it is about.
        transport: TransportId,
        /// The channel that it is about.
        channel: ChannelId,
        /// Its state from now on.
        state: ChannelState,
        /// The label that it was opened with.
        label: String,
        /// Its subprotocol; empty if there is none.
        protocol: String,
        /// Why, for people.
        reason: &'static str,
    },
    /// The transport is that of the channel: messages for the server are bounded per transport.
    Message {
        /// The transport that it is about.
        transport: TransportId,
        /// The channel that it is about.
        channel: ChannelId,
        /// The message.
        payload: Vec<u8>,
        /// It is UTF-8 text (RFC 8831 s8).
        text: bool,
    },
    /// Octets queued towards the peer of a channel rose over, or fell under, half of what is allowed.
    Buffered {
        /// The channel that it is about.
        channel: ChannelId,
        /// So many are queued.
        octets: usize,
    },
}

/// Whether there is somebody at the other end.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TransportState {
    /// DTLS is up, and the peer is heard.
    Connected,
    /// Silent for too long: nothing more is sent until it is heard again.
    Disconnected,
    /// For good: DTLS failed, or an invariant of this transport is broken.
    Failed,
    /// The peer said goodbye (close_notify).
    Closed,
}

/// How much arrives of a layer.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LayerRate {
    /// Which one.
    pub layer: Layer,
    /// Bits per second of this layer and those it needs, RTP payload only.
    pub bps: u64,
    /// Pixels; zero where not known.
    pub width: u16,
    /// Pixels; zero where not known.
    pub height: u16,
    /// Frames per second.
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

/// Whether messages can pass.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ChannelState {
    /// They can.
    Open,
    /// They cannot any more.
    Closed,
}
