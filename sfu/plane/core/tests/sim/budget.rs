//! Checks the limits of `limits.rs` on the wire: what the plane may send and store for what it received. A violation
//! fails the test.
//!
//! It sees datagrams, like the network. Of the plane's own counters it uses only whether a datagram was refused, its
//! work in steps, and the stored memory. Every simulated call runs under it; other callers pass datagrams to
//! [`Budget::handle`] and what the [`Plane`] sends to [`Budget::sent`].

use std::collections::{HashMap, HashSet};

use plane_core::command::Path;
use plane_core::config::{DataLimits, Silence};
use plane_core::demux::{Protocol, protocol};
use plane_core::limits::{
    AMPLIFICATION, ARRIVALS_MEMORY, CAUSED_AT_ONCE, DATAGRAM, ESTIMATOR_MEMORY, FEEDBACK_PER_SECOND,
    HANDSHAKE_PER_SECOND, KEPT_PER_TRANSPORT, MISSING_MEMORY, REPORTS_PER_SECOND, SENT_MEMORY, STEPS_PER_DATAGRAM,
    STEPS_PER_SLOT, TIMER_STEPS_PER_SLOT, TIMER_STEPS_PER_TRACK, TIMER_STEPS_PER_TRANSPORT, WAITING_MEMORY,
    WINDOWS_MEMORY,
};
use plane_core::time::{Duration, Instant, ms};
use plane_core::{Discard, Plane};

use super::account::{Account, Made};

/// Our header extensions, an original sequence number and larger descriptors may be added to a packet.
const MEDIA_GROWTH: usize = 64;
/// Octets of our Binding requests to a proven path: two in the first wait of 250 ms, and one more with each check.
const REQUESTS_PER_SECOND: usize = 2_000;
const SECOND: Duration = Duration::from_secs(1);
/// Octets of the authentication tag of AEAD_AES_128_GCM (RFC 7714 s12), which all simulated peers use.
const TAG: usize = 16;
/// How long the old path is silent before media goes to a new, unproven one.
const OLD_PATH_SILENCE: Duration = ms(1_000);
/// Memory is checked once in this many turns.
const LOOKS: usize = 64;
/// One packet above the limit: its payload and its record. Room is made only when it arrives.
const KEPT_PACKET: usize = 4_096;

pub struct Budget {
    accounts: HashMap<Path, Account>,
    /// The largest media datagram that came from anybody.
    largest: usize,
    longest_silence: Duration,
    /// SSRCs of ours for retransmissions.
    repairs: HashSet<u32>,
    looks: usize,
    caused: Caused,
}

/// The limits for what datagrams have caused since the last sending.
#[derive(Default)]
struct Caused {
    /// The number of datagrams since the last sending.
    by: usize,
    /// The number of datagrams that caused the present sending.
    allowed: usize,
    at: Option<Instant>,
    octets: HashMap<Path, usize>,
}

impl Caused {
    /// Checks the octets of one sending. Timers and commands count as one more datagram.
    fn add(&mut self, path: Path, octets: usize, now: Instant) {
        if self.at != Some(now) {
            self.octets.clear();
            (self.at, self.allowed) = (Some(now), 1);
        }
        self.allowed += std::mem::take(&mut self.by);
        let sum = self.octets.entry(path).or_default();
        *sum += octets;
        assert!(
            *sum <= self.allowed * CAUSED_AT_ONCE,
            "{sum} octets to {path:?} at once, of {} datagrams",
            self.allowed
        );
    }
}

impl Budget {
    pub fn new(silence: Silence) -> Self {
        Self {
            accounts: HashMap::new(),
            largest: 0,
            longest_silence: silence.longest,
            repairs: HashSet::new(),
            looks: 0,
            caused: Caused::default(),
        }
    }

    /// This SSRC carries retransmissions of another one.
    pub fn note_repairs(&mut self, ssrc: Option<u32>) {
        self.repairs.extend(ssrc);
    }

    /// Handles the plane's timeouts, and checks the steps of timers.
    pub fn handle_timeout(&mut self, plane: &mut Plane, now: Instant) {
        let before = plane.steps();
        plane.handle_timeout(now);
        let (steps, stats) = ((plane.steps() - before) as usize, plane.stats());
        let allowed = stats.transports as usize * TIMER_STEPS_PER_TRANSPORT
            + stats.tracks as usize * TIMER_STEPS_PER_TRACK
            + stats.slots as usize * TIMER_STEPS_PER_SLOT;
        assert!(steps <= allowed, "{steps} steps of timers, {allowed} are allowed");
    }

