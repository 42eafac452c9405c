//! The application's commands to the plane: plain data, valid by construction, with ids that the caller chose. A
//! command has no reply. A command about something already removed does nothing.

use std::net::SocketAddr;

use crate::codec::PayloadType;
use crate::id::{ChannelId, GroupId, LinkId, RoomId, SlotId, TrackId, TransportId};
use crate::layer::Ladder;
use crate::rtp::extension::ExtensionMap;
use crate::time::Duration;

/// One command of the application.
#[derive(Clone, Debug)]
pub enum Command {
    /// A participant is about to connect.
    AddTransport(TransportSpec),
    /// New credentials (RFC 8445 s9). The old pair stays in use until a check with the new ones nominates a pair.
    RestartIce {
        /// The transport.
        transport: TransportId,
        /// The new credentials.
        ice: IceCredentials,
    },
    /// Data channels were negotiated. Does nothing if it is repeated.
    OpenSctp {
        /// The transport.
        transport: TransportId,
        /// The negotiated parameters.
        spec: SctpSpec,
    },
    /// A participant is about to publish a track.
    AddTrack(TrackSpec),
    /// Changes a track. Its id and transport are the same as before; encodings whose RID or SSRC are unchanged keep
    /// their state.
    UpdateTrack(TrackSpec),
    /// Adds a receive section of a participant.
    AddSlot(SlotSpec),
    /// Sets the track that each of these slots shows. The numbers of a slot stay continuous.
    SetSource {
        /// The slots.
        slots: Vec<SlotId>,
        /// The track; none to show nothing.
        track: Option<TrackId>,
    },
    /// Sets the layers that each of these slots may show.
    SetTargets(Vec<(SlotId, Ladder)>),
    /// Sets what a participant would be sent if its network carried it: up to this its network is probed.
    SetDemand {
        /// The participant's transport.
        transport: TransportId,
        /// Bits per second, with all headers.
        bps: u64,
    },
    /// Mutes a track for all slots that show it, or ends that: while it is muted they forward nothing, whatever their
    /// ladders. Slots do not report this, because the application knows it.
    SetMuted {
        /// The track.
        track: TrackId,
        /// False: slots forward again, audio from the next packet on, video from the next keyframe on.
        muted: bool,
    },
    /// Sets how the sound of a room is forwarded.
    SetAudio(AudioPolicy),
    /// Requests keyframes of all encodings of the track, as soon as its publisher may be asked.
    RequestKeyframe(TrackId),
    /// Opens a data channel, or waits for the peer to open it.
    OpenChannel(ChannelSpec),
    /// Adds a group of channels that exchange messages. It exists until it is removed, even while it is empty.
    AddGroup {
        /// The caller's choice, never used before.
        id: GroupId,
        /// Messages carry an envelope: one byte n, n bytes that name the destination (empty: everybody; `server`: the
        /// server), then the payload. The plane replaces the destination by the sender's name. Without envelopes,
        /// messages are forwarded unchanged.
        enveloped: bool,
    },
    /// Adds the channel to this group, which gets its messages from now on. A channel is in at most one group, and
    /// leaves it when the channel closes.
    JoinGroup {
        /// A group of the same worker.
        group: GroupId,
        /// An open or awaited channel.
        channel: ChannelId,
        /// Replaces the channel's previous membership of the group.
        member: Member,
    },
    /// Sends one message from the server to several channels.
    Send {
        /// The receiving channels.
        channels: Vec<ChannelId>,
        /// The message.
        payload: Vec<u8>,
        /// The message is UTF-8 text (RFC 8831 s8).
        text: bool,
    },
    /// Captures the clear RTP and RTCP of a transport, in both directions, as a pcapng file: see `Event::Captured`. A
    /// worker has one capture at a time: this ends the one before.
    StartCapture {
        /// The transport.
        transport: TransportId,
        /// The capture ends after this many octets, at most `limits::CAPTURE_OCTETS`.
        octets: usize,
        /// The capture ends after this time, at most `limits::CAPTURE_TIME`.
        time: Duration,
    },
    /// Ends the capture of this transport, if there is one.
    StopCapture(TransportId),
    /// Removes a transport, track, slot, channel or group, and everything it owns.
    Remove(u64),
}

