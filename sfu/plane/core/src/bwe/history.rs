//! What was sent with which transport-wide number, until feedback tells what became of it.

use std::collections::VecDeque;

use super::probe_result::Cluster;
use super::units::Arrival;
use super::{Kind, Report};
use crate::limits::{FEEDBACK_STATUSES, SENT_NUMBERS, STATUSES_AT_ONCE, STATUSES_PER_PACKET};
use crate::time::{Duration, Instant, ms};

/// Feedback later than this tells nothing of the present.
const AGE: Duration = ms(5_000);
/// Clusters whose packets are remembered. One is sent at a time, and takes a fraction of a second.
const CLUSTERS: usize = 8;

/// A sent packet, in few octets: there are thousands for each transport.
#[derive(Clone, Copy, Debug)]
struct Sent {
    /// Microseconds since `History::since`, wrapping.
    at: u32,
    octets: u16,
    kind: Kind,
    fate: Fate,
    /// The index of its cluster, modulo [`CLUSTERS`].
    cluster: Option<u8>,
    /// It was retransmitted under the same number.
    is_repeated: bool,
}

const _: () = assert!(size_of::<Sent>() <= 12);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    InFlight,
    /// Reported as lost; it may still arrive.
    Missing,
    Arrived,
}

/// The packets of one transport that have a number, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    sent: VecDeque<Sent>,
    /// The number of the first packet in `sent`, without wrapping.
    first: u64,
    /// When the first packet of all was sent.
    since: Option<Instant>,
    /// When the last one was, in microseconds since then.
    newest: u64,
    clusters: [Option<Cluster>; CLUSTERS],
    /// Octets whose fate is unknown.
    in_flight: u64,
    /// Statuses that feedback may report on.
    statuses: usize,
}

impl History {
    /// Octets of one record.
    pub const PLACE: usize = size_of::<Sent>();

    /// Octets of the records.
    pub fn memory(&self) -> usize {
        self.sent.capacity() * Self::PLACE
    }

    /// The number of remembered packets.
    pub fn remembered(&self) -> usize {
        self.sent.len()
    }

    /// The number of the next packet, without wrapping.
    pub fn next(&self) -> u64 {
        self.first + self.sent.len() as u64
    }

    /// True if all these numbers were sent, and recently enough to distinguish them from future ones.
    pub fn covers(&self, base: u16, count: u16) -> bool {
        let next = self.next();
        let back = u64::from((next as u16).wrapping_sub(base));
        back <= next.min(FEEDBACK_STATUSES.into()) && (1..=back).contains(&count.into())
    }

    /// Records a packet, which leaves with the next number. `octets` are those of the datagram.
    pub fn sent(&mut self, octets: u32, kind: Kind, cluster: Option<Cluster>, now: Instant) {
        let at = self.micros(now);
        while self.sent.front().is_some_and(|oldest| {
            self.sent.len() >= SENT_NUMBERS || u128::from(at.wrapping_sub(oldest.at)) > AGE.as_micros()
        }) {
            self.forget_oldest();
        }
        let cluster = cluster.map(|cluster| {
            let index = cluster.id as usize % CLUSTERS;
            self.clusters[index] = Some(cluster);
            index as u8
        });
        let octets = octets.min(u16::MAX.into());
        self.sent.push_back(Sent {
            at,
            octets: octets as u16,
            kind,
            fate: Fate::InFlight,
            cluster,
            is_repeated: false,
        });
        self.in_flight += u64::from(octets);
        self.statuses = (self.statuses + STATUSES_PER_PACKET).min(STATUSES_AT_ONCE);
    }

    /// Records that a packet left again, with the number of the first time: its arrival tells neither delay nor rate.
    pub fn repeated(&mut self, number: u16) {
        let ahead = number.wrapping_sub(self.first as u16);
        if let Some(packet) = self.sent.get_mut(usize::from(ahead)) {
            packet.is_repeated = true;
        }
    }

    /// Octets that were sent and are neither known to have arrived nor to be lost.
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// True if feedback may report on so many packets now. They are then used up: the work of feedback is bounded by the
    /// number of sent packets, however often a peer repeats it.
    pub fn spend(&mut self, statuses: usize) -> bool {
        let is_allowed = statuses <= self.statuses;
        if is_allowed {
            self.statuses -= statuses;
        }
        is_allowed
    }

    /// What a feedback says of the packet with this number, and the cluster that it was part of. None: it is not
    /// remembered, or nothing new is said.
    pub fn report(&mut self, number: u16, arrived: Option<Arrival>) -> Option<(Report, Option<Cluster>)> {
        let ahead = number.wrapping_sub(self.first as u16);
        let since = self.since?;
        let newest = self.sent.back()?.at;
        let number = self.first + u64::from(ahead);
        let packet = self.sent.get_mut(usize::from(ahead))?;
        let before = packet.fate;
        packet.fate = match (before, arrived) {
            (Fate::InFlight, None) => Fate::Missing,
            (Fate::InFlight | Fate::Missing, Some(_)) => Fate::Arrived,
            (Fate::Missing, None) | (Fate::Arrived, _) => return None,
        };
        if before == Fate::InFlight {
            self.in_flight -= u64::from(packet.octets);
        }
        let report = Report {
            number,
            sent: since + Duration::from_micros(self.newest - u64::from(newest.wrapping_sub(packet.at))),
            octets: packet.octets.into(),
            kind: packet.kind,
            arrived,
            is_late: before == Fate::Missing,
            is_repeated: packet.is_repeated,
        };
        let cluster = packet.cluster.and_then(|index| self.clusters[usize::from(index)]);
        Some((report, cluster))
    }

