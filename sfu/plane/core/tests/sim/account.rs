//! The traffic between the plane and one address, as [`Budget`](super::budget::Budget) counts it.

use std::collections::{HashMap, VecDeque};

use plane_core::command::Path;
use plane_core::limits::{
    ANY_DATAGRAM, MEDIA_OVERHEAD, PICTURE_TRIAL, REPAIR_SHARE, REPAIRS_AT_ONCE, REPEATED, UNPROVEN_MEDIA,
};
use plane_core::time::{Duration, Instant, ms};

/// The kinds of sent datagrams, without forwarded media.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Made {
    Stun,
    /// A Binding request of ours, which asks for the proof of a path.
    Request,
    /// Handshakes, alerts and acknowledgements, including those that timers send again.
    Handshake,
    /// SCTP in its records: messages of others, and control chunks.
    Data,
    /// A compound that begins with a sender or receiver report.
    Reports,
    /// Any other RTCP: NACK, PLI, FIR, transport-wide feedback.
    Feedback,
}

/// Octets that were sent recently.
#[derive(Default)]
pub struct Recent {
    sent: VecDeque<(Instant, usize)>,
    pub octets: usize,
}

impl Recent {
    pub fn add(&mut self, octets: usize, within: Duration, now: Instant) -> usize {
        while let Some(&(at, old)) = self.sent.front()
            && now.saturating_duration_since(at) >= within
        {
            self.octets -= old;
            self.sent.pop_front();
        }
        self.sent.push_back((now, octets));
        self.octets += octets;
        self.octets
    }
}

/// The recently sent sequence numbers of an SSRC.
#[derive(Default)]
struct Numbers {
    highest: u16,
    /// One bit per number, the highest number last.
    left: u64,
}

impl Numbers {
    /// Whether the number was sent before, as far as it is known.
    fn repeats(&mut self, number: u16) -> bool {
        let ahead = number.wrapping_sub(self.highest) as i16;
        if self.left == 0 || ahead > 0 {
            self.left = self.left.checked_shl(ahead.unsigned_abs().into()).unwrap_or(0) | 1;
            self.highest = number;
            return false;
        }
        let behind = u64::from(ahead.unsigned_abs());
        let bit = if behind < REPEATED { 1 << behind } else { 0 };
        let before = self.left;
        self.left |= bit;
        before & bit != 0
    }
}

/// The state of one address.
#[derive(Default)]
pub struct Account {
    /// The participant's name in its checks.
    pub name: Option<Vec<u8>>,
    /// Something that only the peer can make came from it: SRTP, SRTCP or an encrypted DTLS record.
    pub proven: bool,
    /// When the last authenticated datagram came.
    pub heard_at: Option<Instant>,
    /// The same without DTLS records, which may be forged.
    pub surely_heard_at: Option<Instant>,
    pub heard: usize,
    pub asked: usize,
    pub answered: usize,
    pub handshake: usize,
    pub recent: HashMap<Made, Recent>,
    pub recently_heard: Recent,
    /// Media, RTCP and SCTP before it was proven.
    unproven: usize,
    /// The same after it was silent for too long.
    unheard: Recent,
    /// Octets of media: first transmissions, as the plane counts them, and retransmissions.
    first: usize,
    again: usize,
    numbers: HashMap<u32, Numbers>,
}

impl Account {
    /// Counts media and datagrams that follow it. True: the first ones to an unproven address.
    pub fn send_media(&mut self, octets: usize, longest_silence: Duration, path: Path, now: Instant) -> bool {
        if !self.proven {
            self.unproven += octets;
            assert!(self.unproven <= UNPROVEN_MEDIA, "{} octets to {path:?}, which is not proven", self.unproven);
            return self.unproven == octets;
        }
        // At least 5 s are between two picture trials.
        if self.heard_at.is_some_and(|heard| now.saturating_duration_since(heard) > longest_silence) {
            let tried = self.unheard.add(octets, ms(5_000), now);
            assert!(tried <= PICTURE_TRIAL + ANY_DATAGRAM, "{tried} octets to {path:?}, which has long been silent");
        }
        false
    }

    /// Counts a media packet: retransmissions are a share of first transmissions.
    pub fn repair(&mut self, datagram: &[u8], is_rtx: bool, path: Path) {
        let ssrc = u32::from_be_bytes([datagram[8], datagram[9], datagram[10], datagram[11]]);
        let number = u16::from_be_bytes([datagram[2], datagram[3]]);
        if !is_rtx && !self.numbers.entry(ssrc).or_default().repeats(number) {
            self.first += datagram.len() + MEDIA_OVERHEAD;
            return;
        }
        self.again += datagram.len();
        let most = REPAIRS_AT_ONCE + self.first / REPAIR_SHARE + ANY_DATAGRAM;
        assert!(self.again <= most, "{} octets again to {path:?}, {most} are allowed", self.again);
    }
}
