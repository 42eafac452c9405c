//! Why a datagram, or a part of one, went no further. A bad datagram is not an error: it is counted, by these names.

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
    /// From an address that no connectivity check has validated.
    UnknownAddress = "unknown_address",
    /// A check over a path on which another participant is heard.
    AddressTaken = "address_taken",
    /// No STUN message by its structure (RFC 8489 s5).
    StunMalformed = "stun_malformed",
    /// A response to nothing that was asked, or an indication from a path that is not in use.
    StunUnexpected = "stun_unexpected",
    /// A check that is shorter than its answer: whoever it names would be sent more than was paid for.
    StunTooShort = "stun_too_short",
    /// The name of no transport.
    StunUnknownUser = "stun_unknown_user",
    /// Made without the password (RFC 8489 s14.5).
    StunIntegrity = "stun_integrity",
    /// Damaged, or no STUN at all (RFC 8489 s14.7).
    StunFingerprint = "stun_fingerprint",
    /// It ended its association.
    DtlsError = "dtls_error",
    /// After the association ended.
    DtlsClosed = "dtls_closed",
    /// Media before DTLS is up, or after the keys were dropped.
    SrtpNoKeys = "srtp_no_keys",
    /// Its authentication tag is wrong.
    SrtpAuth = "srtp_auth",
    /// Its index was seen already (RFC 3711 s3.3.2).
    SrtpReplay = "srtp_replay",
    /// Left of the replay window.
    SrtpTooOld = "srtp_too_old",
    /// More sending SSRCs than one transport may have.
    SrtpSsrcLimit = "srtp_ssrc_limit",
    /// No RTP packet by its structure (RFC 3550 s5.1).
    RtpMalformed = "rtp_malformed",
    /// No RTCP compound by its structure (RFC 3550 s6.1).
    RtcpMalformed = "rtcp_malformed",
    /// Transport-wide feedback on packets that have not left.
    FeedbackUnsent = "feedback_unsent",
    /// No SSRC, MID or RID leads to a track.
    UnknownSsrc = "unknown_ssrc",
    /// Another stream of its m-section flows, and nothing tells the two apart.
    SurplusSsrc = "surplus_ssrc",
    /// A payload type that was not negotiated for its track.
    UnknownPayloadType = "unknown_payload_type",
    /// RTX without an original sequence number, or for an encoding that is not known yet.
    RtxUnmatched = "rtx_unmatched",
    /// Padding only: it probed the path, and carries nothing.
    Padding = "padding",
    /// It arrived before.
    Duplicate = "duplicate",
    /// A late packet that no subscriber could still use.
    TooLate = "too_late",
    /// No SCTP packet of the association, or where none was negotiated.
    SctpMalformed = "sctp_malformed",
    /// An opening that cannot be read (RFC 8832 s5).
    DcepMalformed = "dcep_malformed",
    /// Longer than was negotiated.
    MessageTooLarge = "message_too_large",
    /// Over the messages per second of one participant.
    MessageRate = "message_rate",
    /// Said to be text, and is none.
    MessageNotUtf8 = "message_not_utf8",
    /// A message whose envelope names nobody here, or that came on a channel without a group, or of one that may not send.
    MessageUnrouted = "message_unrouted",
    /// A lossy message for a receiver that is too slow.
    MessageDropped = "message_dropped",
    /// One channel more than a participant may have.
    ChannelLimit = "channel_limit",
    /// A retransmission was asked for that the cache no longer holds.
    CacheMiss = "cache_miss",
    /// What was to be sent again as it was would be another datagram: its source or its neighbours have changed.
    RepeatChanged = "repeat_changed",
    /// A call into the DTLS or SCTP library panicked; that association is closed.
    LibraryFault = "library_fault",
    /// A retransmission beyond what the peer may be sent again: a share of what it is sent.
    RepairLimit = "repair_limit",
    /// What we made and could not send: longer than a datagram of ours may be, or more than may wait.
    Unsent = "unsent",
    /// Something was wrong inside us; that transport is closed with a reason.
    InvariantBroken = "invariant_broken",
    /// The kernel refused a datagram (its buffer was full, the route is gone).
    SocketRefused = "socket_refused",
}
