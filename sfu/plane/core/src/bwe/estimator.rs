//! Puts the stages together for one transport.
//!
//! Source: libwebrtc, modules/congestion_controller/goog_cc/goog_cc_network_control.cc and
//! send_side_bandwidth_estimation.cc.

use super::clock::{self, ReceiverClock};
use super::delay::{DelayLimit, FULL, Probe};
use super::history::History;
use super::limited::Limited;
use super::loss::{LossLimit, LossState};
use super::names::Names;
use super::notices::Notices;
use super::probe_result::{Cluster, Found, Probes};
use super::probing::{Cause, Probing};
use super::sent_rate::SentRate;
use super::throughput::Throughput;
use super::trendline::Usage;
use super::units::{Arrival, Rate};
use super::without_feedback::{Reception, WithoutFeedback};
use super::{Kind, Report};
use crate::rtcp::ccfb;
use crate::time::{Duration, Instant, ms};

/// No estimate is below this (`kCongestionControllerMinBitrate`) or above this.
const LEAST: Rate = Rate::kbps(5);
const MOST: Rate = Rate::kbps(100_000);
/// A probe that finds less than was thought lowers the estimate to this share of the throughput at most
/// (`kProbeDropThroughputFraction`).
const PROBE_DROP: f64 = 0.85;
/// A throughput of this share of the estimate tests it.
const TESTED: f64 = 0.7;
/// A probe that found less than the estimate is confirmed by another one within this time: a peer that was busy for some
/// milliseconds makes a link look slow. libwebrtc takes each result.
const CONFIRMED_IN: Duration = ms(3_000);
/// Packets whose feedback takes longer than this stand in a queue or are lost (`RttBasedBackoff`): the estimate is
/// multiplied by the factor once in the interval, down to `LEAST`.
const OVERDUE: Duration = ms(3_000);
const OVERDUE_FACTOR: f64 = 0.8;
const OVERDUE_INTERVAL: Duration = ms(1_000);
/// Packets further apart than this are not overdue together.
const PAUSE: Duration = ms(1_500);
/// The queue of a probe is gone this long after its feedback.
const AFTERMATH: Duration = ms(250);
/// A queue below this is that of a burst, and no reason against a probe.
const NOTICED: Duration = ms(20);
/// A queue above this is emptied in this time, by sending less, but at least this share of the rate.
const TOLERATED: Duration = ms(40);
const DRAINED_IN: Duration = ms(300);
const LEAST_SHARE: f64 = 0.05;
/// The first probes are sent again after this time, so often, while none was measured: before media flows, nothing else
/// measures the path. libwebrtc waits for media.
const FIRST_AGAIN: Duration = ms(3_000);
const FIRST_TRIES: u8 = 2;
/// The share of the earlier estimate that counts when feedback is back: the network may be another one by then.
const RESUMED: f64 = 0.5;
/// Where little is sent and this share of it arrives, what is sent does not fill the queue, and says little of what the
/// link carries: a reduction leaves this share of the limit. libwebrtc falls to what arrives.
const KEEPS_UP: f64 = 0.8;
const LIMITED_SHARE: f64 = 0.5;
/// The start rate is assumed: for so long after the first feedback it is not reported, because the first probes are
/// about to be measured.
const ASSUMED: Duration = ms(500);
/// The weight of a new round trip.
const ROUND_TRIP_WEIGHT: f64 = 1.0 / 8.0;

/// What is known of the network to a peer.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Estimate {
    /// What it carries.
    pub rate: Rate,
    /// What may be sent for now: less than the rate while its queue drains.
    pub budget: Rate,
    /// How long packets stand in its queue.
    pub queue: Duration,
    /// What arrives. None: too little was sent to tell.
    pub throughput: Option<Rate>,
    /// What its queue does.
    pub usage: Usage,
    /// The share of octets that it loses, 0 to 1.
    pub loss: f64,
    /// The loss limits the rate, and not the delay.
    pub is_loss_limited: bool,
    /// Round trip of packets and feedback, without the time for which the receiver held the feedback back.
    pub round_trip: Option<Duration>,
}