impl Command {
    /// Its name, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Command::AddTransport(_) => "add_transport",
            Command::RestartIce { .. } => "restart_ice",
            Command::OpenSctp { .. } => "open_sctp",
            Command::AddTrack(_) => "add_track",
            Command::UpdateTrack(_) => "update_track",
            Command::AddSlot(_) => "add_slot",
            Command::SetSource { .. } => "set_source",
            Command::SetTargets(_) => "set_targets",
            Command::SetDemand { .. } => "set_demand",
            Command::SetMuted { .. } => "set_muted",
            Command::SetAudio(_) => "set_audio",
            Command::RequestKeyframe(_) => "request_keyframe",
            Command::OpenChannel(_) => "open_channel",
            Command::AddGroup { .. } => "add_group",
            Command::JoinGroup { .. } => "join_group",
            Command::Send { .. } => "send",
            Command::StartCapture { .. } => "start_capture",
            Command::StopCapture(_) => "stop_capture",
            Command::Remove(_) => "remove",
        }
    }
}

/// The media kind of a track or a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Audio.
    Audio,
    /// Video.
    Video,
}

/// The parameters of a transport, known once its offer has been answered.
#[derive(Clone, Debug)]
pub struct TransportSpec {
    /// The caller's choice, never used before.
    pub id: TransportId,
    /// The ICE credentials of both ends.
    pub ice: IceCredentials,
    /// Our DTLS role.
    pub dtls_role: DtlsRole,
    /// The fingerprints of the peer's certificate. All of a supported hash must match, and there is at least one.
    pub fingerprints: Vec<Fingerprint>,
    /// RTCP CNAME (RFC 3550 s6.5.1) of everything sent on this transport.
    pub cname: String,
}

/// The credentials of one ICE session (RFC 8445 s5.3).
#[derive(Clone, Debug)]
pub struct IceCredentials {
    /// Our user fragment, unique among the transports of a worker.
    pub local_ufrag: String,
    /// Our password.
    pub local_pwd: String,
    /// The peer's user fragment.
    pub remote_ufrag: String,
    /// The peer's password.
    pub remote_pwd: String,
}

/// The DTLS role, which decides who starts the handshake (RFC 8842).
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

/// A certificate fingerprint (RFC 8122 s5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fingerprint {
    /// The hash function.
    pub hash: Hash,
    /// The hash of the certificate.
    pub digest: Vec<u8>,
}

/// The parameters of an SCTP association (RFC 8841).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SctpSpec {
    /// Our port.
    pub local_port: u16,
    /// The peer's port.
    pub remote_port: u16,
    /// Octets of the largest message that the peer accepts.
    pub max_message_size: u32,
}

/// The negotiated parameters of a track that a participant publishes.
#[derive(Clone, Debug)]
pub struct TrackSpec {
    /// The caller's choice, never used before.
    pub id: TrackId,
    /// The transport that owns it.
    pub transport: TransportId,
    /// Audio or video.
    pub kind: Kind,
    /// The MID of its m-section (RFC 8843).
    pub mid: String,
    /// The payload types that it may be sent with.
    pub payload_types: Vec<PayloadType>,
    /// The encodings in any order. The index is the layer's `spatial`.
    pub encodings: Vec<EncodingSpec>,
    /// The header extensions that were negotiated, by id.
    pub extensions: ExtensionMap,
    /// Parameter sets of H.264 and H.265 (NAL units) from SDP, each with its payload type.
    pub parameter_sets: Vec<(u8, Vec<u8>)>,
    /// The publisher retransmits the packets that a generic NACK names (RFC 4585).
    pub nack: bool,
    /// The publisher answers PLI (RFC 4585).
    pub pli: bool,
    /// The publisher answers FIR (RFC 5104), which is sent if it does not answer PLI.
    pub fir: bool,
    /// Pairs of an SSRC and the SSRC that repairs it (`a=ssrc-group:FID`, RFC 5576 s4.2), including streams that no
    /// encoding names.
    pub repairs: Vec<(u32, u32)>,
}

