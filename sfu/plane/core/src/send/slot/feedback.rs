//! Feedback from a subscriber: missing packets (RFC 4585 s6.2.1) and report blocks (RFC 3550 s6.4.2); and the sender
//! reports that it gets.

use super::Slot;
use crate::bwe::Reception;
use crate::command::Kind;
use crate::limits::REPEATED;
use crate::rtcp::report::{ReportBlock, SenderReport};
use crate::rtp::sequence::ExtendedSeq;
use crate::send::passing::Nack;
use crate::send::report::Newest;
use crate::time::{Duration, Instant, Ntp};

/// The result of a report block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reported {
    /// Set if the block answers one of our sender reports.
    pub round_trip: Option<Duration>,
    /// Packets arrive again after an outage.
    pub resumed: bool,
    /// What arrived since the report before, of what was sent.
    pub reception: Reception,
}

impl Slot {
    /// Handles a NACK for one packet (RFC 4585 s6.2.1): the packet is retransmitted by RTX, or without RTX as the
    /// identical datagram.
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
            let left = behind < REPEATED && self.cold.repeats.get(seq).is_some();
            if !left || !entry.resend(age, round_trip) {
                return Nack::Ignore;
            }
            return Nack::Send(entry.identical(self.kind, self.ssrc, seq));
        };
        if !entry.resend(age, round_trip) {
            return Nack::Ignore;
        }
        let outgoing = entry.again(self.kind, ssrc, payload_type, ExtendedSeq(self.cold.next_rtx));
        self.cold.next_rtx += 1;
        Nack::Send(outgoing)
    }

    /// Handles a report block about one of this slot's SSRCs. `ntp` is `now` on our clock.
    pub fn handle_report(&mut self, block: &ReportBlock, ntp: Ntp, now: Instant) -> Reported {
        if block.ssrc != self.ssrc && Some(block.ssrc) != self.spec.rtx_ssrc {
            return Reported::default();
        }
        let round_trip = block.round_trip(ntp);
        if block.ssrc != self.ssrc {
            return Reported { round_trip, ..Reported::default() };
        }
        let progress = self.cold.reported.handle_block(block, now);
        let mut reception = Reception::default();
        if let (Some(progress), Some(highest)) = (progress, self.rewriter.highest()) {
            let behind = highest.wire().wrapping_sub(block.highest as u16);
            let reported = ExtendedSeq(highest.0.saturating_sub(behind.into()));
            self.cold.keyframe_budget.handle_report(reported, progress.whole, now);
            let unsent = self.unsent(reported, progress.expected).min(progress.expected);
            let lost = progress.missing.saturating_sub(unsent);
            reception = Reception { sent: progress.expected - unsent, lost };
            if reception.sent > 0 {
                self.cold.protection.handle_reported(reception.loss(), now);
            }
        }
        Reported { round_trip, resumed: progress.is_some_and(|progress| progress.resumed), reception }
    }

    /// How many of the `count` numbers until `last` are kept free for packets that have not come from the publisher.
    /// Only of the last ones it is known; the others count alike.
    fn unsent(&self, last: ExtendedSeq, count: u32) -> u32 {
        let Some(highest) = self.rewriter.highest() else { return 0 };
        let known = u64::from(count).min((self.history.len() as u64).saturating_sub(highest.0.saturating_sub(last.0)));
        let numbers = last.0.saturating_sub(known) + 1..=last.0;
        let free = numbers.filter(|&number| self.history.is_free(ExtendedSeq(number), highest)).count() as u64;
        (free * u64::from(count)).checked_div(known).unwrap_or(0) as u32
    }

    /// None while nothing is forwarded (RFC 3550 s6.4: then a receiver report is due).
    pub fn sender_report(&mut self, now: Instant, ntp: Ntp) -> Option<SenderReport> {
        self.selector.shown()?;
        let (timestamp, received, timestamp_offset) = self.rewriter.newest()?;
        let newest = Newest { timestamp, received, timestamp_offset, rate: self.rate };
        Some(self.reports.sender_report(self.ssrc, &newest, now, ntp))
    }

    /// The sender report of a slot that shows nothing. It prompts subscribers that send no RTCP before they have
    /// received something. The timeline continues from the report.
    pub fn idle_report(&mut self, now: Instant, ntp: Ntp) -> SenderReport {
        let rate = if self.kind == Kind::Video { 90_000 } else { 48_000 };
        let (timestamp, received, timestamp_offset) =
            self.rewriter.newest().unwrap_or_else(|| (self.rewriter.announce(rate, now), now, 0));
        let newest =
            Newest { timestamp, received, timestamp_offset, rate: if self.rate > 0 { self.rate } else { rate } };
        self.reports.sender_report(self.ssrc, &newest, now, ntp)
    }
}
