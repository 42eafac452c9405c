//! The plane's events to the application. All except [`Event::Message`] and [`Event::Captured`] are state: the newest per key is enough.

use crate::id::{ChannelId, SlotId, TrackId, TransportId};
use crate::layer::Layer;
use crate::time::Duration;

/// A change, or the present state.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// The state of a transport changed.
    TransportState {
        /// The transport.
        transport: TransportId,
        /// Its new state.
        state: TransportState,
        /// The reason, as text for people.
        reason: &'static str,
    },
    /// The layers of a track that arrive. Sent once a second and when an encoding starts or stops.
    Layers {
        /// The track.
        track: TrackId,
        /// The codec of its last packet.
        codec: Option<crate::codec::Codec>,
        /// The layers that arrive.
        layers: Vec<LayerRate>,
        /// Its payload cannot be read, and no dependency descriptor shows keyframes: the shown layers do not change.
        encrypted: bool,
        /// The publisher ignores requests for keyframes.
        deaf: bool,
        /// SSRCs that arrived in its m-section lately and were ignored, because nothing distinguishes them from the
        /// stream that is used.
        surplus: Vec<u32>,
        /// Its keyframes arrived without parameter sets (H.264, H.265), and none are known: it stays black.
        lacks_parameters: bool,
        /// The share of its packets that did not arrive in the last five seconds, before retransmissions: 0 to 1.
        loss: f32,
        /// The round trip to its publisher, smoothed. None: not measured.
        round_trip: Option<crate::time::Duration>,
    },
    /// The layer that is forwarded through a slot, its track, and the cause of the change. No layer: nothing is
    /// forwarded.
    Switched {
        /// The slot.
        slot: SlotId,
        /// Its source.
        track: Option<TrackId>,
        /// The layer, numbered by the encodings in the track's spec.
        layer: Option<Layer>,
        /// Why no better layer is forwarded.
        cause: Cause,
    },
    /// The slot cannot show its source: the subscriber has no payload type for the codec.
    Refused {
        /// The slot.
        slot: SlotId,
        /// Its source.
        track: Option<TrackId>,
        /// The reason, as text for people.
        reason: &'static str,
    },
    /// The tracks with sound in the last 100 ms, each with its level in -dBov in each 20 ms, oldest first: 0 is the
    /// loudest, 127 silence (RFC 6464), 255 if nothing arrived.
    AudioLevels(Vec<(TrackId, [u8; 5])>),
    /// What the network to a peer carries, by transport-wide feedback. Sent when it moved, at most every 100 ms, and at
    /// least every 2 s while it moves.
    Estimate {
        /// The transport.
        transport: TransportId,
        /// What is known.
        network: Network,
    },
    /// A data channel opened, or closed for good.
    ChannelState {
        /// The transport.
        transport: TransportId,
        /// The channel.
        channel: ChannelId,
        /// Its new state.
        state: ChannelState,
        /// The label that it was opened with.
        label: String,
        /// Its subprotocol; empty if there is none.
        protocol: String,
        /// The reason, as text for people.
        reason: &'static str,
    },
    /// A message for the server. Includes the channel's transport, because messages for the server are limited per
    /// transport.
    Message {
        /// The transport.
        transport: TransportId,
        /// The channel.
        channel: ChannelId,
        /// The message.
        payload: Vec<u8>,
        /// The message is UTF-8 text (RFC 8831 s8).
        text: bool,
    },
    /// A piece of a capture. The pieces in their order are the file.
    Captured {
        /// The transport; none if all are captured.
        transport: Option<TransportId>,
        /// The octets of this piece.
        octets: Vec<u8>,
        /// Why the capture ended, as text for people. None: more pieces follow.
        ended: Option<&'static str>,
    },
    /// The octets queued for the peer of a channel rose above, or fell below, half of the limit.
    Buffered {
        /// The channel.
        channel: ChannelId,
        /// The queued octets.
        octets: usize,
    },
}

/// Whether the peer is connected.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TransportState {
    /// DTLS is connected, and packets arrive from the peer.
    Connected,
    /// The peer was silent for too long. Nothing is sent until a packet arrives from it.
    Disconnected,
    /// The transport failed for good: DTLS failed, or an invariant of this transport is broken.
    Failed,
    /// The peer closed the connection (close_notify).
    Closed,
}

/// What is known of the network to a peer.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Network {
    /// What it carries, bit/s.
    pub estimate: u64,
    /// What may be sent for now, bit/s: less than the estimate while its queue drains.
    pub budget: u64,
    /// What arrives, bit/s. None: too little was sent to tell.
    pub throughput: Option<u64>,
    /// How long packets stand in its queue.
    pub queue: Duration,
    /// The share of octets that it loses, 0 to 1.
    pub loss: f64,
    /// The loss limits the estimate, and not the delay.
    pub is_loss_limited: bool,
    /// The round trip of packets and feedback.
    pub round_trip: Duration,
    /// Feedback stopped while packets leave: video is stopped.
    pub is_silent: bool,
}

/// The rate at which a layer arrives.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LayerRate {
    /// The layer.
    pub layer: Layer,
    /// Bits per second of this layer and those it needs, RTP payload only.
    pub bps: u64,
    /// Pixels; zero if unknown.
    pub width: u16,
    /// Pixels; zero if unknown.
    pub height: u16,
    /// Frames per second.
    pub fps: f32,
}

/// Why a slot forwards no better layer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cause {
    /// The best rung is forwarded.
    None,
    /// The slot has no target or no source.
    Paused,
    /// The publisher sends no better rung.
    Publisher,
    /// A better rung arrives, and its keyframe is awaited.
    WaitingForKeyframe,
    /// Nothing is forwarded: packets were lost for good, and a keyframe is awaited.
    Loss,
    /// The shown layers do not change, because keyframes cannot be recognised.
    Encrypted,
}

/// Whether a data channel carries messages.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ChannelState {
    /// The channel carries messages.
    Open,
    /// The channel is closed.
    Closed,
}
