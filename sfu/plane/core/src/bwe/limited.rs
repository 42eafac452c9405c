//! Detects that the application sends much less than the estimate, so that feedback says little of the link.
//!
//! Sources: libwebrtc, modules/congestion_controller/goog_cc/alr_detector.{h,cc}, modules/pacing/interval_budget.{h,cc}.

use super::units::Rate;
use crate::time::{Duration, Instant, ms};

/// The share of the estimate that counts as use of it (`bandwidth_usage_ratio`).
const USE: f64 = 0.65;
/// The levels of the unused budget at which the state begins and ends (`start_budget_level_ratio`,
/// `stop_budget_level_ratio`).
const BEGIN: f64 = 0.8;
const END: f64 = 0.5;
/// The budget holds what this time brings, unused or overdrawn (`kWindowMs`).
const WINDOW: Duration = ms(500);

/// A budget that grows at a share of the estimate and is spent by packets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limited {
    rate: Rate,
    /// Octets, negative if overdrawn.
    budget: i64,
    sent: Option<Instant>,
    since: Option<Instant>,
    ended: Option<Instant>,
}

impl Limited {
    /// The estimate changed.
    pub fn set_estimate(&mut self, estimate: Rate) {
        self.rate = estimate.scaled(USE);
        let most = self.most();
        self.budget = self.budget.clamp(-most, most);
    }

    /// A packet was sent.
    pub fn sent(&mut self, octets: u64, now: Instant) {
        let Some(last) = self.sent.replace(now) else { return };
        let most = self.most();
        let grown = self.rate.octets_in(now.saturating_duration_since(last)).min(most.unsigned_abs()) as i64;
        self.budget = (self.budget - octets as i64).max(-most);
        self.budget = (self.budget + grown).min(most);
        let level = if most == 0 { 0.0 } else { self.budget as f64 / most as f64 };
        match self.since {
            None if level > BEGIN => self.since = Some(now),
            Some(_) if level < END => {
                self.since = None;
                self.ended = Some(now);
            }
            _ => {}
        }
    }

    /// Since when too little is sent. None: enough is.
    pub fn since(&self) -> Option<Instant> {
        self.since
    }

    /// When enough was sent again.
    pub fn ended(&self) -> Option<Instant> {
        self.ended
    }

    fn most(&self) -> i64 {
        self.rate.octets_in(WINDOW) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Run {
        limited: Limited,
        now: Instant,
    }

    impl Run {
        fn new() -> Self {
            let mut limited = Limited::default();
            limited.set_estimate(Rate::kbps(300));
            Self { limited, now: Instant::now() }
        }

        /// Sends at this percentage of 300 kbit/s.
        fn sends(&mut self, percent: u64, milliseconds: u64) {
            for _ in 0..milliseconds / 10 {
                self.now += ms(10);
                self.limited.sent(Rate::kbps(3 * percent).octets_in(ms(10)), self.now);
            }
        }
    }

    /// libwebrtc: AlrDetectorTest.AlrDetection.
    #[test]
    fn alr_detection() {
        let mut run = Run::new();
        assert_eq!(run.limited.since(), None);
        run.sends(90, 1_000);
        assert_eq!(run.limited.since(), None);
        run.sends(20, 1_500);
        assert!(run.limited.since().is_some());
        run.sends(100, 1_000);
        assert_eq!(run.limited.since(), None);
        assert!(run.limited.ended().is_some());
    }

    /// libwebrtc: AlrDetectorTest.ShortSpike.
    #[test]
    fn short_spike() {
        let mut run = Run::new();
        run.sends(20, 1_000);
        assert!(run.limited.since().is_some());
        run.sends(150, 100);
        assert!(run.limited.since().is_some());
        run.sends(20, 200);
        assert!(run.limited.since().is_some());
        run.sends(100, 1_000);
        assert_eq!(run.limited.since(), None);
    }

    /// libwebrtc: AlrDetectorTest.BandwidthEstimateChanges.
    #[test]
    fn bandwidth_estimate_changes() {
        let mut run = Run::new();
        run.sends(20, 1_000);
        assert!(run.limited.since().is_some());
        run.limited.set_estimate(Rate::kbps(100));
        assert!(run.limited.since().is_some());
        run.sends(50, 1_000);
        assert_eq!(run.limited.since(), None);
    }
}