/// An encoding before its first packet: it has a RID, or SSRCs, or nothing (the only one of its MID).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EncodingSpec {
    /// The RID (RFC 8852).
    pub rid: Option<String>,
    /// The SSRC of its media.
    pub ssrc: Option<u32>,
    /// The SSRC of its retransmissions (RFC 4588).
    pub rtx_ssrc: Option<u32>,
}

/// The negotiated parameters of a section in which a participant receives.
#[derive(Clone, Debug)]
pub struct SlotSpec {
    /// The caller's choice, never used before.
    pub id: SlotId,
    /// The transport that owns it.
    pub transport: TransportId,
    /// Audio or video.
    pub kind: Kind,
    /// The MID of its m-section (RFC 8843).
    pub mid: String,
    /// The SSRC of everything that it shows.
    pub ssrc: u32,
    /// The SSRC of its retransmissions (RFC 4588).
    pub rtx_ssrc: Option<u32>,
    /// The subscriber's payload types. Several may have the same number, for formats that the subscriber decodes alike.
    pub payload_types: Vec<PayloadType>,
    /// The header extensions that were negotiated, by id.
    pub extensions: ExtensionMap,
}

/// How the sound of one room is forwarded. Replaces the room's previous policy. A track that no policy names is
/// forwarded unchanged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AudioPolicy {
    /// The caller's choice.
    pub room: RoomId,
    /// Only this many of `ranked`, the loudest ones, are forwarded at a time; 0: all of them.
    pub loudest: usize,
    /// The tracks whose loudness is compared.
    pub ranked: Vec<TrackId>,
    /// The ranked tracks that are forwarded however quiet they are.
    pub always: Vec<TrackId>,
    /// The number of packets that are copied into the one after them (RFC 2198), for slots that have `red`: 0 to 2.
    pub redundancy: u8,
    /// The tracks to which `redundancy` applies. End-to-end encrypted tracks must not be among them: a receiver would
    /// decrypt copies and packet as one.
    pub redundant: Vec<TrackId>,
}

/// Whether lost messages are retransmitted (RFC 8831 s6.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reliability {
    /// Messages are retransmitted until they arrive.
    Reliable,
    /// Messages are retransmitted at most this many times (RFC 8831 s6.4).
    Retransmits(u16),
    /// Messages are retransmitted for at most this many milliseconds.
    Lifetime(u16),
}

/// The parameters of a data channel.
#[derive(Clone, Debug)]
pub struct ChannelSpec {
    /// The caller's choice, never used before.
    pub id: ChannelId,
    /// None: the transport does not exist yet. Reliable messages sent meanwhile are kept, and are delivered when the
    /// same id is opened with a transport.
    pub transport: Option<TransportId>,
    /// The label (RFC 8832 s5.1).
    pub label: String,
    /// Its subprotocol; empty if there is none.
    pub protocol: String,
    /// Messages arrive in the order in which they were sent.
    pub ordered: bool,
    /// Whether lost messages are retransmitted.
    pub reliability: Reliability,
    /// The peer opens the channel: the first one that it opens with this label gets this id. Reliable messages sent to
    /// it before are kept for a while (2 s, 100 KB).
    pub remote: bool,
}

/// The membership of a channel in a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// The participant's name, which stands for a destination, and for the sender in the envelope. Several channels may
    /// share one.
    pub name: String,
    /// The other members get its messages. It gets theirs in any case.
    pub may_send: bool,
}

/// Where a datagram arrives and leaves: its link and its addresses. The socket layer keeps the local address of each
/// datagram, so that a host with several addresses answers from the one that was addressed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Path {
    /// What carries the datagrams.
    pub link: LinkId,
    /// Our address.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
}

impl Path {
    /// The path of a UDP datagram.
    pub const fn udp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { link: LinkId::UDP, local, remote }
    }
}
