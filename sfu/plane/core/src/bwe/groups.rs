//! Joins packets that were sent together into groups, and compares how far apart two groups were sent and how far apart
//! they arrived.
//!
//! Source: libwebrtc, modules/congestion_controller/goog_cc/inter_arrival_delta.{h,cc}.

use super::Report;
use super::units::Arrival;
use crate::time::{Duration, Instant, ms};

/// Packets sent within this time of the first one are a group (`kSendTimeGroupLength`).
const GROUP: Duration = ms(5);
/// Packets that arrive faster than they were sent, at most this far apart in milliseconds, came out of a queue as one
/// burst (`kBurstDeltaThreshold`).
const BURST_GAP: f64 = 5.0;
/// A burst lasts at most so many milliseconds (`kMaxBurstDuration`).
const BURST: f64 = 100.0;
/// The receiver's clock was set if it moved so many milliseconds further than ours (`kArrivalTimeOffsetThreshold`).
const CLOCK_JUMP: f64 = 3_000.0;
/// So many groups in a row that arrive before their predecessors begin everything anew (`kReorderedResetThreshold`).
const REORDERED: u32 = 3;

/// The distance between two groups, in milliseconds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Delta {
    /// Between their last packets, as sent.
    pub sent: f64,
    /// Between their last packets, as received. Not negative.
    pub arrived: f64,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: Instant,
    last_sent: Instant,
    first_arrived: Arrival,
    complete: Arrival,
    reported: Instant,
}

/// The last two groups.
#[derive(Clone, Copy, Debug, Default)]
pub struct Groups {
    current: Option<Group>,
    previous: Option<Group>,
    reordered: u32,
}

impl Groups {
    /// Takes a packet that arrived, in the order of arrival. `reported` is when the feedback came. Returns the distance
    /// of the two groups before, if this packet begins a new one.
    pub fn next(&mut self, report: &Report, arrived: Arrival, reported: Instant) -> Option<Delta> {
        let begun = Group {
            first_sent: report.sent,
            last_sent: report.sent,
            first_arrived: arrived,
            complete: arrived,
            reported,
        };
        let Some(current) = &mut self.current else {
            self.current = Some(begun);
            return None;
        };
        if report.sent < current.first_sent {
            return None;
        }
        if !begins_group(current, report.sent, arrived) {
            current.last_sent = current.last_sent.max(report.sent);
            current.complete = arrived;
            current.reported = reported;
            return None;
        }
        let completed = *current;
        let delta = match self.previous {
            None => None,
            Some(previous) => {
                let delta = Delta {
                    sent: signed_ms(completed.last_sent, previous.last_sent),
                    arrived: completed.complete.ms_since(previous.complete),
                };
                if delta.arrived - signed_ms(completed.reported, previous.reported) >= CLOCK_JUMP {
                    *self = Self::default();
                    return None;
                }
                if delta.arrived < 0.0 {
                    self.reordered += 1;
                    if self.reordered >= REORDERED {
                        *self = Self::default();
                    }
                    return None;
                }
                self.reordered = 0;
                Some(delta)
            }
        };
        self.previous = Some(completed);
        self.current = Some(begun);
        delta
    }
}

fn begins_group(current: &Group, sent: Instant, arrived: Arrival) -> bool {
    let (sent_gap, arrived_gap) = (signed_ms(sent, current.last_sent), arrived.ms_since(current.complete));
    let is_burst = sent_gap == 0.0
        || (arrived_gap < sent_gap && arrived_gap <= BURST_GAP && arrived.ms_since(current.first_arrived) < BURST);
    !is_burst && sent.saturating_duration_since(current.first_sent) > GROUP
}

