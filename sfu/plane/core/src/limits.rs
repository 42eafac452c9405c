//! Every bound on what a peer may make us keep, do or send, in one table, so that no two contradict each other.
//!
//! Each row has its value, the reason for it and its source. Values that an operator sets are in [`crate::config`];
//! values that only concern time or quality stay beside their use. The tests at the end check how the values depend on
//! each other.

use crate::time::{Duration, ms};

// ---- One datagram ----

/// Octets of UDP payload of the datagrams that we make ourselves: STUN, DTLS, SCTP in DTLS, RTCP, padding and
/// redundancy. This fits every path that carries WebRTC. libwebrtc: media_constants.cc, kVideoMtu.
pub const DATAGRAM: usize = 1_200;

/// Octets of UDP payload of any datagram that we read or send. An MTU of 1,500 plus our own overhead never reaches it.
pub const ANY_DATAGRAM: usize = 2_048;

/// Octets that SRTCP adds to a compound: its index and the longest tag (RFC 3711 s3.4, RFC 7714 s9).
pub const SRTCP_OVERHEAD: usize = 4 + 16;

/// Octets of an RTCP compound in clear.
pub const COMPOUND: usize = DATAGRAM - SRTCP_OVERHEAD;

/// Octets that a DTLS record adds to its content: header 13, and by the longest cipher suite 16 of nonce, 32 of
/// authentication and 16 of padding (RFC 6347 s4.1, RFC 5246 s6.2.3.2). AES-GCM, which browsers negotiate, adds 37.
pub const DTLS_RECORD: usize = 80;

/// Octets of an SCTP packet. RFC 8261 s5: a multiple of four that fits the path with its record.
pub const SCTP_PACKET: usize = DATAGRAM - DTLS_RECORD;

// ---- Contents of one datagram ----

/// Statuses of a transport-wide feedback. Beyond half the number space, new numbers could not be distinguished from old
/// ones. libwebrtc: transport_feedback.cc accepts as many as the field counts.
pub const FEEDBACK_STATUSES: u16 = 1 << 15;

// ---- Packets that we send by ourselves ----

/// Packets that one round of NACKs requests from a publisher, of all its encodings together: as many as libwebrtc
/// requests of one (nack_requester.cc, kMaxNackPackets). The others are requested a round trip later.
pub const REQUESTED_AT_ONCE: usize = 1_000;

/// Entries of lists of missing packets that one round of NACKs to a publisher reads before it pauses: eight full lists.
/// The track that exceeds it is finished; the next turn goes on with the track after it.
pub const MISSING_READ_AT_ONCE: usize = 8 * MISSING_PACKETS;

/// Octets a second of reports to one peer: those of 256 slots and 512 encodings twice.
pub const REPORTS_PER_SECOND: usize = 64 * 1024;

/// Octets a second of NACKs, keyframe requests and transport-wide feedback to one peer, in addition to as many as it
/// sent.
pub const FEEDBACK_PER_SECOND: usize = 64 * 1024;

/// Octets a second of DTLS handshake to one peer: five flights of 2.4 kB in the first second of doubling waits.
pub const HANDSHAKE_PER_SECOND: usize = 16 * 1024;

/// Octets of media, RTCP and SCTP to an unproven address: the first packets of a client that moved and was nominated
/// there may arrive a little later.
pub const UNPROVEN_MEDIA: usize = 20_000;

/// Octets that may be retransmitted to a peer at once, in addition to those of its last second: 0.4 s of a camera at
/// 1.5 Mbit/s.
pub const REPAIR_BURST: usize = 72 * 1024;

/// Octets that may be retransmitted to a peer at once, whatever it was sent: half a second of 8 Mbit/s.
pub const REPAIRS_AT_ONCE: usize = 512 * 1024;

/// Octets of cached packets since keyframes that may be sent to one peer at once, however many of its pictures start
/// again: 1.7 s of the assumed 10 Mbit/s. A picture beyond that starts at the next keyframe.
pub const STARTS_AT_ONCE: usize = 2 << 20;

