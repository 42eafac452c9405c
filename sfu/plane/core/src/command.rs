//! What the application wants of the plane: plain data, valid by construction, with ids the caller chose.
//! A command has no reply. One about something already removed does nothing.

use std::net::SocketAddr;

use crate::codec::PayloadType;
use crate::id::{ChannelId, GroupId, RoomId, SlotId, TrackId, TransportId};
use crate::layer::Ladder;
use crate::rtp::extension::ExtensionMap;

/// One thing that the application wants.
#[derive(Clone, Debug)]
pub enum Command {
    /// A participant is about to connect.
    AddTransport(TransportSpec),
    /// New credentials (RFC 8445 s9). The old pair stays in use until a check with the new ones nominates a pair.
    RestartIce {
        /// The transport that it is about.
        transport: TransportId,
        /// The new ones.
        ice: IceCredentials,
    },
    /// Data channels were negotiated. A second time it does nothing.
    OpenSctp {
        /// The transport that it is about.
        transport: TransportId,
        /// What was negotiated of them.
        spec: SctpSpec,
    },
    /// A participant is about to publish a track.
    AddTrack(TrackSpec),
    /// The same id and transport as before; encodings whose RID or SSRC are unchanged keep their state.
    UpdateTrack(TrackSpec),
    /// A receive section of a participant.
    AddSlot(SlotSpec),
    /// Which track the slot shows; its numbers stay continuous.
    SetSource {
        /// The slot that it is about.
        slot: SlotId,
        /// None: nothing.
        track: Option<TrackId>,
    },
    /// Which layers each of these slots may show.
    SetTargets(Vec<(SlotId, Ladder)>),
    /// How the sound of a room is forwarded.
    SetAudio(AudioPolicy),
    /// Of all encodings of the track, as soon as its publisher may be asked.
    RequestKeyframe(TrackId),
    /// Opens a data channel, or awaits one.
    OpenChannel(ChannelSpec),
    /// Channels that reach one another. It stays until it is removed, also while it is empty.
    AddGroup {
        /// The caller's choice, never used before.
        id: GroupId,
        /// Messages carry an envelope: one byte n, n bytes that name the destination (none: everybody; `server`: the server),
        /// then the payload. It leaves with the sender's name in that place. Without, messages are passed on as they are.
        enveloped: bool,
    },
    /// The channel's messages go to this group from now on; a channel is in one at most. It leaves with its end.
    JoinGroup {
        /// Of the same worker.
        group: GroupId,
        /// Open, or awaited.
        channel: ChannelId,
        /// Replaces what it was in the group before.
        member: Member,
    },
    /// From the server itself: one payload, fanned out.
    Send {
        /// To each of them.
        channels: Vec<ChannelId>,
        /// The message.
        payload: Vec<u8>,
        /// It is UTF-8 text (RFC 8831 s8).
        text: bool,
    },
    /// A transport, track, slot, channel or group, and all that hangs on it.
    Remove(u64),
}

/// Kind of media, of a track or a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

/// What is known of a transport when its offer has been answered.
#[derive(Clone, Debug)]
pub struct TransportSpec {
    /// The caller's choice, never used before.
    pub id: TransportId,
    /// Of both ends.
    pub ice: IceCredentials,
    /// Ours.
    pub dtls_role: DtlsRole,
    /// Of the peer's certificate: all listed ones of a supported hash must match, and there is at least one.
    pub fingerprints: Vec<Fingerprint>,
    /// RTCP CNAME (RFC 3550 s6.5.1) of everything sent on this transport.
    pub cname: String,
}

/// Of one ICE session (RFC 8445 s5.3).
#[derive(Clone, Debug)]
pub struct IceCredentials {
    /// Ours, unique among the transports of a worker.
    pub local_ufrag: String,
    /// Ours.
    pub local_pwd: String,
    /// The peer's.
    pub remote_ufrag: String,
    /// The peer's.
    pub remote_pwd: String,
}

/// Who begins the handshake (RFC 8842).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DtlsRole {
    /// `a=setup:passive`.
    Server,
    /// `a=setup:active`.
    Client,
}

/// The hash function of a fingerprint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hash {
    /// SHA-256, 32 octets.
    Sha256,
    /// SHA-384, 48 octets.
    Sha384,
    /// SHA-512, 64 octets.
    Sha512,
}

/// RFC 8122 s5.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fingerprint {
    /// The function.
    pub hash: Hash,
    /// Its value of the certificate.
    pub digest: Vec<u8>,
}

/// RFC 8841.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SctpSpec {
    /// Ours.
    pub local_port: u16,
    /// The peer's.
    pub remote_port: u16,
    /// Octets of the largest message the peer takes.
    pub max_message_size: u32,
}

