//! The limit that loss sets: which capacity and which loss of the link itself explain best what was lost at which
//! rate. Loss that does not depend on the rate is the link's own and sets no limit.
//!
//! Source: libwebrtc, modules/congestion_controller/goog_cc/loss_based_bwe_v2.{h,cc}; the constants are those of
//! `CreateConfig`.

mod channel;
mod observations;
#[cfg(test)]
mod tests;

use channel::Channel;
use observations::Observations;

use super::Report;
use super::units::Rate;
use crate::time::{Duration, Instant, ms};

/// Candidates are these multiples of the estimate (`CandidateFactors`).
const CANDIDATES: [f64; 3] = [1.02, 1.0, 0.95];
/// An increase is limited to this much of the throughput (`BwRampupUpperBoundFactor`), and to this while the throughput
/// is below that much of the rate that is held (`BwRampupUpperBoundInHoldFactor`, `BwRampupUpperBoundHoldThreshold`).
const RAMP_UP: f64 = 1.5;
const RAMP_UP_HELD: f64 = 1.2;
const HELD_BELOW: f64 = 1.3;
/// The estimate grows by at most this factor in this time (`MaxIncreaseFactor`, `DelayedIncreaseWindow`), if at least
/// the minimum is allowed.
const MOST_INCREASE: f64 = 1.3;
const INCREASE_WINDOW: Duration = ms(300);
/// After a decrease the rate is held for this time, the first time and at most. It doubles each time
/// (`kInitHoldDuration`, `kMaxHoldDuration`, `HoldDurationFactor`).
const FIRST_HOLD: Duration = ms(300);
const MOST_HOLD: Duration = ms(60_000);
/// An increase is shown by padding for this time (`PaddingDuration`).
const PADDING: Duration = ms(2_000);
/// Observations below which nothing is said (`MinNumObservations`).
const REQUIRED: u64 = 3;
/// With more loss than `OFFSET` the estimate is at most `BALANCE` by the loss above it (`InstantUpperBoundLossOffset`,
/// `InstantUpperBoundBwBalance`).
const OFFSET: f64 = 0.05;
const BALANCE: Rate = Rate::kbps(100);

/// What limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LossState {
    /// The delay, if anything.
    #[default]
    Delay,
    /// Loss, and the limit grows. Padding shows whether it may.
    Increasing,
    /// Loss, and the limit falls or is held.
    Decreasing,
}

#[derive(Clone, Copy, Debug)]
struct Hold {
    until: Option<Instant>,
    duration: Duration,
    rate: Rate,
}

const NO_HOLD: Hold = Hold { until: None, duration: FIRST_HOLD, rate: Rate::UNLIMITED };

/// The model of the link, and the limit that follows.
#[derive(Clone, Debug)]
pub struct LossLimit {
    observations: Observations,
    channel: Channel,
    is_begun: bool,
    least: Rate,
    most: Rate,
    throughput: Option<Rate>,
    limit: Rate,
    state: LossState,
    hold: Hold,
    /// The rate that padding shows, and since when.
    padding: Option<(Rate, Instant)>,
    /// When the window began in which the estimate is limited, and to what.
    window: Option<(Instant, Rate)>,
}

impl LossLimit {
    /// The limit lies between both rates.
    pub fn new(least: Rate, most: Rate) -> Self {
        Self {
            observations: Observations::default(),
            channel: Channel::default(),
            is_begun: false,
            least,
            most,
            throughput: None,
            limit: Rate::UNLIMITED,
            state: LossState::Delay,
            hold: NO_HOLD,
            padding: None,
            window: None,
        }
    }

    /// What limits.
    pub fn state(&self) -> LossState {
        self.state
    }

    /// The average loss of the last observations, as a share of octets.
    pub fn loss(&self) -> f64 {
        // Sums of shares may exceed 1 by an error of rounding.
        self.observations.average_loss().clamp(0.0, 1.0)
    }

    /// The limit. `UNLIMITED` before enough was observed.
    pub fn limit(&self) -> Rate {
        if self.is_ready() { self.limit } else { Rate::UNLIMITED }
    }

    /// Begins with a rate that was found otherwise.
    pub fn set_limit(&mut self, limit: Rate) {
        self.channel.capacity = limit;
        self.is_begun = true;
        self.limit = limit;
        self.state = LossState::Delay;
    }

    fn is_ready(&self) -> bool {
        self.is_begun && self.observations.count() >= REQUIRED
    }

    /// Takes all packets of a feedback, the throughput with it, the limit of the delay (`UNLIMITED`: unknown), and
    /// whether the application sends too little. Returns [`LossLimit::limit`].
    pub fn next(&mut self, reports: &[Report], throughput: Option<Rate>, delay: Rate, is_limited: bool) -> Rate {
        self.throughput = throughput.or(self.throughput);
        if self.observations.next(reports) {
            if !self.is_begun && delay.is_limited() {
                self.set_limit(delay);
            }
            if self.is_begun {
                self.update(delay, is_limited);
            }
        }
        self.limit()
    }