/// The same octets per second: those 10 Mbit/s.
pub const STARTS_PER_SECOND: usize = 1_250_000;

/// Packets of one picture that starts in this way: if they are reordered, none may fall out of the peer's replay window
/// of 1,024 (RFC 3711 s3.3.2). 4 s at 2.3 Mbit/s.
pub const START_PACKETS: usize = 960;

/// Octets of one cluster of probes: 20 ms of 20 Mbit/s.
pub const PROBE_OCTETS: u64 = 50_000;

/// One octet may be retransmitted for this many octets sent for the first time: 33 % of loss needs as much. libwebrtc:
/// rtp_sender_egress.cc and rate_limiter.h limit retransmissions to the estimated bit rate.
pub const REPAIR_SHARE: usize = 2;

/// RTCP compounds that wait to be sent to one peer. The reports of 256 slots and 512 encodings are 26. Beyond the
/// limit, new ones are dropped: they are made again.
pub const COMPOUNDS_WAITING: usize = 64;

/// Transport-wide feedbacks about the packets that arrived since the last time: 4,800 packets. Arrivals beyond that are
/// not reported.
pub const FEEDBACKS_AT_ONCE: usize = 16;

/// Octets that one received datagram makes us send to any one peer at most, in addition to forwarded media: all cached
/// packets for pictures that start again, all repairs, and all RTCP, STUN and DTLS that may wait. A test adds them up.
pub const CAUSED_AT_ONCE: usize = 3 << 20;

// ---- Work of one datagram, in steps ----

/// Packets that the NACKs in one datagram can name: each is looked up once.
pub const NAMED: usize = ANY_DATAGRAM / 4 * 17;

/// Steps of one datagram, in addition to those of its forwarding: the packets it names, the pictures that start again,
/// the encodings and slots of its sender. A step is an entry of a list that is read; most datagrams take one for each
/// subscriber. Lists of missing packets are processed by time, each at most every 20 ms, whatever arrives.
pub const STEPS_PER_DATAGRAM: usize = 1 << 16;

/// Steps for each slot that shows the datagram's track: the packet itself, the packets that waited for it, and those
/// from the last keyframe to now.
pub const STEPS_PER_SLOT: usize = 1 + CACHED_VIDEO + STARTS_AT_ONCE / MEDIA_OVERHEAD;

// ---- Work of expired timers, in steps ----

/// The timers that one thing may have.
const TIMERS: usize = 16;

/// Steps of the expired timers of one transport: the arrivals that it is told of, two rounds of NACKs with the last
/// track of each, and each timer.
pub const TIMER_STEPS_PER_TRANSPORT: usize =
    FEEDBACKS_AT_ONCE * STATUSES_REPORTED + 2 * (MISSING_READ_AT_ONCE + SDP_ENCODINGS * MISSING_PACKETS) + 2 * TIMERS;

/// The same for each track: its encodings, and each timer.
pub const TIMER_STEPS_PER_TRACK: usize = SDP_ENCODINGS * 3 + 2 * TIMERS;

/// The same for each slot, in addition to the packets with which it starts.
pub const TIMER_STEPS_PER_SLOT: usize = 4 + STEPS_PER_SLOT;

/// Octets of header, extensions and tag beside a payload, as budgets of octets count them.
pub const MEDIA_OVERHEAD: usize = 60;

// ---- The assumed round trip ----

/// The least round trip to a peer that has reported none, or of which none was measured. libwebrtc: nack_requester.cc,
/// kDefaultRtt.
pub const UNMEASURED_ROUND_TRIP: Duration = ms(100);

// ---- Limits for an unproven address ----

/// Octets that may be sent to it for each octet that came from it: responses to checks, our own requests, handshakes.
/// RFC 9000 s8.1.
pub const AMPLIFICATION: usize = 3;

/// Transmissions of one of our Binding requests. RFC 8489 s6.2.1, Rc.
pub const PATH_REQUESTS: u8 = 7;