    /// Passes a datagram to the plane, and records what it allows.
    pub fn handle(
        &mut self,
        plane: &mut Plane,
        datagram: &mut [u8],
        path: Path,
        received: Instant,
        now: Instant,
    ) -> Result<(), Discard> {
        let (kind, octets, first) = (protocol(datagram), datagram.len(), datagram.first().copied().unwrap_or(0));
        let epoch = datagram.get(3..5).map_or(0, |epoch| u16::from_be_bytes([epoch[0], epoch[1]]));
        let is_whole = is_whole(datagram);
        let before = plane.steps();
        let result = plane.handle_datagram(datagram, path, received, now);
        let (steps, slots) = ((plane.steps() - before) as usize, plane.stats().slots as usize);
        assert!(
            steps <= STEPS_PER_DATAGRAM + slots * STEPS_PER_SLOT,
            "{steps} steps of {octets} octets, {slots} slots"
        );
        self.caused.by += 1;
        let account = self.accounts.entry(path).or_default();
        account.heard += octets;
        account.recently_heard.add(octets, SECOND, now);
        let is_indication = datagram.starts_with(&[0, 0x11]);
        let is_authentic = match kind {
            Ok(Protocol::Stun | Protocol::Dtls) => result.is_ok() && !is_indication,
            Ok(Protocol::Rtp) => is_whole && is_authentic(result),
            Ok(Protocol::Rtcp) => is_authentic(result) && result != Err(Discard::Truncated),
            Err(_) => false,
        };
        if is_authentic {
            account.heard_at = Some(now);
            // Only the DTLS library knows whether the peer sent a record.
            if kind != Ok(Protocol::Dtls) {
                account.surely_heard_at = Some(now);
            }
        }
        match kind {
            Ok(Protocol::Stun) => {
                account.asked += octets;
                if is_authentic && let Some(name) = named(datagram) {
                    account.name = Some(name);
                }
                // The answer to our request, signed by the peer.
                account.proven |= result.is_ok() && datagram.starts_with(&[1, 1]);
            }
            // A unified header (RFC 9147 s4), or a record of an epoch with keys.
            Ok(Protocol::Dtls) => account.proven |= result.is_ok() && (first & 0xE0 == 0x20 || epoch > 0),
            Ok(Protocol::Rtp) => {
                self.largest = self.largest.max(octets);
                account.proven |= is_authentic;
            }
            Ok(Protocol::Rtcp) => account.proven |= is_authentic,
            Err(_) => {}
        }
        result
    }

    /// Checks a sent datagram.
    pub fn sent(&mut self, path: Path, datagram: &[u8], now: Instant) {
        let (account, octets) = (self.accounts.entry(path).or_default(), datagram.len());
        let silence = self.longest_silence;
        self.caused.add(path, octets, now);
        let made = match protocol(datagram) {
            Ok(Protocol::Stun) if datagram.starts_with(&[0, 1]) => Made::Request,
            Ok(Protocol::Stun) => Made::Stun,
            // Application data of DTLS 1.2; DTLS 1.3 hides which is which.
            Ok(Protocol::Dtls) if datagram[0] == 23 || datagram[0] & 0xE0 == 0x20 => Made::Data,
            Ok(Protocol::Dtls) => Made::Handshake,
            Ok(Protocol::Rtcp) if matches!(datagram[1], 200 | 201) => Made::Reports,
            Ok(Protocol::Rtcp) => Made::Feedback,
            Ok(Protocol::Rtp) => {
                let most = DATAGRAM.max(self.largest + MEDIA_GROWTH);
                assert!(octets <= most, "a media packet of {octets} octets, where {most} were the largest that came");
                let is_rtx = self.repairs.contains(&u32::from_be_bytes(datagram[8..12].try_into().expect("an SSRC")));
                account.repair(datagram, is_rtx, path);
                if account.send_media(octets, silence, path, now) {
                    self.check_silence_of_others(path, now);
                }
                return;
            }
            Err(why) => panic!("what leaves for {path:?} is of no protocol: {why:?}"),
        };
        assert!(octets <= DATAGRAM, "{made:?} of {octets} octets for {path:?}");
        let recent = account.recent.entry(made).or_default().add(octets, SECOND, now);
        let heard = account.recently_heard.octets;
        // They go where media goes.
        let goes_along = matches!(made, Made::Reports | Made::Feedback | Made::Data);
        let is_first = goes_along && account.send_media(octets, silence, path, now);
        match made {
            Made::Stun => {
                account.answered += octets;
                let (asked, answered) = (account.asked, account.answered);
                assert!(answered <= asked, "{path:?} asked with {asked} octets and was answered with {answered}");
            }
            Made::Handshake | Made::Request if !account.proven => {
                account.handshake += octets;
                let (heard, sent) = (account.heard, account.handshake + account.answered);
                assert!(sent <= AMPLIFICATION * heard, "{sent} octets to {path:?}, which sent {heard}");
            }
            Made::Request => {
                assert!(recent <= REQUESTS_PER_SECOND, "{recent} octets of requests to {path:?} in a second")
            }
            Made::Handshake => {
                assert!(recent <= HANDSHAKE_PER_SECOND, "{recent} octets of handshake to {path:?} in a second");
            }
            Made::Reports => {
                assert!(recent <= REPORTS_PER_SECOND, "{recent} octets of reports to {path:?} in a second");
            }
            Made::Feedback => {
                let most = FEEDBACK_PER_SECOND + heard;
                assert!(recent <= most, "{recent} octets of feedback to {path:?} in a second, {most} are allowed");
            }
            Made::Data => {}
        }
        if is_first {
            self.check_silence_of_others(path, now);
        }
    }

