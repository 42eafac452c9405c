//! Consent to send and presence of a peer, judged by its silence (RFC 7675, with our own numbers).
//!
//! Everything authenticated refreshes it: checks, media, reports and DTLS. How much silence is too long depends on how
//! often the peer should send. A transport has two of these: one for the path it sends over, whose silence ends the
//! consent to send, and one for all its paths, whose silence means that the participant is gone.

use std::collections::VecDeque;

use crate::config::Silence;
use crate::time::{Duration, Instant, ms};

/// How long a gap counts for the patience with a peer: the minute before its silence began.
const MEMORY: Duration = ms(60_000);

/// How long a Binding Indication (RFC 8445 s11) shows that the participant is present: libnice sends one every 25 s, and
/// one may get lost. Shorter silences in the configuration do not shorten it, because no setting of ours changes how
/// often clients send it. Longer ones extend it: it shows as much as any packet.
const KEPT_ALIVE: Duration = ms(60_000);

/// A participant that has sent nothing since the handshake may be silent for this multiple of the longest silence: 30
/// s, as long as consent to send may last (RFC 7675 s5.1). libnice sends its first Binding Indication after 25 s, and a
/// libnice client without media and checks sends nothing else.
const FIRST_WORD: u32 = 2;
/// Checks and answers this soon after the handshake belong to it. Some peers send consent checks every 2.5 s; from
/// others the first comes after at least 4 s (RFC 7675 s5.1).
const GREETING: Duration = ms(2_000);

/// Packets with transport-wide numbers that are closer together than this form one run.
const RUN: Duration = ms(1_000);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Heard,
    Disconnected,
}

/// A run of packets with transport-wide numbers. A peer that supports feedback answers it several times a second.
#[derive(Clone, Copy)]
struct Run {
    first: Instant,
    last: Instant,
}

/// The consent of one path, or the presence on all paths.
pub struct Consent {
    config: Silence,
    state: State,
    heard: Instant,
    /// Gaps long enough to change the patience, with the time they ended.
    gaps: VecDeque<(Instant, Duration)>,
    /// The shortest gap that can change the patience.
    notable: Duration,
    returns_feedback: bool,
    run: Option<Run>,
    kept_alive: Option<Instant>,
    /// When the handshake finished. Set only for the presence of a participant.
    greeted: Option<Instant>,
}

impl Consent {
    pub fn new(config: Silence, now: Instant) -> Self {
        Self {
            notable: config.shortest.div_f32(config.factor),
            config,
            state: State::Heard,
            heard: now,
            gaps: VecDeque::new(),
            returns_feedback: false,
            run: None,
            kept_alive: None,
            greeted: None,
        }
    }

    /// Handles an authenticated packet. Returns true if the peer was disconnected and resumes.
    pub fn refresh(&mut self, now: Instant) -> bool {
        let gap = now.saturating_duration_since(self.heard);
        if gap > self.notable {
            self.gaps.push_back((now, gap));
            while self.gaps.front().is_some_and(|(ended, _)| now.saturating_duration_since(*ended) > MEMORY) {
                self.gaps.pop_front();
            }
        }
        self.heard = self.heard.max(now);
        std::mem::replace(&mut self.state, State::Heard) == State::Disconnected
    }

    /// Handles a Binding Indication. Anybody can have sent it, so it extends the presence of a participant, never the
    /// consent to send. It has no effect on a peer that sent something authenticated later. Returns true if the peer
    /// was disconnected and resumes.
    pub fn kept_alive(&mut self, now: Instant) -> bool {
        self.kept_alive = Some(now);
        std::mem::replace(&mut self.state, State::Heard) == State::Disconnected
    }

    /// Handles a change of the path. Feedback over the old path says nothing about the new one, so it is forgotten; the
    /// gaps of the peer are kept.
    pub fn moved(&mut self, now: Instant) {
        (self.returns_feedback, self.run) = (false, None);
        (self.heard, self.state) = (now, State::Heard);
    }

    /// Notes that the handshake of this participant has finished.
    pub fn greeted(&mut self, now: Instant) {
        self.greeted = Some(now);
    }