/// The estimator of one transport.
#[derive(Clone, Debug)]
pub struct Estimator {
    history: History,
    names: Names,
    clock: ReceiverClock,
    throughput: Throughput,
    probes: Probes,
    delay: DelayLimit,
    loss: LossLimit,
    limited: Limited,
    probing: Probing,
    rate: Rate,
    delay_limit: Rate,
    round_trip: Option<Duration>,
    sent_rate: SentRate,
    without_feedback: WithoutFeedback,
    /// Feedback has acknowledged a packet: from then on it alone counts.
    has_feedback: bool,
    /// When it did so first.
    answered: Option<Instant>,
    /// When the first packet was sent after the last feedback, and the last one.
    unanswered: Option<Instant>,
    last_sent: Option<Instant>,
    reduced: Option<Instant>,
    is_draining: bool,
    /// When the last packet of a probe was sent.
    probe_sent: Option<Instant>,
    /// The last cluster that found less than the estimate: what, and when.
    doubted: Option<(Found, Instant)>,
    /// How often the first probes may be sent again. 0 once a probe was measured.
    first_tries: u8,
    /// The rate when feedback stopped.
    before_pause: Option<Rate>,
    notices: Notices,
    reports: Vec<Report>,
}

impl Estimator {
    /// Begins with an assumed rate.
    pub fn new(start: Rate) -> Self {
        let mut loss = LossLimit::new(LEAST, MOST);
        loss.set_limit(start);
        let mut limited = Limited::default();
        limited.set_estimate(start);
        Self {
            history: History::default(),
            names: Names::default(),
            clock: ReceiverClock::default(),
            throughput: Throughput::default(),
            probes: Probes::default(),
            delay: DelayLimit::new(Some(start), LEAST),
            loss,
            limited,
            probing: Probing::new(start),
            rate: start,
            delay_limit: Rate::UNLIMITED,
            round_trip: None,
            sent_rate: SentRate::default(),
            without_feedback: WithoutFeedback::default(),
            has_feedback: false,
            answered: None,
            unanswered: None,
            last_sent: None,
            reduced: None,
            is_draining: false,
            probe_sent: None,
            doubted: None,
            first_tries: FIRST_TRIES,
            before_pause: None,
            notices: Notices::default(),
            reports: Vec::new(),
        }
    }

    /// What is known now.
    pub fn estimate(&self) -> Estimate {
        Estimate {
            rate: self.rate,
            budget: self.budget(),
            queue: self.delay.queue(),
            throughput: self.throughput.rate(),
            usage: self.delay.usage(),
            loss: if self.has_feedback { self.loss.loss() } else { self.without_feedback.loss() },
            is_loss_limited: self.loss.state() != LossState::Delay,
            round_trip: self.round_trip,
        }
    }

    /// What is known now, if it has changed enough to be reported to the application. Nothing is known before feedback.
    pub fn poll_notice(&mut self, now: Instant) -> Option<Estimate> {
        let estimate = self.estimate();
        let is_young = self.answered.is_some_and(|at| now.saturating_duration_since(at) < ASSUMED);
        (self.round_trip.is_some() && !(is_young && self.first_tries > 0) && self.notices.is_due(&estimate, now))
            .then_some(estimate)
    }

    /// Other feedback is negotiated than before: until it comes, receiver reports count.
    pub fn forget_feedback(&mut self) {
        (self.has_feedback, self.without_feedback) = (false, WithoutFeedback::default());
    }

    /// Feedback stopped: the present rate is remembered.
    pub fn pause(&mut self) {
        self.before_pause = Some(self.rate);
    }

    /// Feedback is back: begins with a share of the rate before the pause, and probes that rate.
    pub fn resume(&mut self, now: Instant) {
        let Some(before) = self.before_pause.take() else { return };
        let rate = before.scaled(RESUMED).max(self.rate);
        self.delay.set_limit(rate, now);
        self.loss.set_limit(rate);
        self.delay_limit = rate;
        self.set_rate(rate, Cause::Steady, now);
        self.probing.begin_at(before, now);
    }

    /// Reports the estimate again, whether or not it changed.
    pub fn notice_again(&mut self) {
        self.notices = Notices::default();
    }

    /// The rate, less what empties the queue in time.
    fn budget(&self) -> Rate {
        let standing = self.delay.queue().saturating_sub(TOLERATED).as_secs_f64() / DRAINED_IN.as_secs_f64();
        self.rate.scaled((1.0 - standing).max(LEAST_SHARE))
    }

