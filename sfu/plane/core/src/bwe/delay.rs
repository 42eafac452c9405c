//! The limit that the one-way delay sets.
//!
//! Source: libwebrtc, modules/congestion_controller/goog_cc/delay_based_bwe.{h,cc}.

use super::Report;
use super::aimd::RateControl;
use super::groups::Groups;
use super::queue::Queue;
use super::trendline::{Trendline, Usage};
use super::units::Rate;
use crate::time::{Duration, Instant, ms};

/// After so long a silence the delay of before means nothing (`kStreamTimeOut`).
const SILENCE: Duration = ms(2_000);

/// A queue longer than this is too full, whatever its trend is.
pub const FULL: Duration = ms(80);
/// Without a throughput a queue below this is no reason to halve: little is sent, and what is late is late for another
/// reason.
const NOTICED: Duration = ms(20);

/// Groups, trend, queue and rate control.
#[derive(Clone, Debug)]
pub struct DelayLimit {
    groups: Groups,
    trendline: Trendline,
    control: RateControl,
    queue: Queue,
    reported: Option<Instant>,
}

/// What is known of probes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Probe {
    /// The rate that one found.
    pub found: Option<Rate>,
    /// One was just sent. The queue that it makes is no reason to lower the limit.
    pub is_recent: bool,
}

/// What a feedback packet changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Delayed {
    /// The limit, if it is known.
    pub limit: Option<Rate>,
    /// The queue drained and is steady again.
    pub recovered: bool,
}

impl DelayLimit {
    /// See [`RateControl::new`].
    pub fn new(start: Option<Rate>, least: Rate) -> Self {
        Self {
            groups: Groups::default(),
            trendline: Trendline::default(),
            control: RateControl::new(start, least),
            queue: Queue::default(),
            reported: None,
        }
    }

    /// A measured round trip.
    pub fn set_round_trip(&mut self, round_trip: Duration) {
        self.control.set_round_trip(round_trip);
    }

    /// A limit that was found otherwise. See [`RateControl::set_limit`].
    pub fn set_limit(&mut self, limit: Rate, now: Instant) {
        self.control.set_limit(limit, now);
    }

    /// What the queue does.
    pub fn usage(&self) -> Usage {
        match self.trendline.usage() {
            Usage::Normal if self.queue.delay() > FULL => Usage::Over,
            usage => usage,
        }
    }

    /// How long packets stand in the queue.
    pub fn queue(&self) -> Duration {
        self.queue.delay()
    }

    /// Takes the packets of one feedback in the order of arrival, the throughput with them and what a reduction leaves at
    /// least, and what is known of probes.
    pub fn next(
        &mut self,
        arrived: &[Report],
        (throughput, least): (Option<Rate>, Rate),
        probe: Probe,
        now: Instant,
    ) -> Delayed {
        let mut recovered = false;
        for report in arrived {
            let Some(arrival) = report.arrived.filter(|_| !report.is_repeated) else { continue };
            if self.reported.is_none_or(|last| now.saturating_duration_since(last) > SILENCE) {
                self.groups = Groups::default();
                self.trendline = Trendline::default();
            }
            self.reported = Some(now);
            self.queue.next(report, arrival, now);
            let before = self.trendline.usage();
            if let Some(delta) = self.groups.next(report, arrival, now) {
                let after = self.trendline.next(delta, arrival);
                recovered |= before == Usage::Under && after == Usage::Normal;
            }
        }
        self.control(throughput, least, probe, now);
        Delayed { limit: self.control.limit(), recovered: recovered && self.usage() != Usage::Over }
    }

    fn control(&mut self, throughput: Option<Rate>, least: Rate, probe: Probe, now: Instant) {
        let usage = self.usage();
        match (usage, throughput, probe.found) {
            (_, _, Some(found)) if usage != Usage::Over || probe.is_recent => self.control.set_limit(found, now),
            (Usage::Over, ..) if probe.is_recent => {}
            (Usage::Over, Some(rate), _) => {
                if self.control.may_reduce(rate.max(least), now) {
                    let limit = self.control.next(usage, throughput, now);
                    if limit.is_some_and(|limit| limit < least) {
                        self.control.set_limit(least, now);
                    }
                }
            }
            (Usage::Over, None, _) => {
                let may_halve = self.queue() > NOTICED && self.control.may_halve(now);
                if let Some(limit) = self.control.limit().filter(|_| may_halve) {
                    self.control.set_limit(limit.scaled(0.5), now);
                }
            }
            _ => {
                self.control.next(usage, throughput, now);
            }
        }
    }
}
