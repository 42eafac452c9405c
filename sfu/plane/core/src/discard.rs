//! The reasons for which a datagram, or a part of one, is discarded. A bad datagram is not an error: it is counted
//! under one of these names.

macro_rules! discards {
    ($($(#[$doc:meta])* $name:ident = $label:literal),* $(,)?) => {
        /// Each name is a label of the metric `sfu_discards_total`.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Discard { $($(#[$doc])* $name),* }

        impl Discard {
            /// All of them.
            pub const ALL: &'static [Discard] = &[$(Discard::$name),*];

            /// Its name in metrics.
            pub fn label(self) -> &'static str {
                match self { $(Discard::$name => $label),* }
            }
        }
    };
}

discards! {
    /// Shorter than its protocol's smallest packet, or a length field points past its end.
    Truncated = "truncated",
    /// The first byte belongs to no protocol of RFC 7983.
    UnknownProtocol = "unknown_protocol",
    /// It came from an address that no connectivity check has validated.
    UnknownAddress = "unknown_address",
    /// A connectivity check over a path that another participant uses.
    AddressTaken = "address_taken",
    /// It does not have the structure of a STUN message (RFC 8489 s5).
    StunMalformed = "stun_malformed",
    /// A response without a request, or an indication from a path that is not in use.
    StunUnexpected = "stun_unexpected",
    /// A check that is shorter than its response, which would send its claimed source more octets than it sent.
    StunTooShort = "stun_too_short",
    /// The user name belongs to no transport.
    StunUnknownUser = "stun_unknown_user",
    /// The message integrity is wrong: the sender does not know the password (RFC 8489 s14.5).
    StunIntegrity = "stun_integrity",
    /// The fingerprint is wrong: the message is damaged, or not STUN (RFC 8489 s14.7).
    StunFingerprint = "stun_fingerprint",
    /// The DTLS record ended its association.
    DtlsError = "dtls_error",
    /// It arrived after the association ended.
    DtlsClosed = "dtls_closed",
    /// Media that arrived before DTLS was connected, or after the keys were dropped.
    SrtpNoKeys = "srtp_no_keys",
    /// The authentication tag is wrong.
    SrtpAuth = "srtp_auth",
    /// The index was seen before (RFC 3711 s3.3.2).
    SrtpReplay = "srtp_replay",
    /// The index is older than the replay window.
    SrtpTooOld = "srtp_too_old",
    /// More sending SSRCs than one transport may have.
    SrtpSsrcLimit = "srtp_ssrc_limit",
    /// It does not have the structure of an RTP packet (RFC 3550 s5.1).
    RtpMalformed = "rtp_malformed",
    /// It does not have the structure of an RTCP compound (RFC 3550 s6.1).
    RtcpMalformed = "rtcp_malformed",
    /// Transport-wide feedback about packets that were not sent.
    FeedbackUnsent = "feedback_unsent",
    /// Transport-wide feedback that reports on the same packets more often than any receiver does.
    FeedbackRepeated = "feedback_repeated",
    /// No SSRC, MID or RID leads to a track, or an SSRC that has just moved to another m-section shows another MID.
    UnknownSsrc = "unknown_ssrc",
    /// Another stream of its m-section arrives, and nothing distinguishes the two.
    SurplusSsrc = "surplus_ssrc",
    /// A payload type that was not negotiated for its track.
    UnknownPayloadType = "unknown_payload_type",
    /// RTX without an original sequence number, or for an unknown encoding.
    RtxUnmatched = "rtx_unmatched",
    /// A packet with padding only, which probes the path.
    Padding = "padding",
    /// The packet arrived before.
    Duplicate = "duplicate",
    /// A late packet that no subscriber could still use.
    TooLate = "too_late",
    /// Not an SCTP packet of the association, or SCTP was not negotiated.
    SctpMalformed = "sctp_malformed",
    /// A channel opening message that cannot be parsed (RFC 8832 s5).
    DcepMalformed = "dcep_malformed",
    /// A message longer than was negotiated.
    MessageTooLarge = "message_too_large",
    /// A message over the rate limit of one participant.
    MessageRate = "message_rate",
    /// A text message that is not UTF-8.
    MessageNotUtf8 = "message_not_utf8",
    /// A message whose envelope names no member, or whose channel has no group or may not send.
    MessageUnrouted = "message_unrouted",
    /// An unreliable message for a receiver that is too slow.
    MessageDropped = "message_dropped",
    /// A channel over the limit of one participant.
    ChannelLimit = "channel_limit",
    /// A retransmission was requested of a packet that is no longer cached.
    CacheMiss = "cache_miss",
    /// A retransmission of an identical datagram that would differ from the first: its source or its neighbours have
    /// changed.
    RepeatChanged = "repeat_changed",
    /// A call into the DTLS or SCTP library panicked; that association is closed.
    LibraryFault = "library_fault",
    /// A retransmission over the peer's limit, which is a share of what it is sent.
    RepairLimit = "repair_limit",
    /// A packet of our own that could not be sent: it is longer than a datagram may be, or too many wait already.
    Unsent = "unsent",
    /// A TCP connection that sent no complete check in time.
    TcpSilent = "tcp_silent",
    /// A TCP connection beyond the limit of those without a check, or of all.
    TcpCrowded = "tcp_crowded",
    /// A TCP connection with a frame that is too long, or that does not begin with a check.
    TcpFraming = "tcp_framing",
    /// A packet of our own for a TCP connection that is too slow: video first.
    LinkFull = "link_full",
    /// A packet of our own for a TCP connection that has just ended.
    LinkClosed = "link_closed",
    /// An internal invariant was broken; the transport is closed with a reason.
    InvariantBroken = "invariant_broken",
    /// The kernel refused a datagram (its buffer was full, the route is gone).
    SocketRefused = "socket_refused",
}
