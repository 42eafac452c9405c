//! What the application wants of the plane: plain data, valid by construction, with ids the caller chose.
//! A command has no reply. One about something already removed does nothing.

use std::net::SocketAddr;

use crate::codec::PayloadType;
use crate::id::{ChannelId, RoomId, SlotId, TrackId, TransportId};
use crate::layer::Ladder;
use crate::rtp::extension::ExtensionMap;

#[derive(Clone, Debug)]
pub enum Command {
    AddTransport(TransportSpec),
    /// New credentials (RFC 8445 s9). The old pair stays in use until a check with the new ones nominates a pair.
    RestartIce {
        transport: TransportId,
        ice: IceCredentials,
    },
    OpenSctp {
        transport: TransportId,
        spec: SctpSpec,
    },
    AddTrack(TrackSpec),
    /// The same id and transport as before; encodings whose RID or SSRC are unchanged keep their state.
    UpdateTrack(TrackSpec),
    AddSlot(SlotSpec),
    /// Which track the slot shows; its numbers stay continuous.
    SetSource {
        slot: SlotId,
        track: Option<TrackId>,
    },
    SetTargets(Vec<(SlotId, Ladder)>),
    SetAudio(AudioPolicy),
    RequestKeyframe(TrackId),
    OpenChannel(ChannelSpec),
    SetRoute {
        channel: ChannelId,
        route: Route,
    },
    /// From the server itself: one payload, fanned out.
    Send {
        channels: Vec<ChannelId>,
        payload: Vec<u8>,
        text: bool,
    },
    /// A transport, track, slot or channel, and all that hangs on it.
    Remove(u64),
}

/// Kind of media, of a track or a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Audio,
    Video,
}

#[derive(Clone, Debug)]
pub struct TransportSpec {
    pub id: TransportId,
    pub ice: IceCredentials,
    pub dtls_role: DtlsRole,
    /// Of the peer's certificate: all listed ones of a supported hash must match, and there is at least one.
    pub fingerprints: Vec<Fingerprint>,
    /// RTCP CNAME (RFC 3550 s6.5.1) of everything sent on this transport.
    pub cname: String,
}

#[derive(Clone, Debug)]
pub struct IceCredentials {
    pub local_ufrag: String,
    pub local_pwd: String,
    pub remote_ufrag: String,
    pub remote_pwd: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DtlsRole {
    /// `a=setup:passive`.
    Server,
    /// `a=setup:active`.
    Client,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// RFC 8122 s5.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fingerprint {
    pub hash: Hash,
    pub digest: Vec<u8>,
}

/// RFC 8841.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SctpSpec {
    pub local_port: u16,
    pub remote_port: u16,
    /// Octets of the largest message the peer takes.
    pub max_message_size: u32,
}

#[derive(Clone, Debug)]
pub struct TrackSpec {
    pub id: TrackId,
    pub transport: TransportId,
    pub kind: Kind,
    pub mid: String,
    pub payload_types: Vec<PayloadType>,
    /// In any order: the index is the layer's `spatial`.
    pub encodings: Vec<EncodingSpec>,
    pub extensions: ExtensionMap,
    /// Parameter sets of H.264 and H.265 (NAL units) that SDP told, with the payload type they are of.
    pub parameter_sets: Vec<(u8, Vec<u8>)>,
    /// The publisher retransmits what a generic NACK names (RFC 4585).
    pub nack: bool,
    /// The publisher answers PLI (RFC 4585), or else FIR (RFC 5104).
    pub pli: bool,
    pub fir: bool,
    /// SSRCs and what repairs each (`a=ssrc-group:FID`, RFC 5576 s4.2), also of streams that no encoding names.
    pub repairs: Vec<(u32, u32)>,
}

/// What is known of an encoding before its first packet: a RID, or its SSRCs, or nothing (the only one of its MID).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EncodingSpec {
    pub rid: Option<String>,
    pub ssrc: Option<u32>,
    pub rtx_ssrc: Option<u32>,
}

#[derive(Clone, Debug)]
pub struct SlotSpec {
    pub id: SlotId,
    pub transport: TransportId,
    pub kind: Kind,
    pub mid: String,
    pub ssrc: u32,
    pub rtx_ssrc: Option<u32>,
    /// Several may carry the same number, for formats the subscriber decodes alike.
    pub payload_types: Vec<PayloadType>,
    pub extensions: ExtensionMap,
}

/// How the sound of one room is forwarded. Replaces what was said of that room before; a track that is named by none is
/// forwarded as it comes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AudioPolicy {
    pub room: RoomId,
    /// Only the loudest so many of `ranked` are forwarded at a time; 0: all of them.
    pub loudest: usize,
    pub ranked: Vec<TrackId>,
    /// Of the ranked ones those that are forwarded however quiet they are.
    pub always: Vec<TrackId>,
    /// So many packets go along with the one after them (RFC 2198), to slots that have `red`: 0 to 2.
    pub redundancy: u8,
    /// The tracks for which that holds. What is encrypted end to end has no place in it: a receiver would decrypt copies
    /// and packet as one.
    pub redundant: Vec<TrackId>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reliability {
    Reliable,
    /// RFC 8831 s6.4: at most so many retransmissions.
    Retransmits(u16),
    /// At most so many milliseconds.
    Lifetime(u16),
}

#[derive(Clone, Debug)]
pub struct ChannelSpec {
    pub id: ChannelId,
    /// None: there is none yet. What is sent reliably meanwhile is kept; the same id opened with a transport gets it.
    pub transport: Option<TransportId>,
    pub label: String,
    pub protocol: String,
    pub ordered: bool,
    pub reliability: Reliability,
    /// The peer opens it: the first channel it opens with this label gets this id. What is sent to it before is kept
    /// for a while (2 s, 100 KB) if it is reliable.
    pub remote: bool,
}

/// Where a message that arrives on a channel goes. Never back to the channel it came from.
#[derive(Clone, Debug, Default)]
pub struct Route {
    /// With a sender, messages carry an envelope: one byte n, n bytes that name the destination (none: everybody;
    /// `server`: the server), then the payload. It leaves with this name in that place. Without, it is passed on as is.
    pub sender: Option<String>,
    /// The name a destination is called by in the envelope, and its channel.
    pub targets: Vec<(String, ChannelId)>,
    /// Messages without an envelope also become an event for the server.
    pub to_server: bool,
}

/// Where a datagram came from, or leaves: the socket layer keeps local addresses per datagram, so that a host with
/// several addresses answers from the one that was asked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Path {
    pub local: SocketAddr,
    pub remote: SocketAddr,
}