    /// Notes that a packet with a transport-wide number was sent.
    pub fn sent_with_feedback(&mut self, now: Instant) {
        match &mut self.run {
            // Most packets of a batch have the same time.
            Some(run) if run.last == now => {}
            Some(run) if now.saturating_duration_since(run.last) <= RUN => run.last = now,
            run => *run = Some(Run { first: now, last: now }),
        }
    }

    /// Notes that transport-wide feedback came. Call [`Consent::refresh`] for it as well.
    pub fn handle_feedback(&mut self, _now: Instant) {
        self.returns_feedback = true;
    }

    /// Returns true if the peer has just become disconnected: nothing more is sent to it until it is heard again.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        let over = self.poll_timeout().is_some_and(|deadline| deadline <= now);
        if over {
            self.state = State::Disconnected;
        }
        over
    }

    /// When the peer becomes disconnected if it stays silent.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_disconnected() {
            return None;
        }
        let patience = self.patience();
        let patient = self.heard
            + if self.said_nothing() { patience.max(self.config.longest.saturating_mul(FIRST_WORD)) } else { patience };
        if let Some(kept) = self.kept_alive.filter(|&kept| kept > self.heard) {
            return Some(patient.max(kept + KEPT_ALIVE.max(self.config.longest)));
        }
        let feedback = self.run.filter(|_| self.returns_feedback).and_then(|run| {
            // A run that has just begun cannot have been answered yet: a microphone unmuted 4 s after the last check of
            // a listener must not disconnect the listener.
            let deadline = self.heard.max(run.first) + self.config.with_feedback;
            (deadline <= run.last + RUN).then_some(deadline)
        });
        Some(feedback.map_or(patient, |deadline| deadline.min(patient)))
    }

    pub fn is_disconnected(&self) -> bool {
        self.state == State::Disconnected
    }

    /// How long this peer may be silent if nothing is sent to it. Audio RTCP comes every 5 s, consent checks of Firefox
    /// and aiortc every 4-6 s.
    pub fn patience(&self) -> Duration {
        if self.gaps.is_empty() {
            return self.config.shortest.min(self.config.longest);
        }
        let remembered = self.gaps.iter().filter(|(ended, _)| self.heard.saturating_duration_since(*ended) <= MEMORY);
        let longest = remembered.map(|(_, gap)| *gap).max().unwrap_or_default();
        let factored = longest.min(self.config.longest).mul_f32(self.config.factor);
        factored.max(self.config.shortest).min(self.config.longest)
    }

    /// True if the participant has sent nothing since its handshake.
    fn said_nothing(&self) -> bool {
        self.greeted.is_some_and(|greeted| self.heard.saturating_duration_since(greeted) <= GREETING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTES_10: u64 = 600_000;

    /// Plays a peer that sends at these times (ms). Returns when it was disconnected.
    fn disconnects(consent: &mut Consent, start: Instant, heard: impl Iterator<Item = u64>) -> Vec<u64> {
        let mut disconnects = Vec::new();
        for at in heard {
            while let Some(deadline) = consent.poll_timeout().filter(|deadline| *deadline <= start + ms(at)) {
                assert!(consent.handle_timeout(deadline));
                disconnects.push((deadline - start).as_millis() as u64);
            }
            consent.refresh(start + ms(at));
        }
        disconnects
    }

    /// Random intervals between `from` and `to` ms, from a seeded generator.
    fn jittered(from: u64, to: u64, seed: u64) -> impl Iterator<Item = u64> {
        let mut state = seed;
        let mut at = 0;
        std::iter::from_fn(move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            at += from + (state >> 33) % (to - from + 1);
            (at <= MINUTES_10).then_some(at)
        })
    }

    fn quiet_minutes(heard: impl Iterator<Item = u64>) -> Vec<u64> {
        let start = Instant::now();
        disconnects(&mut Consent::new(Silence::default(), start), start, heard)
    }

    #[test]
    fn a_muted_firefox_is_not_disconnected_by_its_checks_every_five_seconds() {
        assert_eq!(quiet_minutes((1..).map(|n| n * 5_000).take_while(|&at| at <= MINUTES_10)), []);
    }

    #[test]
    fn a_muted_aiortc_is_not_disconnected_by_its_checks_every_four_to_six_seconds() {
        for seed in 0..200 {
            assert_eq!(quiet_minutes(jittered(4_000, 6_000, seed)), [], "seed {seed}");
        }
    }

    #[test]
    fn an_audio_only_listener_is_not_disconnected_between_its_reports_and_checks() {
        // RTCP every 5 s +-50 % (RFC 3550 s6.3.1) beside checks.
        for seed in 0..200 {
            let mut heard: Vec<u64> = jittered(2_500, 7_500, seed).chain(jittered(4_000, 6_000, !seed)).collect();
            heard.sort_unstable();
            assert_eq!(quiet_minutes(heard.into_iter()), [], "seed {seed}");
        }
    }

    #[test]
    fn one_lost_check_is_survived_once_the_rhythm_is_known() {
        let heard = (1..120).filter(|n| n % 7 != 5).map(|n| n * 5_000);
        assert_eq!(quiet_minutes(heard), []);
    }

    #[test]
    fn a_peer_without_feedback_is_given_up_by_the_longest_gap_of_its_last_minute() {
        for (interval, patience) in [(1_000, 8_000), (3_000, 8_000), (4_000, 10_000), (5_000, 12_500), (7_000, 15_000)]
        {
            let start = Instant::now();
            let mut consent = Consent::new(Silence::default(), start);
            assert_eq!(disconnects(&mut consent, start, (1..10).map(|n| n * interval)), []);
            assert_eq!(consent.poll_timeout(), Some(start + ms(9 * interval + patience)));
        }
    }

    #[test]
    fn a_peer_that_says_nothing_but_keeps_its_path_alive_is_there_for_a_minute() {
        let start = Instant::now();
        let mut consent = Consent::new(Silence::default(), start);
        assert!(consent.handle_timeout(start + ms(8_000)));
        assert!(consent.kept_alive(start + ms(25_000)), "the first one brings it back");
        for at in (50_000..600_000).step_by(25_000) {
            assert!(!consent.handle_timeout(start + ms(at)) && !consent.kept_alive(start + ms(at)));
        }
        assert_eq!(consent.poll_timeout(), Some(start + ms(575_000 + 60_000)));
        consent.refresh(start + ms(590_000));
        assert!(consent.poll_timeout() <= Some(start + ms(605_000)), "who says more is missed sooner");
    }

    #[test]
    fn an_indication_counts_for_a_minute_also_with_short_silences_and_for_the_longest_one_if_that_is_longer() {
        let start = Instant::now();
        for (longest, expected) in [(ms(2_000), ms(60_000)), (ms(60_000), ms(60_000)), (ms(90_000), ms(90_000))] {
            let config = Silence { shortest: ms(1_000), longest, ..Silence::default() };
            let mut consent = Consent::new(config, start);
            consent.kept_alive(start + ms(25_000));
            assert_eq!(consent.poll_timeout(), Some(start + ms(25_000) + expected), "{longest:?}");
        }
    }

    #[test]
    fn a_participant_that_says_nothing_after_its_handshake_is_there_until_its_first_indication_is_due() {
        let start = Instant::now();
        let mut silent = Consent::new(Silence::default(), start);
        silent.greeted(start);
        silent.refresh(start + ms(1_500));
        assert!(!silent.handle_timeout(start + ms(31_499)) && !silent.kept_alive(start + ms(25_000)));
        let mut gone = Consent::new(Silence::default(), start);
        gone.greeted(start);
        assert_eq!(gone.poll_timeout(), Some(start + ms(30_000)));
        // A peer that makes checks, or that returned feedback, is disconnected as before.
        let mut browser = Consent::new(Silence::default(), start);
        browser.greeted(start);
        browser.refresh(start + ms(2_500));
        assert_eq!(browser.poll_timeout(), Some(start + ms(10_500)));
        gone.handle_feedback(start);
        gone.sent_with_feedback(start);
        gone.sent_with_feedback(start + ms(900));
        (1..4).for_each(|second| gone.sent_with_feedback(start + ms(900 + second * 1_000)));
        assert_eq!(gone.poll_timeout(), Some(start + ms(4_000)));
    }

    #[test]
    fn a_gap_counts_for_a_minute() {
        let start = Instant::now();
        let mut consent = Consent::new(Silence::default(), start);
        let heard = std::iter::once(6_000).chain((1..=60).map(|n| 6_000 + n * 1_000));
        assert_eq!(disconnects(&mut consent, start, heard), []);
        assert_eq!(consent.poll_timeout(), Some(start + ms(66_000 + 15_000)));
    }

    #[test]
    fn of_a_day_of_gaps_only_those_of_the_last_minute_are_kept() {
        let start = Instant::now();
        let mut consent = Consent::new(Silence::default(), start);
        let notable = consent.notable.as_millis() as u64;
        for n in 1..86_400_000 / 5_000 {
            consent.refresh(start + ms(n * 5_000));
            assert!(consent.gaps.len() as u64 <= 60_000 / notable + 1, "{} gaps", consent.gaps.len());
        }
        assert_eq!(consent.gaps.len(), 13);
    }

    #[test]
    fn on_another_path_the_longer_patience_counts_until_feedback_came_over_it() {
        let start = Instant::now();
        let mut consent = Consent::new(Silence::default(), start);
        consent.handle_feedback(start);
        consent.sent_with_feedback(start);
        consent.sent_with_feedback(start + ms(900));
        consent.moved(start + ms(1_000));
        for at in (1_000..8_000).step_by(20) {
            consent.sent_with_feedback(start + ms(at));
        }
        assert_eq!(consent.poll_timeout(), Some(start + ms(9_000)));
        consent.handle_feedback(start + ms(8_000));
        assert_eq!(consent.poll_timeout(), Some(start + ms(5_000)));
    }

    #[test]
    fn a_gap_is_forgotten_after_a_minute() {
        let start = Instant::now();
        let mut consent = Consent::new(Silence::default(), start);
        let heard = std::iter::once(6_000).chain((1..=61).map(|n| 6_000 + n * 1_000));
        assert_eq!(disconnects(&mut consent, start, heard), []);
        assert_eq!(consent.poll_timeout(), Some(start + ms(67_000 + 8_000)));
    }

    #[test]
    fn a_peer_that_returned_feedback_is_given_up_after_four_seconds_while_it_is_sent_to() {
        let start = Instant::now();
        let mut consent = Consent::new(Silence::default(), start);
        consent.handle_feedback(start);
        let mut disconnected = None;
        for at in (0..10_000).step_by(20) {
            if consent.handle_timeout(start + ms(at)) {
                disconnected = Some(at);
                break;
            }
            consent.sent_with_feedback(start + ms(at));
            if at <= 1_000 {
                consent.refresh(start + ms(at));
            }
        }
        assert_eq!(disconnected, Some(5_000));
        assert!(consent.is_disconnected() && consent.poll_timeout().is_none());
        assert!(consent.refresh(start + ms(9_000)), "its first packet resumes it");
        assert!(!consent.refresh(start + ms(9_001)));
    }

    #[test]
    fn a_peer_that_never_returned_feedback_or_is_sent_nothing_is_given_the_longer_time() {
        let start = Instant::now();
        let mut never = Consent::new(Silence::default(), start);
        let mut unsent = Consent::new(Silence::default(), start);
        unsent.handle_feedback(start);
        for at in (0..6_000).step_by(20) {
            never.sent_with_feedback(start + ms(at));
            if at < 2_000 {
                unsent.sent_with_feedback(start + ms(at));
            }
        }
        assert_eq!(never.poll_timeout(), Some(start + ms(8_000)));
        assert_eq!(unsent.poll_timeout(), Some(start + ms(8_000)));
    }

    #[test]
    fn speech_that_begins_late_in_a_quiet_spell_gives_the_listener_time_to_answer() {
        let start = Instant::now();
        let mut consent = Consent::new(Silence::default(), start);
        consent.handle_feedback(start);
        for at in (0..120_000).step_by(20) {
            // A check each 5 s; ten seconds of speech begin 4.9 s after one, and are answered 100 ms later.
            let now = start + ms(at);
            assert!(!consent.handle_timeout(now), "at {at} ms");
            let phase = at % 40_000;
            if at % 5_000 == 0 || ((5_000..14_900).contains(&phase) && at % 100 == 0) {
                consent.refresh(now);
            }
            if (4_900..14_900).contains(&phase) {
                consent.sent_with_feedback(now);
            }
        }
    }
}
