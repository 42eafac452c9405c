//! What a subscriber says of what left: packets it misses (RFC 4585 s6.2.1), reports (RFC 3550 s6.4.2); and what it is
//! told in return.

use super::Slot;
use crate::command::Kind;
use crate::limits::REPEATED;
use crate::rtcp::report::{ReportBlock, SenderReport};
use crate::rtp::sequence::ExtendedSeq;
use crate::send::passing::Nack;
use crate::send::report::{Newest, Reports};
use crate::time::{Duration, Instant, Ntp};

/// What a report block says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reported {
    /// If it answers a sender report of ours.
    pub round_trip: Option<Duration>,
    /// What leaves gets through again after an outage.
    pub resumed: bool,
}

impl Slot {
    /// The subscriber misses a packet (RFC 4585 s6.2.1): it is sent again by RTX, or without RTX as the identical datagram.
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
            let left = behind < REPEATED && self.repeats.get(seq).is_some();
            if !left || !entry.resend(age, round_trip) {
                return Nack::Ignore;
            }
            return Nack::Send(entry.identical(self.spec.kind, self.spec.ssrc, seq));
        };
        if !entry.resend(age, round_trip) {
            return Nack::Ignore;
        }
        let outgoing = entry.again(self.spec.kind, ssrc, payload_type, ExtendedSeq(self.next_rtx));
        self.next_rtx += 1;
        Nack::Send(outgoing)
    }

    /// A report block about one of this slot's SSRCs; `ntp` is what our clock calls `now`.
    pub fn handle_report(&mut self, block: &ReportBlock, ntp: Ntp, now: Instant) -> Reported {
        if block.ssrc != self.spec.ssrc && Some(block.ssrc) != self.spec.rtx_ssrc {
            return Reported::default();
        }
        let round_trip = self.reports.handle_block(block, ntp);
        if block.ssrc != self.spec.ssrc {
            return Reported { round_trip, resumed: false };
        }
        let progress = self.reported.handle_block(block, now);
        if let (Some(progress), Some(highest)) = (progress, self.rewriter.highest()) {
            let behind = highest.wire().wrapping_sub(block.highest as u16);
            let reported = ExtendedSeq(highest.0.saturating_sub(behind.into()));
            self.keyframe_budget.handle_report(reported, progress.whole, now);
        }
        Reported { round_trip, resumed: progress.is_some_and(|progress| progress.resumed) }
    }

    /// None while nothing leaves (RFC 3550 s6.4: then a receiver report is due).
    pub fn sender_report(&mut self, now: Instant, ntp: Ntp) -> Option<SenderReport> {
        self.selector.shown()?;
        let (timestamp, received, timestamp_offset) = self.rewriter.newest()?;
        let newest = Newest { timestamp, received, timestamp_offset, rate: self.rate };
        Some(self.reports.sender_report(self.spec.ssrc, &newest, now, ntp))
    }

    /// Of a slot that shows nothing: what a subscriber that sends no RTCP before it has received something is reminded by.
    /// The timeline goes on from what it says.
    pub fn idle_report(&mut self, now: Instant, ntp: Ntp) -> SenderReport {
        let rate = if self.spec.kind == Kind::Video { 90_000 } else { 48_000 };
        let (timestamp, received, timestamp_offset) =
            self.rewriter.newest().unwrap_or_else(|| (self.rewriter.announce(rate, now), now, 0));
        let newest =
            Newest { timestamp, received, timestamp_offset, rate: if self.rate > 0 { self.rate } else { rate } };
        self.reports.sender_report(self.spec.ssrc, &newest, now, ntp)
    }

    /// What the subscriber reported, and how much left.
    pub fn reports(&self) -> &Reports {
        &self.reports
    }
}