/// What was negotiated of a track that a participant publishes.
#[derive(Clone, Debug)]
pub struct TrackSpec {
    /// The caller's choice, never used before.
    pub id: TrackId,
    /// The transport that it belongs to.
    pub transport: TransportId,
    /// Sound or pictures.
    pub kind: Kind,
    /// Of its m-section (RFC 8843).
    pub mid: String,
    /// Those that it may be sent with.
    pub payload_types: Vec<PayloadType>,
    /// In any order: the index is the layer's `spatial`.
    pub encodings: Vec<EncodingSpec>,
    /// The header extensions that were negotiated, by id.
    pub extensions: ExtensionMap,
    /// Parameter sets of H.264 and H.265 (NAL units) that SDP told, with the payload type they are of.
    pub parameter_sets: Vec<(u8, Vec<u8>)>,
    /// The publisher retransmits what a generic NACK names (RFC 4585).
    pub nack: bool,
    /// The publisher answers PLI (RFC 4585), or else FIR (RFC 5104).
    pub pli: bool,
    /// The publisher answers FIR.
    pub fir: bool,
    /// SSRCs and what repairs each (`a=ssrc-group:FID`, RFC 5576 s4.2), also of streams that no encoding names.
    pub repairs: Vec<(u32, u32)>,
}

/// What is known of an encoding before its first packet: a RID, or its SSRCs, or nothing (the only one of its MID).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EncodingSpec {
    /// RFC 8852.
    pub rid: Option<String>,
    /// Of its media.
    pub ssrc: Option<u32>,
    /// Of its retransmissions (RFC 4588).
    pub rtx_ssrc: Option<u32>,
}

/// What was negotiated of a section in which a participant receives.
#[derive(Clone, Debug)]
pub struct SlotSpec {
    /// The caller's choice, never used before.
    pub id: SlotId,
    /// The transport that it belongs to.
    pub transport: TransportId,
    /// Sound or pictures.
    pub kind: Kind,
    /// Of its m-section (RFC 8843).
    pub mid: String,
    /// Everything that it shows leaves under this one.
    pub ssrc: u32,
    /// Of its retransmissions (RFC 4588).
    pub rtx_ssrc: Option<u32>,
    /// Several may carry the same number, for formats the subscriber decodes alike.
    pub payload_types: Vec<PayloadType>,
    /// The header extensions that were negotiated, by id.
    pub extensions: ExtensionMap,
}

/// How the sound of one room is forwarded. Replaces what was said of that room before; a track that is named by none is
/// forwarded as it comes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AudioPolicy {
    /// The caller's choice.
    pub room: RoomId,
    /// Only the loudest so many of `ranked` are forwarded at a time; 0: all of them.
    pub loudest: usize,
    /// Those that are compared.
    pub ranked: Vec<TrackId>,
    /// Of the ranked ones those that are forwarded however quiet they are.
    pub always: Vec<TrackId>,
    /// So many packets go along with the one after them (RFC 2198), to slots that have `red`: 0 to 2.
    pub redundancy: u8,
    /// The tracks for which that holds. What is encrypted end to end has no place in it: a receiver would decrypt copies
    /// and packet as one.
    pub redundant: Vec<TrackId>,
}

/// Whether lost messages are sent again (RFC 8831 s6.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reliability {
    /// Until they arrive.
    Reliable,
    /// RFC 8831 s6.4: at most so many retransmissions.
    Retransmits(u16),
    /// At most so many milliseconds.
    Lifetime(u16),
}

/// What is known of a data channel.
#[derive(Clone, Debug)]
pub struct ChannelSpec {
    /// The caller's choice, never used before.
    pub id: ChannelId,
    /// None: there is none yet. What is sent reliably meanwhile is kept; the same id opened with a transport gets it.
    pub transport: Option<TransportId>,
    /// RFC 8832 s5.1.
    pub label: String,
    /// Its subprotocol; empty if there is none.
    pub protocol: String,
    /// Messages arrive in the order in which they were sent.
    pub ordered: bool,
    /// Whether lost messages are sent again.
    pub reliability: Reliability,
    /// The peer opens it: the first channel it opens with this label gets this id. What is sent to it before is kept
    /// for a while (2 s, 100 KB) if it is reliable.
    pub remote: bool,
}

/// A channel in a group, as the others see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Of the participant: it names a destination, and the sender in the envelope. Channels may share one.
    pub name: String,
    /// Its messages reach the others; those of the others reach it in any case.
    pub may_send: bool,
}

/// Where a datagram came from, or leaves: the socket layer keeps local addresses per datagram, so that a host with
/// several addresses answers from the one that was asked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Path {
    /// Ours.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
}