/// Our Binding requests to a peer that measure the round trip and are not answered yet. The fourth is sent 4 s after the
/// first, and no round trip takes as long.
pub const MEASURING_REQUESTS: usize = 4;

/// Octets of media of one trial of a path, without the last datagram, when the old path has been silent for a second: 4
/// s of audio at 32 kbit/s, for clients that send nothing before the next report is due.
pub const PATH_TRIAL: usize = UNPROVEN_MEDIA - ANY_DATAGRAM;

/// The least interval between trials of a peer's paths. Otherwise it could direct media at ever new strangers: 16
/// kbit/s.
pub const BETWEEN_PATH_TRIALS: Duration = ms(10_000);

/// Octets of a picture for a peer that keeps its path alive but sends nothing that proves consent: a keyframe.
pub const PICTURE_TRIAL: usize = 64_000;

// ---- TCP connections ----

/// Octets of the first frame of a TCP connection, a connectivity check. It has no more than an Ethernet frame.
pub const FIRST_FRAME: usize = 1_500;

/// The time until that frame is complete: a lost packet is sent again after 1 s (RFC 6298 s2.1).
pub const FIRST_FRAME_TIME: Duration = ms(2_000);

/// TCP connections of the process without that frame. Beyond the limit the oldest are closed: a client sends its check
/// at once.
pub const PENDING_LINKS: usize = 256;

/// TCP connections of the process with that frame. Browsers keep one for each pair of addresses, whether or not UDP
/// works. `sfu/limits.py` has the same.
pub const LINKS: usize = 8_192;

/// Octets that wait for a TCP connection, beside those in the kernel. Media takes no more than 100 ms of the assumed
/// rate; audio, reports and checks may exceed that, and are dropped beyond this limit.
pub const LINK_QUEUE: usize = 64 * 1024;

/// How long media may wait for a TCP connection. Then video is dropped until the next keyframe.
pub const LINK_WAIT: Duration = ms(500);

/// How long video is not sent after that. Otherwise a peer that reads slowly, or not at all, could make publishers send
/// keyframes all the time.
pub const LINK_REST: Duration = ms(2_000);

// ---- Memory of one transport ----

/// Tracks that one participant publishes at a time. `sfu/limits.py` has the same.
pub const TRACKS: usize = 64;

/// Encodings of a track: browsers send three. `sfu/limits.py` has the same.
pub const SDP_ENCODINGS: usize = 8;

/// Receive sections of each kind that one participant offers. `sfu/limits.py` has the same.
pub const SLOTS: usize = 128;

/// SSRCs that one peer sends with at a time: every encoding and its retransmissions (RFC 4588). SRTP keeps a replay
/// window for each. State is made only for authenticated packets. For as many SSRCs that are no longer used, the
/// highest index is kept. 190 KB.
pub const SSRCS: usize = TRACKS * SDP_ENCODINGS * 2;

/// SSRCs of ours that a peer no longer gets. They must not be used again with its keys: 160 KB. A session that gets a
/// new receive section once a second reaches the limit after four hours, and must reconnect.
pub const RETIRED_SSRCS: usize = 1 << 14;

/// Octets of cached packets that one participant publishes: for retransmissions (1 s), and from the last keyframe to
/// now. A camera with three encodings beside a screen takes 3 to 8 MB; 32 packets of each encoding that one participant
/// may have fit, too.
pub const KEPT_PER_TRANSPORT: usize = 32 << 20;

/// The same of all participants of a worker: 160 cameras. Beyond it, the participant with most loses packets first.
pub const KEPT_PER_WORKER: usize = 512 << 20;

/// SSRCs that repair others by a track's FID lines: Plan B had one section for all cameras of a room.
pub const SDP_REPAIRS: usize = 64;

/// SSRCs of one track that are reported as surplus because another stream of the encoding is used. Plan B had one for
/// each camera of a room in its one section.
pub const SURPLUS_SSRCS: usize = 8;

/// Paths that connectivity checks have validated: three interfaces of a phone, several NAT bindings of each.
pub const VALID_PATHS: usize = 16;

