//! What a subscriber says of what left: packets it misses (RFC 4585 s6.2.1), reports (RFC 3550 s6.4.2); and what it is
//! told in return.

use super::Slot;
use crate::rtcp::report::{ReportBlock, SenderReport};
use crate::rtp::sequence::ExtendedSeq;
use crate::send::passing::Nack;
use crate::send::report::{Newest, Reports};
use crate::time::{Duration, Instant, Ntp};

impl Slot {
    /// The subscriber misses a packet (RFC 4585 s6.2.1).
    pub fn handle_nack(&mut self, sequence: u16, now: Instant, round_trip: Duration) -> Nack {
        let Some(highest) = self.rewriter.highest() else { return Nack::Ignore };
        let behind = u64::from(highest.wire().wrapping_sub(sequence));
        if behind >= self.history.len() as u64 || behind > highest.0 {
            return Nack::Ignore;
        }
        let seq = ExtendedSeq(highest.0 - behind);
        let age = self.history.age(now);
        let Some(entry) = self.history.get_mut(seq) else {
            return match self.rewriter.source(seq) {
                Some((encoding, seq)) if self.source.is_some() => Nack::Missing { encoding, seq },
                _ => Nack::Ignore,
            };
        };
        let rtx = self.spec.payload_types.iter().find(|own| own.number == entry.payload_type()).and_then(|own| own.rtx);
        let (Some(payload_type), Some(ssrc)) = (rtx, self.spec.rtx_ssrc) else {
            return Nack::Ignore;
        };
        if !entry.resend(age, round_trip) {
            return Nack::Ignore;
        }
        let outgoing = entry.again(self.spec.kind, ssrc, payload_type, ExtendedSeq(self.next_rtx));
        self.next_rtx += 1;
        Nack::Send(outgoing)
    }

    /// A report block about this slot's SSRC. The round trip, if it tells.
    pub fn handle_report(&mut self, block: &ReportBlock, now: Ntp) -> Option<Duration> {
        if block.ssrc != self.spec.ssrc && Some(block.ssrc) != self.spec.rtx_ssrc {
            return None;
        }
        self.reports.handle_block(block, now)
    }

    /// None while nothing leaves (RFC 3550 s6.4: then a receiver report is due).
    pub fn sender_report(&mut self, now: Instant, ntp: Ntp) -> Option<SenderReport> {
        self.selector.shown()?;
        let (timestamp, received, timestamp_offset) = self.rewriter.newest()?;
        let newest = Newest { timestamp, received, timestamp_offset, rate: self.rate };
        Some(self.reports.sender_report(self.spec.ssrc, &newest, now, ntp))
    }

    /// What the subscriber reported, and how much left.
    pub fn reports(&self) -> &Reports {
        &self.reports
    }
}