    fn micros(&mut self, now: Instant) -> u32 {
        let since = *self.since.get_or_insert(now);
        self.newest = now.saturating_duration_since(since).as_micros() as u64;
        self.newest as u32
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.sent.pop_front() else { return };
        self.first += 1;
        if oldest.fate == Fate::InFlight {
            self.in_flight -= u64::from(oldest.octets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Option<Arrival> = Some(Arrival(0));

    #[test]
    fn each_fate_is_reported_once() {
        let (mut history, now) = (History::default(), Instant::now());
        for _ in 0..3 {
            history.sent(100, Kind::Video, None, now);
        }
        assert_eq!(history.in_flight(), 300);
        let late = |found: Option<(Report, Option<Cluster>)>| found.map(|(report, _)| report.is_late);
        assert_eq!(late(history.report(0, AT)), Some(false));
        assert_eq!(late(history.report(1, None)), Some(false));
        assert_eq!(history.in_flight(), 100);
        assert_eq!(late(history.report(1, None)), None, "nothing new");
        assert_eq!(late(history.report(1, AT)), Some(true), "it arrived after all");
        assert_eq!(late(history.report(1, AT)), None);
        assert_eq!(late(history.report(0, None)), None);
        assert_eq!(late(history.report(3, AT)), None, "it was not sent");
        assert_eq!(late(history.report(65_535, AT)), None);
        assert_eq!(history.in_flight(), 100);
    }

    #[test]
    fn numbers_wrap_and_memory_is_bounded() {
        let (mut history, now) = (History::default(), Instant::now());
        for _ in 0..70_000 {
            history.sent(1, Kind::Audio, None, now);
        }
        assert_eq!((history.in_flight(), history.next()), (SENT_NUMBERS as u64, 70_000));
        let (report, _) = history.report((70_000_u64 - 1) as u16, AT).expect("the newest");
        assert_eq!(report.number, 69_999);
        assert!(history.report((70_000_u64 - SENT_NUMBERS as u64 - 1) as u16, AT).is_none(), "too old");
        history.sent(1, Kind::Audio, None, now + AGE + ms(1));
        assert_eq!(history.in_flight(), 1);
        assert_eq!(history.report(70_000_u32 as u16, AT).map(|(report, _)| report.number), Some(70_000));
    }

    #[test]
    fn times_and_clusters_are_those_of_each_packet() {
        let (mut history, start) = (History::default(), Instant::now());
        let cluster = |id| Cluster { id, rate: crate::bwe::units::Rate::kbps(900), packets: 5, octets: 2_000 };
        // 5,000 s: the microseconds wrap at 4,295 s.
        for second in 0..5_000 {
            history.sent(100, Kind::Probe, (second % 2 == 0).then(|| cluster(second / 2)), start + ms(1_000) * second);
        }
        for second in 4_996..5_000 {
            let (report, found) = history.report(second as u16, AT).expect("it is remembered");
            assert_eq!(report.sent, start + ms(1_000) * second);
            assert_eq!(found, (second % 2 == 0).then(|| cluster(second / 2)));
        }
    }

    #[test]
    fn feedback_is_read_in_proportion_to_what_was_sent() {
        let (mut history, now) = (History::default(), Instant::now());
        assert!(!history.spend(1), "nothing was sent");
        for _ in 0..10 {
            history.sent(100, Kind::Video, None, now);
        }
        for _ in 0..STATUSES_PER_PACKET {
            assert!(history.spend(10));
        }
        assert!(!history.spend(1), "it was repeated too often");
        history.sent(100, Kind::Video, None, now);
        assert!(history.spend(STATUSES_PER_PACKET));
    }

    #[test]
    fn feedback_is_about_numbers_that_were_sent_and_no_others() {
        let table = [
            // Sent so far, base, count.
            (0, 0, 1, false),
            (0, 65_535, 1, false),
            (1, 0, 1, true),
            (1, 0, 0, false),
            (1, 0, 2, false),
            (1, 1, 1, false),
            (1, 65_535, 2, false),
            (100, 90, 10, true),
            (100, 90, 11, false),
            (65_540, 65_530, 10, true),
            (65_540, 65_530, 11, false),
            (65_540, 4, 1, false),
            (200_000, (200_000_u32 - 32_768) as u16, 32_768, true),
            (200_000, (200_000_u32 - 32_769) as u16, 1, false),
        ];
        for (sent, base, count, expected) in table {
            let history = History { first: sent, ..History::default() };
            assert_eq!(history.covers(base, count), expected, "{count} from {base} on, of {sent}");
        }
    }

    #[test]
    fn a_packet_that_left_twice_is_marked() {
        let (mut history, now) = (History::default(), Instant::now());
        (0..2).for_each(|_| history.sent(100, Kind::Audio, None, now));
        history.repeated(1);
        history.repeated(2);
        let repeated = [0, 1].map(|number| history.report(number, AT).map(|(report, _)| report.is_repeated));
        assert_eq!(repeated, [Some(false), Some(true)]);
    }
}
