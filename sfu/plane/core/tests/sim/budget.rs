//! What the plane may make of what it is sent, watched on the wire: whoever breaks a bound of `limits.rs` ends the test.
//!
//! It sees datagrams only, as the network does, and trusts nothing that the plane says of itself but whether a datagram
//! was refused. Every simulated call runs under it; so does whatever else drives a [`Plane`] through [`Budget::handle`]
//! and shows it by [`Budget::sent`] what leaves.

use std::collections::{HashMap, VecDeque};

use plane_core::command::Path;
use plane_core::demux::{Protocol, protocol};
use plane_core::limits::{
    AMPLIFICATION, DATAGRAM, FEEDBACK_PER_SECOND, HANDSHAKE_PER_SECOND, REPORTS_PER_SECOND, UNPROVEN_MEDIA,
};
use plane_core::time::{Duration, Instant};
use plane_core::{Discard, Plane};

/// Our header extensions, an original sequence number and descriptors that grow may come in the place of none.
const MEDIA_GROWTH: usize = 64;
/// Octets of our Binding requests to a path that is proven: two in the first wait of 250 ms, and one more with each check.
const REQUESTS_PER_SECOND: usize = 2_000;
const SECOND: Duration = Duration::from_secs(1);

/// What leaves, but for media that is forwarded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Made {
    Stun,
    /// A Binding request of ours: it asks for the proof of a path.
    Request,
    /// Handshakes, alerts and acknowledgements; also what the plane's timers send again of them.
    Handshake,
    /// SCTP in its records: messages of others, and its own control.
    Data,
    /// A compound that begins with a sender or receiver report.
    Reports,
    /// Any other RTCP: NACK, PLI, FIR, transport-wide feedback.
    Feedback,
}

/// Octets that left within the last second.
#[derive(Default)]
struct Recent {
    sent: VecDeque<(Instant, usize)>,
    octets: usize,
}

impl Recent {
    fn add(&mut self, octets: usize, now: Instant) -> usize {
        while let Some(&(at, old)) = self.sent.front()
            && now.saturating_duration_since(at) >= SECOND
        {
            self.octets -= old;
            self.sent.pop_front();
        }
        self.sent.push_back((now, octets));
        self.octets += octets;
        self.octets
    }
}

/// One address, as the plane hears it and speaks to it.
#[derive(Default)]
struct Account {
    /// Something came from it that only the peer can have made: SRTP, SRTCP or an encrypted DTLS record.
    proven: bool,
    heard: usize,
    asked: usize,
    answered: usize,
    handshake: usize,
    /// Media, RTCP and SCTP before it was proven.
    media: usize,
    recent: HashMap<Made, Recent>,
    recently_heard: Recent,
}

impl Account {
    /// Media, or what goes where it goes.
    fn send_media(&mut self, octets: usize, path: Path) {
        if !self.proven {
            self.media += octets;
            assert!(self.media <= UNPROVEN_MEDIA, "{} octets to {path:?}, which is not proven", self.media);
        }
    }
}

#[derive(Default)]
pub struct Budget {
    accounts: HashMap<Path, Account>,
    /// The largest media datagram that came from anybody.
    largest: usize,
}

impl Budget {
    /// Gives a datagram to the plane, and notes what it allows.
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
        let result = plane.handle_datagram(datagram, path, received, now);
        let account = self.accounts.entry(path).or_default();
        account.heard += octets;
        account.recently_heard.add(octets, now);
        match kind {
            Ok(Protocol::Stun) => {
                account.asked += octets;
                // The answer to a request of ours, which its peer has signed.
                account.proven |= result.is_ok() && datagram.starts_with(&[1, 1]);
            }
            // A unified header (RFC 9147 s4), or a record of an epoch with keys.
            Ok(Protocol::Dtls) => account.proven |= result.is_ok() && (first & 0xE0 == 0x20 || epoch > 0),
            Ok(Protocol::Rtp) => {
                self.largest = self.largest.max(octets);
                account.proven |= is_authentic(result);
            }
            Ok(Protocol::Rtcp) => account.proven |= is_authentic(result),
            Err(_) => {}
        }
        result
    }

    /// A datagram leaves.
    pub fn sent(&mut self, path: Path, datagram: &[u8], now: Instant) {
        let (account, octets) = (self.accounts.entry(path).or_default(), datagram.len());
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
                return account.send_media(octets, path);
            }
            Err(why) => panic!("what leaves for {path:?} is of no protocol: {why:?}"),
        };
        assert!(octets <= DATAGRAM, "{made:?} of {octets} octets for {path:?}");
        let recent = account.recent.entry(made).or_default().add(octets, now);
        let heard = account.recently_heard.octets;
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
            // They go where media goes.
            Made::Reports | Made::Feedback | Made::Data if !account.proven => account.send_media(octets, path),
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
    }
}

/// Whether the keys of the peer opened a packet, whatever became of it then.
fn is_authentic(result: Result<(), Discard>) -> bool {
    !matches!(
        result,
        Err(Discard::UnknownAddress
            | Discard::SrtpNoKeys
            | Discard::SrtpAuth
            | Discard::SrtpReplay
            | Discard::SrtpTooOld
            | Discard::SrtpSsrcLimit
            | Discard::Truncated
            | Discard::RtpMalformed
            | Discard::RtcpMalformed)
    )
}