    fn update(&mut self, delay: Rate, is_limited: bool) {
        let now = self.observations.last_sent();
        let before = self.channel;
        let mut best = self.best_candidate(delay, is_limited, now);
        if self.observations.average_loss() > best.loss {
            // More is lost than the link itself loses: not the time to grow.
            best.capacity = best.capacity.min(before.capacity);
        }
        if self.state != LossState::Delay {
            self.limit_increase(&mut best, now);
        }
        let bounded = best.capacity.min(self.upper_bound()).min(delay).max(self.lower_bound());
        if bounded < best.capacity {
            self.channel = Channel { capacity: bounded, loss: 0.0 };
        } else {
            best.capacity = best.capacity.max(self.lower_bound());
            self.channel = best;
        }
        self.decide(bounded, delay, now);
    }

    fn best_candidate(&self, delay: Rate, is_limited: bool, now: Instant) -> Channel {
        let capacity = self.channel.capacity;
        let is_padded = self.padding.is_some_and(|(_, since)| now.saturating_duration_since(since) <= PADDING);
        let acknowledged = self.throughput.filter(|_| !is_limited || is_padded);
        let above = (delay.is_limited() && delay > capacity).then_some(delay);
        let most = match self.window {
            Some((_, limit)) if self.state != LossState::Delay => limit,
            _ => self.most,
        };
        let candidates = CANDIDATES.iter().map(|factor| capacity.scaled(*factor)).chain(acknowledged).chain(above);
        let mut best = (f64::MIN, self.channel);
        for candidate in candidates {
            let candidate = Channel { capacity: candidate.min(capacity.max(most)), loss: self.channel.loss };
            let fitted = candidate.fitted(&self.observations);
            let score = fitted.score(&self.observations);
            if score > best.0 {
                best = (score, fitted);
            }
        }
        best.1
    }

    fn limit_increase(&self, best: &mut Channel, now: Instant) {
        let before = self.channel.capacity;
        if let Some((since, limit)) = self.window
            && now.saturating_duration_since(since) < INCREASE_WINDOW
        {
            best.capacity = best.capacity.min(limit);
        }
        let Some(throughput) = self.throughput else { return };
        if best.capacity < before || (best.capacity == before && self.state != LossState::Increasing) {
            return;
        }
        let is_held = self.hold.rate.is_limited() && throughput < self.hold.rate.scaled(HELD_BELOW);
        let most = throughput.scaled(if is_held { RAMP_UP_HELD } else { RAMP_UP });
        best.capacity = best.capacity.min(most).max(before);
        if self.state == LossState::Decreasing && best.capacity == before {
            // So that padding begins, which shows whether more is possible.
            best.capacity = before.plus(Rate::bps(1));
        }
    }

    fn decide(&mut self, bounded: Rate, delay: Rate, now: Instant) {
        let is_held = self.state == LossState::Decreasing && self.hold.until.is_some_and(|until| until > now);
        let is_lossy = bounded < delay && bounded < self.most;
        if is_held && bounded < delay {
            self.hold.rate = self.hold.rate.max(self.lower_bound());
            self.limit = bounded.min(self.hold.rate);
            return;
        }
        let is_growing = self.state != LossState::Delay
            && (self.limit < bounded || (self.limit == bounded && self.state == LossState::Increasing));
        if is_growing && is_lossy && self.may_grow_on(bounded, now) {
            if self.padding.is_none_or(|(rate, _)| bounded > rate) {
                self.padding = Some((bounded, now));
            }
            self.state = LossState::Increasing;
        } else if is_lossy {
            if self.state != LossState::Decreasing {
                self.hold = Hold {
                    until: now.checked_add(self.hold.duration),
                    duration: (self.hold.duration * 2).min(MOST_HOLD),
                    rate: bounded,
                };
            }
            self.padding = None;
            self.state = LossState::Decreasing;
        } else {
            self.hold = NO_HOLD;
            self.padding = None;
            self.state = LossState::Delay;
        }
        self.limit = bounded;
        let is_over = self.window.is_none_or(|(since, _)| now.saturating_duration_since(since) > INCREASE_WINDOW);
        if self.state != LossState::Delay && is_over {
            self.window = Some((now, self.channel.capacity.scaled(MOST_INCREASE).max(self.least)));
        }
    }

    fn may_grow_on(&self, limit: Rate, now: Instant) -> bool {
        let Some((rate, since)) = self.padding.filter(|_| self.state == LossState::Increasing) else { return true };
        now.saturating_duration_since(since) <= PADDING || rate < limit
    }

    fn upper_bound(&self) -> Rate {
        let excess = self.observations.average_loss() - OFFSET;
        if excess > 0.0 { BALANCE.scaled(1.0 / excess) } else { self.most }
    }

    fn lower_bound(&self) -> Rate {
        self.throughput.unwrap_or_default().max(self.least)
    }
}
