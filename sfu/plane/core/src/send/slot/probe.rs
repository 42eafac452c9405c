//! Padding for probes: empty packets under RTX (RFC 4588), which receivers take without a picture. Their transport-wide
//! numbers are what matters.
//!
//! libwebrtc also retransmits recent packets (`rtp_packet_history.cc`, `GetPayloadPaddingPacket`). Chromium hands a frame
//! whose packets arrive twice before it is decoded to an encoded transform twice, which end-to-end encryption may take
//! for a replay.

use super::Slot;
use crate::command::Kind;
use crate::rtp::extension::Extension;
use crate::rtp::sequence::ExtendedSeq;

/// An empty RTX packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Empty {
    pub ssrc: u32,
    /// The SRTP packet index of its SSRC.
    pub seq: ExtendedSeq,
    pub timestamp: u32,
    pub payload_type: u8,
}

impl Slot {
    /// True if it can send padding.
    pub fn can_probe(&self) -> bool {
        self.kind == Kind::Video && self.rtx().is_some()
    }

    /// True if its packets have transport-wide numbers.
    pub fn has_transport_cc(&self) -> bool {
        self.spec.extensions.id(Extension::TransportCc).is_some()
    }

    /// An empty packet.
    pub fn poll_empty(&mut self) -> Option<Empty> {
        let (ssrc, payload_type) = self.rtx()?;
        let seq = ExtendedSeq(self.cold.next_rtx);
        self.cold.next_rtx += 1;
        let timestamp = self.rewriter.newest().map_or(0, |(timestamp, ..)| timestamp);
        Some(Empty { ssrc, seq, timestamp, payload_type })
    }

    fn rtx(&self) -> Option<(u32, u8)> {
        Some((self.spec.rtx_ssrc?, self.spec.payload_types.iter().find_map(|own| own.rtx)?))
    }
}