    /// Octets of its records.
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.history.memory() + self.names.memory()
    }

    /// Octets under way.
    pub fn in_flight(&self) -> u64 {
        self.history.in_flight()
    }

    /// Packets can be sent from now on: probing begins.
    pub fn connected(&mut self, now: Instant) {
        self.probing.connected(now);
    }

    /// What the application would send if it could.
    pub fn set_demand(&mut self, demand: Rate, now: Instant) {
        self.probing.set_demand(demand, self.limited.since().is_some(), now);
    }

    /// The next probe to send.
    pub fn poll_cluster(&mut self) -> Option<Cluster> {
        self.probing.poll()
    }

    /// The transport-wide number of the next packet.
    pub fn next_number(&self) -> u16 {
        self.history.next() as u16
    }

    /// True if all these numbers were sent, and recently enough to distinguish them from future ones.
    pub fn covers(&self, base: u16, count: u16) -> bool {
        self.history.covers(base, count)
    }

    /// True if feedback may report on so many packets now: in proportion to the packets that were sent.
    pub fn spend_statuses(&mut self, count: u16) -> bool {
        self.history.spend(count.into())
    }

    /// A packet left again with the number that it had before.
    pub fn repeated(&mut self, number: u16) {
        self.history.repeated(number);
    }

    /// A packet left with the next transport-wide number. `octets` are those of the datagram.
    pub fn sent(&mut self, octets: u32, kind: Kind, cluster: Option<Cluster>, now: Instant) {
        self.history.sent(octets, kind, cluster, now);
        self.sent_rate.sent(octets, now);
        self.limited.sent(octets.into(), now);
        if cluster.is_some() {
            self.probe_sent = Some(now);
        }
        // After a pause nobody knows whether the last packets before it were lost.
        if self.has_feedback && self.last_sent.is_none_or(|last| now.saturating_duration_since(last) > PAUSE) {
            self.unanswered = None;
        }
        self.unanswered.get_or_insert(now);
        self.last_sent = Some(now);
    }

    /// A packet without a number left.
    pub fn sent_unnumbered(&mut self, octets: u32, now: Instant) {
        self.sent_rate.sent(octets, now);
    }

    /// Takes what the receiver reports of one RTCP packet say of the peer's reception. It counts only for a peer that
    /// sends no transport-wide feedback.
    pub fn handle_reception(&mut self, reception: Reception, round_trip: Duration, now: Instant) {
        if self.has_feedback {
            return;
        }
        let rates = (self.rate, self.sent_rate.rate(now));
        if let Some(rate) = self.without_feedback.handle_reception(reception, rates, round_trip, now) {
            self.round_trip = Some(round_trip);
            self.limit(rate, now);
        }
    }

    /// Takes the peer's own estimate (REMB), which is a limit of ours.
    pub fn handle_remb(&mut self, bps: u64, now: Instant) {
        self.without_feedback.handle_remb(bps, self.sent_rate.rate(now), now);
        if let Some(limit) = self.without_feedback.limit(now).filter(|limit| *limit < self.rate) {
            self.limit(limit, now);
        }
    }

    /// Sets the rate that was found otherwise than by feedback. Nothing is probed: only feedback measures a probe.
    fn limit(&mut self, rate: Rate, now: Instant) {
        self.delay.set_limit(rate, now);
        self.delay_limit = rate;
        self.loss.set_limit(rate);
        self.set_rate(rate, Cause::Congested, now);
    }

    /// Takes a feedback packet: its reference time, and for each of its packets the number and the time since the
    /// previous arrival in units of 250 us, or None if it did not arrive. Returns true if it acknowledges a packet that
    /// is remembered. A report about others changes nothing.
    pub fn handle_feedback(
        &mut self,
        reference: i32,
        packets: impl IntoIterator<Item = (u16, Option<i16>)>,
        now: Instant,
    ) -> bool {
        let before = self.clock;
        let mut time = self.clock.next(reference);
        let arrivals = packets.into_iter().map(|(number, delta)| {
            let arrived = delta.map(|delta| {
                time = clock::after(time, delta);
                time
            });
            (number, arrived)
        });
        self.handle_arrivals(arrivals, before, now)
    }

    /// Records under which SSRC and sequence number the last packet left, for feedback of RFC 8888.
    pub fn name(&mut self, ssrc: u32, sequence: u16) {
        let number = self.history.next().wrapping_sub(1) as u16;
        self.names.insert((ssrc, sequence), number, self.history.remembered());
    }

    /// Takes a feedback packet of RFC 8888: its report timestamp, and what it says of each packet. Returns true if it
    /// acknowledges a packet that is remembered.
    pub fn handle_named_feedback(
        &mut self,
        timestamp: u32,
        packets: impl IntoIterator<Item = ccfb::Report>,
        now: Instant,
    ) -> bool {
        let before = self.clock;
        let timestamp = self.clock.next_timestamp(timestamp);
        let names = std::mem::take(&mut self.names);
        let arrivals = packets.into_iter().filter_map(|report| {
            let number = names.number((report.ssrc, report.sequence))?;
            match report.arrived {
                None => Some((number, None)),
                Some(ccfb::Arrived::Before(offset)) => Some((number, Some(clock::before(timestamp, offset)))),
                // It was reported before, or tells nothing of the delay.
                Some(ccfb::Arrived::Unknown) => None,
            }
        });
        let acknowledges = self.handle_arrivals(arrivals, before, now);
        self.names = names;
        acknowledges
    }

    /// `before` is the clock before this feedback.
    fn handle_arrivals(
        &mut self,
        arrivals: impl IntoIterator<Item = (u16, Option<Arrival>)>,
        before: ReceiverClock,
        now: Instant,
    ) -> bool {
        let mut reports = std::mem::take(&mut self.reports);
        reports.clear();
        let mut probed = None;
        for (number, arrived) in arrivals {
            let Some((report, cluster)) = self.history.report(number, arrived) else { continue };
            reports.push(report);
            if let (Some(arrived), Some(cluster), false) = (arrived, cluster, report.is_repeated) {
                probed = self.probes.next(&report, arrived, &cluster).or(probed);
            }
        }
        if reports.is_empty() {
            self.clock = before;
        } else {
            self.update(&mut reports, probed, now);
        }
        let acknowledges = reports.iter().any(|report| report.arrived.is_some());
        self.has_feedback |= acknowledges;
        if acknowledges {
            self.answered.get_or_insert(now);
        }
        self.reports = reports;
        acknowledges
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_overdue() {
            if !self.has_feedback {
                return;
            }
            let is_due = |last: Instant| now.saturating_duration_since(last) >= OVERDUE_INTERVAL;
            if self.reduced.is_none_or(is_due) {
                self.reduced = Some(now);
                self.delay.set_limit(self.rate.scaled(OVERDUE_FACTOR).max(LEAST), now);
                self.loss.set_limit(self.rate.scaled(OVERDUE_FACTOR).max(LEAST));
                self.set_rate(self.rate.scaled(OVERDUE_FACTOR), Cause::Congested, now);
            }
            return;
        }
        if self.first_again().is_some_and(|at| at <= now) {
            self.first_tries -= 1;
            self.probing.begin(now);
        }
        self.probing.handle_timeout(self.limited.since(), now);
    }

    /// When [`Estimator::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        // Only another packet makes feedback overdue.
        if self.is_overdue() {
            let since = self.unanswered.filter(|_| self.has_feedback && self.rate > LEAST);
            return since.map(|since| self.reduced.map_or(since, |at| at + OVERDUE_INTERVAL));
        }
        [self.first_again(), self.probing.poll_timeout(self.limited.since())].into_iter().flatten().min()
    }

    /// When the first probes are sent again.
    fn first_again(&self) -> Option<Instant> {
        self.probing.probed().filter(|_| self.first_tries > 0).map(|at| at + FIRST_AGAIN)
    }

    /// True if packets were sent for long without any feedback.
    pub fn is_overdue(&self) -> bool {
        let (Some(since), Some(last)) = (self.unanswered, self.last_sent) else { return false };
        last.saturating_duration_since(since) + self.round_trip.unwrap_or_default() > OVERDUE
    }

    fn update(&mut self, reports: &mut [Report], probed: Option<Found>, now: Instant) {
        reports.sort_by_key(|report| report.arrived);
        for report in reports.iter() {
            if let Some(arrived) = report.arrived.filter(|_| !report.is_repeated) {
                self.throughput.next(report, arrived);
            }
        }
        self.measure_round_trip(reports, now);
        // While the queue stands, the last packets show what the link carries; those of before do not.
        let throughput = match self.throughput.recent() {
            Some(recent) if self.delay.queue() > FULL => Some(recent),
            _ => self.throughput.rate(),
        };
        let probed = probed.and_then(|found| self.news(found, throughput, now)).map(|probed| match throughput {
            Some(throughput) => probed.max(throughput.scaled(PROBE_DROP).min(self.delay_limit)),
            None => probed,
        });
        let is_probe = probed.is_some();
        let probed = probed.or_else(|| self.carried(throughput));
        let round_trip = self.round_trip.unwrap_or_default();
        let is_recent = self.probe_sent.is_some_and(|at| now.saturating_duration_since(at) < round_trip + AFTERMATH);
        let (before, was_draining) = (self.delay_limit, self.is_draining);
        let is_limited = self.limited.since().is_some();
        let sent = self.sent_rate.rate(now);
        let keeps_up = throughput.is_some_and(|throughput| throughput >= sent.scaled(KEEPS_UP));
        let least = if is_limited && keeps_up { self.delay_limit.min(self.rate).scaled(LIMITED_SHARE) } else { LEAST };
        let delayed = self.delay.next(reports, (throughput, least), Probe { found: probed, is_recent }, now);
        self.delay_limit = delayed.limit.unwrap_or(Rate::UNLIMITED);
        if let Some(probed) = probed {
            self.loss.set_limit(probed);
        }
        if is_probe {
            self.first_tries = 0;
        }
        // What a full queue drops, and what arrives while it drains, says nothing of the link.
        let loss = if self.delay.queue() > TOLERATED * 2 {
            self.loss.limit()
        } else {
            self.loss.next(reports, throughput, self.delay_limit, is_limited || was_draining)
        };
        self.is_draining = self.budget() < self.rate.scaled(0.9);
        let is_filling = self.delay.usage() == Usage::Over && self.delay.queue() > NOTICED;
        let cause = match (is_filling, self.loss.state()) {
            (true, _) | (_, LossState::Decreasing) => Cause::Congested,
            (_, LossState::Increasing) => Cause::LossGrowing,
            _ if self.delay_limit < before && self.delay.queue() > NOTICED => Cause::Congested,
            _ => Cause::Steady,
        };
        let asked = self.without_feedback.limit(now).unwrap_or(Rate::UNLIMITED);
        self.set_rate(loss.min(self.delay_limit).min(asked), cause, now);
        if delayed.recovered {
            self.probing.recovered(self.limited.since(), self.limited.ended(), now);
        }
    }

    /// What media shows while no probe was measured: what arrives without a queue is carried. libwebrtc's media never
    /// exceeds the estimate, but this plane does not limit it before the first one.
    fn carried(&self, throughput: Option<Rate>) -> Option<Rate> {
        let is_clear = self.delay.usage() != Usage::Over && self.delay.queue() < NOTICED && self.loss.loss() < 0.02;
        throughput.filter(|throughput| self.first_tries > 0 && is_clear && *throughput > self.rate)
    }

    /// What a probe tells. One that finds less than the estimate counts only where little else is sent: beside much media
    /// it shares the link with it, and the delay tells more. And it counts only if the link was full, and another probe
    /// finds less, too; the start rate needs no such proof, because it is assumed.
    fn news(&mut self, found: Found, throughput: Option<Rate>, now: Instant) -> Option<Rate> {
        if found.rate >= self.rate || self.first_tries > 0 {
            self.doubted = None;
            return Some(found.rate);
        }
        if !found.is_full || throughput.is_some_and(|throughput| throughput >= self.rate.scaled(TESTED)) {
            return None;
        }
        match self.doubted.filter(|(_, at)| now.saturating_duration_since(*at) < CONFIRMED_IN) {
            Some((before, _)) if before.id != found.id => Some(found.rate.max(before.rate)),
            Some((_, at)) => {
                // More of the same cluster arrived.
                self.doubted = Some((found, at));
                None
            }
            None => {
                self.doubted = Some((found, now));
                self.probing.confirm(now);
                None
            }
        }
    }

    fn set_rate(&mut self, rate: Rate, cause: Cause, now: Instant) {
        self.rate = rate.clamp(LEAST, MOST);
        self.limited.set_estimate(self.rate);
        self.probing.set_estimate(self.rate, cause, now);
    }

    /// From the packet that arrived last: for the others the receiver held the feedback back.
    fn measure_round_trip(&mut self, reports: &[Report], now: Instant) {
        if reports.iter().all(|report| report.arrived.is_none()) {
            return;
        }
        self.unanswered = None;
        self.reduced = None;
        let Some(last) = reports.iter().rfind(|report| report.arrived.is_some() && !report.is_repeated) else { return };
        let measured = now.saturating_duration_since(last.sent);
        let smoothed = match self.round_trip {
            None => measured,
            Some(before) => before.mul_f64(1.0 - ROUND_TRIP_WEIGHT) + measured.mul_f64(ROUND_TRIP_WEIGHT),
        };
        self.round_trip = Some(smoothed);
        self.delay.set_round_trip(smoothed);
    }
}
