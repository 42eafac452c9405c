//! Padding for probes: retransmissions of recent packets, or empty packets, under RTX (RFC 4588), which receivers take
//! without a picture. Their transport-wide numbers are what matters.

use super::Slot;
use crate::command::Kind;
use crate::rtp::extension::Extension;
use crate::rtp::sequence::ExtendedSeq;
use crate::send::passing::Outgoing;

/// The most recent packets, of which each is retransmitted in turn.
const RECENT: u64 = 16;

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
    /// True if it can send padding that its subscriber reports on.
    pub fn can_probe(&self) -> bool {
        self.kind == Kind::Video && self.rtx().is_some() && self.spec.extensions.id(Extension::TransportCc).is_some()
    }

    /// A retransmission of one of the last packets, while a picture is shown. The caller checks that its payload is
    /// cached.
    pub fn poll_recent(&mut self) -> Option<Outgoing> {
        self.selector.leaves().filter(|_| !self.muted)?;
        let highest = self.rewriter.highest()?;
        let back = self.cold.next_rtx % RECENT;
        let seq = ExtendedSeq(highest.0.checked_sub(back)?);
        let entry = self.history.get_mut(seq)?;
        let own = self.spec.payload_types.iter().find(|own| own.number == entry.payload_type())?;
        let outgoing = entry.probe(self.kind, self.spec.rtx_ssrc?, own.rtx?, ExtendedSeq(self.cold.next_rtx));
        self.cold.next_rtx += 1;
        Some(outgoing)
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