/// STUN and DTLS datagrams that wait for their address to be proven. Beyond the limit the oldest are dropped, as on a
/// full link.
pub const WAITING_CONTROL: usize = 64;

/// Datagrams of a DTLS handshake that wait to be sent, for example while there is no path. Beyond the limit the oldest
/// are dropped, as on a full link.
pub const HANDSHAKE_DATAGRAMS: usize = 64;

/// Transport-wide numbers whose arrival is remembered, at most 128 KB: 0.8 s of 10,000 packets a second. The lowest are
/// forgotten first, even if they were not reported. libwebrtc: remote_estimator_proxy.cc, kMaxNumberOfPackets, has
/// 2^15.
pub const ARRIVALS: usize = 1 << 13;

/// Packets with a transport-wide number that are remembered until feedback reports on them, in 12 octets each: 2 s of 40
/// Mbit/s. libwebrtc: transport_feedback_adapter.cc, kSendTimeHistoryWindow, keeps 60 s.
pub const SENT_NUMBERS: usize = 1 << 13;

/// Statuses that feedback may report on for each packet that was sent. Receivers report each packet once, and repeat
/// some after a loss; feedback beyond that is discarded unread.
pub const STATUSES_PER_PACKET: usize = 8;
/// The same at once, whatever was sent: twice what is remembered.
pub const STATUSES_AT_ONCE: usize = 2 * SENT_NUMBERS;

/// Octets of the records of sent packets of one transport, with their names for RFC 8888, and of its estimator.
pub const ESTIMATOR_MEMORY: usize = 448 * 1024;

/// A hole in transport-wide numbers that is wider is an outage: its packets are not reported as lost one by one.
pub const ARRIVAL_HOLE: u64 = 1_000;

/// Statuses of one feedback that we write, so that it fits a datagram whatever arrived: 1,500 statuses take at most 430
/// octets, 300 deltas 600. With [`ARRIVAL_HOLE`] each feedback has at least one arrival.
pub const STATUSES_REPORTED: usize = 1_500;
/// The arrivals among them.
pub const ARRIVALS_REPORTED: usize = 300;

/// Octets of the records of packets sent through all slots of a participant: 512 or 128 and 64 entries of 40.
pub const SENT_MEMORY: usize = 5 << 20;

/// Octets of the lists of missing packets of a participant's encodings, if all are full: 64 KB of each.
pub const MISSING_MEMORY: usize = 32 << 20;

/// Octets of the replay windows of a participant's SSRCs and of ours, and of retired SSRCs of both.
pub const WINDOWS_MEMORY: usize = 2 << 20;

/// Octets of the remembered arrivals of one participant.
pub const ARRIVALS_MEMORY: usize = 256 * 1024;

/// Octets of datagrams that still wait after everything that may be sent was sent.
pub const WAITING_MEMORY: usize = 384 * 1024;

// ---- Memory of one encoding or slot ----

/// Packets of an encoding whose arrival is remembered: as many as the cache keeps, since an older one could not be
/// forwarded to anybody. SRTP's replay window is as long, so that a sender cannot restart at lower numbers under the
/// same SSRC.
pub const ENCODING_HISTORY: u64 = 1_024;

/// Missing packets of an encoding that are requested at a time. libwebrtc: nack_requester.cc, kMaxNackPackets.
pub const MISSING_PACKETS: usize = 1_000;

/// Requests of one missing packet. libwebrtc: nack_requester.cc, kMaxNackRetries.
pub const PACKET_REQUESTS: u8 = 10;

/// Packets of an encoding kept for retransmission: 1 s of 10 Mbit/s, and 2.5 s of 20 ms packets.
pub const CACHED_VIDEO: usize = 1_024;
/// The same for audio.
pub const CACHED_AUDIO: usize = 128;
/// How long packets are kept: a later retransmission would arrive too late to be shown.
pub const CACHED_FOR: Duration = ms(1_000);

