//! Handles the expired timers of transports and tracks.

use super::Plane;
use crate::event::Event;
use crate::time::Instant;
use crate::timer::{Due, Timer};

/// The expired timers of a transport or of one of its tracks, with their arena keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Overdue {
    transport: usize,
    /// None: the transport's own timers, which are sorted before those of its tracks.
    pub track: Option<usize>,
    pub due: Due,
}

impl Plane {
    /// Handles the timers that expired by `now`: retransmissions, reports, requests, silences.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(levels) = self.levels.poll(now) {
            self.stats.count_timer(Timer::AudioLevels);
            self.events.push_back(Event::AudioLevels(levels));
        }
        if self.capture.as_mut().is_some_and(|capture| capture.handle_timeout(now)) {
            self.stats.count_timer(Timer::Capture);
        }
        let mut overdue = std::mem::take(&mut self.overdue);
        // Twice: a slot that learns of a silence may need a keyframe, which is requested at once. Timers that expire
        // again after that are handled next time.
        for _ in 0..2 {
            while let Some((transport, due)) = self.transports.poll_expired(now) {
                overdue.push(Overdue { transport, track: None, due });
            }
            while let Some((track, due)) = self.tracks.poll_expired(now) {
                overdue.push(Overdue { transport: self.tracks[track].transport, track: Some(track), due });
            }
            overdue.sort_unstable();
            for of_one in overdue.chunk_by(|one, other| one.transport == other.transport) {
                self.handle_overdue(of_one, now);
            }
            overdue.clear();
        }
        self.overdue = overdue;
    }

    /// When [`Plane::handle_timeout`] is due.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        let media = [self.transports.poll_timeout(), self.tracks.poll_timeout()];
        let captured = self.capture.as_ref().and_then(|capture| capture.poll_timeout());
        media.into_iter().chain([self.levels.poll_timeout(), captured]).flatten().min()
    }

    /// Handles the expired timers of one transport.
    fn handle_overdue(&mut self, overdue: &[Overdue], now: Instant) {
        let Some(&Overdue { transport: key, .. }) = overdue.first() else { return };
        let (own, tracks) = match overdue {
            [own, tracks @ ..] if own.track.is_none() => (own.due, tracks),
            tracks => (Due::default(), tracks),
        };
        for timer in overdue.iter().flat_map(|one| one.due.iter()) {
            self.steps += 1;
            self.stats.count_timer(timer);
        }
        if own.has(Timer::Dtls) {
            self.transports[key].handle_dtls_timeout(now);
        }
        if own.has(Timer::Consent) {
            self.handle_silence(key, now);
        }
        if own.has(Timer::Ice) && self.transports[key].settle(now) {
            self.begin_slots(key, now);
        }
        if own.has(Timer::Dtls) {
            self.poll_dtls(key, None, now);
        }
        if own.has(Timer::Data) {
            self.handle_data_timeout(key, now);
        }
        if own.has(Timer::Memory) {
            self.trim(key, now);
        }
        if own.has(Timer::Estimate) {
            self.transports[key].estimator.handle_timeout(now);
            self.handle_unacknowledged(key, now);
            self.report_estimate(key, now);
        }
        if own.has_any(&[Timer::Pacer, Timer::Probe]) {
            self.transports.sending(key);
        }
        let silent = tracks.iter().filter(|track| track.due.has(Timer::Lives));
        for track in silent.filter_map(|one| one.track) {
            self.handle_track_silence(key, track, now);
        }
        let due = tracks.iter().fold(own, |due, track| due.with(track.due));
        if due.has_any(&[Timer::Feedback, Timer::Nack, Timer::Keyframe]) {
            let asking = tracks.iter().filter(|track| track.due.has_any(&[Timer::Nack, Timer::Keyframe]));
            self.poll_feedback(key, asking.filter_map(|one| one.track), now);
        }
        for track in tracks.iter().filter(|track| track.due.has(Timer::Layers)).filter_map(|one| one.track) {
            self.steps += self.tracks[track].track.encodings.len() as u64;
            let round_trip = self.transports.get(key).and_then(|transport| transport.round_trip.smoothed());
            self.events.extend(self.tracks[track].track.poll_layers(round_trip, now));
        }
        if own.has(Timer::Reports) {
            self.poll_reports(key, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Codec, PayloadType};
    use crate::command::{Command, EncodingSpec, Kind, TrackSpec};
    use crate::id::{TrackId, TransportId};
    use crate::limits::{
        MISSING_PACKETS, MISSING_READ_AT_ONCE, REQUESTED_AT_ONCE, SDP_ENCODINGS, TIMER_STEPS_PER_TRACK,
        TIMER_STEPS_PER_TRANSPORT, TRACKS, UNMEASURED_ROUND_TRIP,
    };
    use crate::plane::fixture::{keys, path, plane};
    use crate::rtp::extension::ExtensionMap;
    use crate::srtp::Outbound;
    use crate::time::ms;

    const OPUS: PayloadType = PayloadType { number: 111, codec: Codec::Opus, format: 0, clock_rate: 48_000, rtx: None };

    /// The first participant publishes this many microphones.
    fn publish(plane: &mut Plane, tracks: u64, now: Instant) {
        publish_encodings(plane, tracks, 1, now);
    }

    /// The same with so many encodings each.
    fn publish_encodings(plane: &mut Plane, tracks: u64, encodings: u64, now: Instant) {
        let ssrc = |track, encoding| 1_000 + (track * encodings + encoding) as u32;
        for track in 0..tracks {
            let spec = TrackSpec {
                id: TrackId(100 + track),
                transport: TransportId(1),
                kind: Kind::Audio,
                mid: track.to_string(),
                payload_types: vec![OPUS],
                encodings: (0..encodings)
                    .map(|encoding| EncodingSpec { rid: None, ssrc: Some(ssrc(track, encoding)), rtx_ssrc: None })
                    .collect(),
                extensions: ExtensionMap::default(),
                parameter_sets: Vec::new(),
                nack: true,
                pli: false,
                fir: false,
                repairs: Vec::new(),
            };
            plane.apply(Command::AddTrack(spec), now);
        }
        plane.handle_timeout(now);
    }

    /// A packet of one of them.
    fn send(plane: &mut Plane, peer: &mut Outbound, ssrc: u32, sequence: u16, now: Instant) {
        let mut packet = vec![0; 200];
        packet[..2].copy_from_slice(&[0x80, OPUS.number]);
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
        let length = peer.protect_rtp(&mut packet, 12, 52, ssrc, u64::from(sequence));
        plane.handle_datagram(&mut packet[..length], path(1), now, now).expect("it is taken");
    }

    fn passed(plane: &Plane, timer: Timer) -> u64 {
        plane.stats().timers().find(|(other, _)| *other == timer).map_or(0, |(_, count)| count)
    }

    #[test]
    fn a_packet_has_no_more_deadlines_looked_at_however_many_tracks_its_transport_has() {
        let looks = [1, 2, 200].map(|tracks| {
            let start = Instant::now();
            let (mut plane, _) = plane(start);
            publish(&mut plane, tracks, start);
            let mut peer = Outbound::new(&keys());
            let before = plane.tracks.looks;
            for sequence in 1..=100 {
                let now = start + ms(20) * u32::from(sequence);
                send(&mut plane, &mut peer, 1_000, sequence, now);
                if plane.poll_timeout().is_some_and(|due| due <= now) {
                    plane.handle_timeout(now);
                }
            }
            plane.tracks.looks - before
        });
        assert!(looks[0] <= 210, "{looks:?}");
        assert_eq!(looks, [looks[0]; 3]);
    }

    #[test]
    fn lists_of_missing_packets_are_read_over_several_turns_and_each_one_once() {
        let start = Instant::now();
        let (mut plane, _) = plane(start);
        publish_encodings(&mut plane, TRACKS as u64, SDP_ENCODINGS as u64, start);
        let mut peer = Outbound::new(&keys());
        let lists = TRACKS * SDP_ENCODINGS;
        for sequence in [1, MISSING_PACKETS as u16 + 2] {
            (0..lists as u32).for_each(|ssrc| send(&mut plane, &mut peer, 1_000 + ssrc, sequence, start));
        }
        let due = start + ms(10);
        let (mut read, mut turns) = (0, 0);
        while plane.poll_timeout().is_some_and(|at| at <= due) {
            let before = plane.steps();
            plane.handle_timeout(due);
            let steps = (plane.steps() - before) as usize;
            assert!(steps <= TIMER_STEPS_PER_TRANSPORT + TRACKS * TIMER_STEPS_PER_TRACK, "{steps} steps");
            (read, turns) = (read + steps, turns + 1);
        }
        let (all, a_turn) = (lists * MISSING_PACKETS, 2 * MISSING_READ_AT_ONCE);
        assert_eq!(turns, all / a_turn, "what waits is read as soon as others had their turn");
        let others = turns * (TIMER_STEPS_PER_TRANSPORT - a_turn + TRACKS * TIMER_STEPS_PER_TRACK);
        assert!((all..all + others).contains(&read), "{read} steps for {all} packets");
        assert_eq!(plane.stats().nacks_sent, REQUESTED_AT_ONCE as u64, "as many as in one turn");
        // Those that were not requested are requested in the next round.
        plane.handle_timeout(due + UNMEASURED_ROUND_TRIP);
        assert_eq!(plane.stats().nacks_sent, 2 * REQUESTED_AT_ONCE as u64);
    }

    #[test]
    fn only_the_track_that_is_due_is_run_and_counted_by_what_was_due() {
        let start = Instant::now();
        let (mut plane, _) = plane(start);
        publish(&mut plane, 50, start);
        let mut peer = Outbound::new(&keys());
        for ssrc in 1_000..1_050 {
            send(&mut plane, &mut peer, ssrc, 1, start);
        }
        plane.handle_timeout(start);
        let before = (passed(&plane, Timer::Nack), passed(&plane, Timer::Layers), plane.tracks.looks);
        // One microphone misses a packet.
        send(&mut plane, &mut peer, 1_007, 3, start + ms(5));
        let due = plane.poll_timeout().expect("it is to be asked for");
        plane.handle_timeout(due);
        plane.poll_timeout();
        let after = (passed(&plane, Timer::Nack), passed(&plane, Timer::Layers), plane.tracks.looks);
        assert_eq!((after.0 - before.0, after.1 - before.1, after.2 - before.2), (1, 0, 2));
        assert_eq!(plane.stats().nacks_sent, 1);
    }
}