fn signed_ms(later: Instant, earlier: Instant) -> f64 {
    let (ahead, behind) = (later.saturating_duration_since(earlier), earlier.saturating_duration_since(later));
    (ahead.as_secs_f64() - behind.as_secs_f64()) * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Run {
        groups: Groups,
        start: Instant,
    }

    impl Run {
        fn new() -> Self {
            Self { groups: Groups::default(), start: Instant::now() }
        }

        /// Times in milliseconds; feedback comes as the packet arrives.
        fn next(&mut self, sent: f64, arrived: f64) -> Option<Delta> {
            self.next_reported(sent, arrived, arrived)
        }

        fn next_reported(&mut self, sent: f64, arrived: f64, reported: f64) -> Option<Delta> {
            let at = |ms: f64| self.start + Duration::from_micros((ms * 1_000.0) as u64);
            let report = Report::arrived(0, at(sent), 1_200, Arrival((arrived * 1_000.0) as i64));
            self.groups.next(&report, Arrival((arrived * 1_000.0) as i64), at(reported))
        }
    }

    /// libwebrtc: InterArrivalTest.FirstPacket, FirstGroup.
    #[test]
    fn first_group() {
        let mut run = Run::new();
        assert_eq!(run.next(0.0, 17.0), None, "the first packet");
        assert_eq!(run.next(10.0, 24.0), None, "the second group begins; there is nothing to compare the first with");
        let delta = run.next(30.0, 47.0).expect("the third begins");
        assert_eq!(delta, Delta { sent: 10.0, arrived: 7.0 });
    }

    /// libwebrtc: InterArrivalTest.SecondGroup.
    #[test]
    fn second_group() {
        let mut run = Run::new();
        for (sent, arrived) in [(0.0, 17.0), (10.0, 24.0), (30.0, 47.0)] {
            run.next(sent, arrived);
        }
        assert_eq!(run.next(50.0, 65.0), Some(Delta { sent: 20.0, arrived: 23.0 }));
    }

    /// libwebrtc: InterArrivalTest.AccumulatedGroup.
    #[test]
    fn accumulated_group() {
        let mut run = Run::new();
        run.next(0.0, 17.0);
        run.next(10.0, 28.0);
        for n in 1..=5 {
            assert_eq!(run.next(10.0 + f64::from(n), 28.0 + 2.0 * f64::from(n)), None, "packet {n} of the group");
        }
        assert_eq!(run.next(40.0, 58.0), Some(Delta { sent: 15.0, arrived: 21.0 }), "the last of each group counts");
    }

    /// libwebrtc: InterArrivalTest.OutOfOrderPacket, OutOfOrderWithinGroup.
    #[test]
    fn a_packet_sent_before_the_group_is_ignored() {
        let mut run = Run::new();
        run.next(0.0, 17.0);
        run.next(20.0, 28.0);
        assert_eq!(run.next(5.0, 29.0), None);
        assert_eq!(run.next(40.0, 58.0), Some(Delta { sent: 20.0, arrived: 11.0 }));
    }

    /// libwebrtc: InterArrivalTest.TwoBursts.
    #[test]
    fn two_bursts() {
        let mut run = Run::new();
        run.next(0.0, 17.0);
        for n in 1..10 {
            assert_eq!(run.next(20.0 * f64::from(n) + 1.0, 200.0), None, "all come out of a queue at once");
        }
        assert_eq!(run.next(300.0, 400.0), Some(Delta { sent: 181.0, arrived: 183.0 }));
    }

    /// libwebrtc: InterArrivalTest.PositiveArrivalTimeJump.
    #[test]
    fn positive_arrival_time_jump() {
        let mut run = Run::new();
        run.next(0.0, 17.0);
        run.next(10.0, 27.0);
        assert!(run.next(20.0, 37.0).is_some());
        // The receiver's clock jumps; feedback does not come later for it.
        assert_eq!(run.next_reported(30.0, 3_137.0, 47.0), Some(Delta { sent: 10.0, arrived: 10.0 }));
        assert_eq!(run.next_reported(40.0, 3_147.0, 57.0), None, "the jump is seen, and all begins anew");
        assert_eq!(run.next_reported(50.0, 3_157.0, 67.0), None);
        assert_eq!(run.next_reported(60.0, 3_167.0, 77.0), None);
        assert_eq!(run.next_reported(70.0, 3_177.0, 87.0), Some(Delta { sent: 10.0, arrived: 10.0 }));
    }

    /// libwebrtc: InterArrivalTest.NegativeArrivalTimeJump.
    #[test]
    fn negative_arrival_time_jump() {
        let mut run = Run::new();
        run.next(0.0, 1_017.0);
        run.next(10.0, 1_027.0);
        assert!(run.next(20.0, 1_037.0).is_some());
        run.next(30.0, 17.0);
        for n in 0..3 {
            let (sent, arrived) = (40.0 + 10.0 * f64::from(n), 27.0 + 10.0 * f64::from(n));
            assert_eq!(run.next(sent, arrived), None, "group {n} comes before its predecessor");
        }
        for n in 0..3 {
            run.next(100.0 + 10.0 * f64::from(n), 87.0 + 10.0 * f64::from(n));
        }
        assert!(run.next(140.0, 127.0).is_some(), "after three of them all begins anew");
    }
}