/// Octets of the parameter sets of an encoding (H.264, H.265) in one packet, which with its headers fits a datagram of
/// ours.
pub const PARAMETER_SETS: usize = 1_000;
/// Picture parameter sets among them. Hardware encoders use up to three.
pub const PICTURE_PARAMETER_SETS: usize = 4;

/// Parameter sets of a track from SDP, of all its payload types.
pub const SDP_PARAMETER_SETS: usize = 64;

/// Copies in one redundant audio packet of a publisher (RFC 2198) that lost packets are rebuilt from; one with more is
/// forwarded, and nothing is rebuilt. libwebrtc: audio_encoder_copy_red.cc sends up to nine, one by default.
pub const REBUILT_AT_ONCE: usize = 9;

/// The fraction lost that listeners of a track can make us report to its publisher, in units of 1/256: 20 %. libwebrtc's
/// opus encoder reacts to no more (audio_encoder_opus.cc, kPacketLossRate20).
pub const LISTENERS_LOSS: u8 = 51;

/// Packets sent through a slot that can be retransmitted. libwebrtc requests nothing older than its own list; 512
/// packets are 0.5 to 1 s of a good picture.
pub const SENT_VIDEO: usize = 512;
/// The same for audio.
pub const SENT_AUDIO: usize = 128;

/// How many numbers back a packet is retransmitted as the identical datagram, to a subscriber without RTX: the smallest
/// replay window of receivers (RFC 3711 s3.3.2), which drop older packets.
pub const REPEATED: u64 = 64;

/// Retransmissions of one packet: as often as libwebrtc asks (nack_requester.cc, kMaxNackRetries). After three, at 10 % of
/// loss, one of 10,000 packets is still missing: the picture stands still until the client asks for a keyframe, 3 s later.
pub const RESENDS: u8 = 10;

/// Keyframes that a subscriber gets by its own requests, delivered completely, within a time: a decoder that cannot use
/// them must not spend the bandwidth of everybody else. jitsi-videobridge: a receiver's 3 requests in 10 s.
pub const KEYFRAMES_DELIVERED: usize = 3;
/// The time for that number of keyframes.
pub const KEYFRAMES_DELIVERED_WITHIN: Duration = ms(10_000);
/// Consecutive keyframes that were sent at its request and not reported as received: an outage of 10 s at two a second.
/// After that, one per [`KEYFRAME_CREDIT_REFILL`].
pub const KEYFRAME_CREDIT: u32 = 20;
/// The time after which one more may be requested.
pub const KEYFRAME_CREDIT_REFILL: Duration = ms(3_000);

// ---- Captures ----

/// Octets of a capture, which wait for a reader that stalls: 25 s of 20 Mbit/s. A worker has one at a time.
/// `sfu/limits.py` has the same.
pub const CAPTURE_OCTETS: usize = 64 << 20;

/// The time of a capture: clear media is private, so a forgotten one ends.
pub const CAPTURE_TIME: Duration = ms(300_000);

/// Octets of a piece of a capture, which leaves at once.
pub const CAPTURE_PIECE: usize = 64 << 10;

// ---- The log ----

/// Lines a second of one target in the trace of a worker: peers cause them, and a log of all of them would cost more
/// than the packets.
pub const TRACE_LINES_PER_SECOND: u32 = 100;

/// Lines of all workers that wait for the application: a burst of every target, for a short pause of it.
pub const TRACE_LINES_WAITING: usize = 1_024;

// ---- Data channels ----

/// Streams of an SCTP association in each direction, as Chromium has them.
pub const SCTP_STREAMS: u16 = 1_024;

/// Received messages of an association that wait to be read. A few large ones fill the receive window first; this limit
/// is for many tiny ones, each of which costs the library more memory than its own size. Packets beyond are dropped,
/// and are sent again.
pub const SCTP_MESSAGES_READY: usize = 1_024;

/// Octets of the label, and of the protocol, of a data channel (RFC 8832 allows 65,535).
pub const CHANNEL_NAME: usize = 1_024;

/// Discard reasons of messages that wait to be counted.
pub const CHANNEL_DISCARDS: usize = 1_024;

#[cfg(test)]
mod tests;