    /// Checks that media goes to an unproven address only if the participant is not heard on any other.
    fn check_silence_of_others(&self, path: Path, now: Instant) {
        let name = self.accounts.get(&path).and_then(|account| account.name.as_ref());
        for (other, account) in &self.accounts {
            if *other != path && account.proven && name.is_some() && account.name.as_ref() == name {
                let silent = account.surely_heard_at.map_or(SECOND, |heard| now.saturating_duration_since(heard));
                assert!(silent >= OLD_PATH_SILENCE, "media to {path:?}, where {other:?} was silent for {silent:?}");
            }
        }
    }

    /// Checks the memory of each participant after everything was sent.
    pub fn look(&mut self, plane: &Plane) {
        self.looks += 1;
        if !self.looks.is_multiple_of(LOOKS) {
            return;
        }
        let data = DataLimits::default();
        for kept in plane.remembered() {
            let table = [
                ("packets that were published", kept.published, KEPT_PER_TRANSPORT + KEPT_PACKET),
                ("packets that were sent", kept.sent, SENT_MEMORY),
                ("packets that are missing", kept.missing, MISSING_MEMORY),
                ("arrivals", kept.arrivals, ARRIVALS_MEMORY),
                ("estimator", kept.estimator, ESTIMATOR_MEMORY),
                ("windows of SSRCs", kept.windows, WINDOWS_MEMORY),
                ("datagrams that wait", kept.waiting, WAITING_MEMORY),
                ("messages", kept.messages, data.buffered + data.channels * data.backlog_octets),
            ];
            for (what, octets, most) in table {
                assert!(octets <= most, "{octets} octets of {what} for {:?}, {most} are allowed", kept.transport);
            }
        }
    }
}

/// The participant's name in a Binding request (RFC 8489 s14.3): the server's part of USERNAME.
fn named(datagram: &[u8]) -> Option<Vec<u8>> {
    let mut rest = datagram.strip_prefix(&[0, 1])?.get(18..)?;
    loop {
        let (&[kind_high, kind_low, high, low], behind) = rest.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let value = behind.get(..length)?;
        if [kind_high, kind_low] == [0, 6] {
            return value.split(|&octet| octet == b':').next().map(<[u8]>::to_vec);
        }
        rest = behind.get(length.next_multiple_of(4)..)?;
    }
}

/// Whether the peer's keys decrypted a packet. Malformed contents after the RTP header, or in RTCP, are detected only
/// after authentication, so the peer sent them.
fn is_authentic(result: Result<(), Discard>) -> bool {
    !matches!(
        result,
        Err(Discard::UnknownAddress
            | Discard::SrtpNoKeys
            | Discard::SrtpAuth
            | Discard::SrtpReplay
            | Discard::SrtpTooOld
            | Discard::SrtpSsrcLimit)
    )
}

/// Whether an RTP packet has its whole header (RFC 3550 s5.1) and an authentication tag. A shorter one is not
/// decrypted.
fn is_whole(packet: &[u8]) -> bool {
    let contributors = usize::from(packet.first().map_or(0, |flags| flags & 0x0F));
    let fixed = 12 + 4 * contributors;
    let extension = match packet {
        [flags, ..] if flags & 0x10 != 0 => packet
            .get(fixed + 2..fixed + 4)
            .map(|length| 4 + 4 * usize::from(u16::from_be_bytes([length[0], length[1]]))),
        _ => Some(0),
    };
    extension.is_some_and(|extension| packet.len() >= fixed + extension + TAG)
}
