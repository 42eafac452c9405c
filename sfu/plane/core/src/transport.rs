//! One ICE + DTLS + SRTP bundle with a participant: its protocols side by side, and what waits to leave.

mod presence;
mod queues;

use std::collections::{HashMap, VecDeque};

use crate::command::{DtlsRole, IceCredentials, Path, SctpSpec, TransportSpec};
use crate::config::{Config, DataLimits};
use crate::data::{Data, PeerIds};
use crate::dtls::Session;
use crate::event::{Event, TransportState};
use crate::ice::agent::Agent;
use crate::ice::consent::Consent;
use crate::ice::sending::Sending;
use crate::id::TransportId;
use crate::receive::arrivals::Arrivals;
use crate::receive::route::Router;
use crate::rtp::elements::Extensions;
use crate::rtp::extension::ExtensionMap;
use crate::rtp::header::Header;
use crate::send::outage::Unanswered;
use crate::send::repairs::Repairs;
use crate::send::{Flight, Outgoing, Pacer, RoundTrip, StartBudget};
use crate::srtp::context::{Inbound, Outbound};
use crate::time::{Duration, Instant, ms};
use crate::timer::Timer;

/// Of slots that show nothing, while nothing else is reported: well within the silence that ends consent.
const IDLE_REPORTS: Duration = ms(4_000);
/// The first sender report: soon, since without one a receiver cannot bring sound and picture together.
const FIRST_REPORT: Duration = ms(200);

/// What the pacer lets out.
pub enum Queued {
    /// A media packet of the slot with this key, from the track with that key; written and encrypted when it leaves.
    Media { slot: usize, track: usize, outgoing: Outgoing },
    /// A whole SCTP packet, still without its DTLS record.
    Sctp(Vec<u8>),
}

/// The SRTP contexts exist together, from the moment DTLS is up.
pub struct Srtp {
    pub inbound: Inbound,
    pub outbound: Outbound,
}

pub struct Transport {
    pub id: TransportId,
    pub cname: String,
    /// The sender of our receiver reports and feedback.
    pub ssrc: u32,
    pub agent: Agent,
    /// The transport whose peer claims one of our paths, if it is there still.
    pub claimant: Option<usize>,
    /// RTCP of its peer came, and the first SSRC it came with is known.
    pub has_reported: bool,
    /// Of the path that media takes.
    pub consent: Consent,
    /// Of all its paths.
    pub presence: Consent,
    pub sending: Sending,
    pub dtls: Session,
    pub srtp: Option<Srtp>,
    pub data: Option<Data>,
    dtls_role: DtlsRole,
    /// Old ICE credentials lead here beside the new ones.
    restarting: bool,
    /// Of all its m-sections: ids mean the same across a BUNDLE group.
    pub extensions: ExtensionMap,
    pub router: Router,
    pub arrivals: Arrivals,
    pub pacer: Pacer<Queued>,
    /// STUN answers and DTLS handshakes, each with the path it must take: nothing paces or stops them.
    pub control: VecDeque<(Path, Vec<u8>)>,
    /// RTCP in clear, one compound a datagram.
    pub rtcp: VecDeque<Vec<u8>>,
    /// Arena keys of what hangs on it.
    pub tracks: Vec<usize>,
    pub slots: Vec<usize>,
    /// The same by the SSRC of their media.
    pub slots_by_ssrc: HashMap<u32, usize>,
    /// Octets of retransmissions that may still leave.
    pub repairs: Repairs,
    /// Octets of what is kept since keyframes that may leave now.
    pub starts: StartBudget,
    pub state: Option<TransportState>,
    /// Transport-wide sequence numbers.
    pub flight: Flight,
    pub round_trip: RoundTrip,
    /// What left, and was not answered by transport-wide feedback.
    pub unanswered: Unanswered,
    pub next_report: Instant,
    /// Of slots that show nothing; and of which of them.
    next_idle_report: Instant,
    idle_reported: usize,
    /// Octets of packets that are kept of its tracks, and when they are trimmed next.
    pub kept: usize,
    pub next_trim: Option<Instant>,
    /// In the plane's list of those with something to send.
    pub sends: bool,
    /// What the last packet with a transport-wide number came under.
    heard_ssrc: u32,
    #[cfg(test)]
    pub faulty: bool,
}

impl Transport {
    pub fn new(spec: TransportSpec, config: &Config, ssrc: u32, now: Instant) -> Self {
        Self {
            id: spec.id,
            cname: spec.cname,
            ssrc,
            agent: Agent::new(spec.ice),
            claimant: None,
            has_reported: false,
            consent: Consent::new(config.silence, now),
            presence: Consent::new(config.silence, now),
            sending: Sending::new(),
            dtls: Session::new(&config.identity, spec.dtls_role, &spec.fingerprints, now),
            srtp: None,
            data: None,
            dtls_role: spec.dtls_role,
            restarting: false,
            extensions: ExtensionMap::default(),
            router: Router::new(),
            arrivals: Arrivals::new(),
            pacer: Pacer::new(),
            control: VecDeque::new(),
            rtcp: VecDeque::new(),
            tracks: Vec::new(),
            slots: Vec::new(),
            slots_by_ssrc: HashMap::new(),
            repairs: Repairs::default(),
            starts: StartBudget::default(),
            state: None,
            flight: Flight::default(),
            round_trip: RoundTrip::default(),
            unanswered: Unanswered::default(),
            next_report: now + FIRST_REPORT,
            next_idle_report: now,
            idle_reported: 0,
            kept: 0,
            next_trim: None,
            sends: false,
            heard_ssrc: 0,
            #[cfg(test)]
            faulty: false,
        }
    }

    pub fn restart_ice(&mut self, ice: IceCredentials) {
        self.agent.restart(ice);
        self.restarting = true;
    }

    /// The new credentials have just nominated a pair: the old ones lead here no longer. Says so once.
    pub fn has_restarted(&mut self) -> bool {
        let done = self.restarting && self.agent.local_ufrags().count() == 1;
        self.restarting &= !done;
        done
    }

    /// May come before DTLS is up, or with a later offer.
    pub fn open_sctp(&mut self, spec: SctpSpec, limits: &DataLimits, ids: PeerIds, now: Instant) {
        if self.data.is_none() {
            let mut data = Data::new(spec, self.dtls_role, limits, ids, now);
            if self.dtls.is_connected() {
                data.connect(now);
            }
            self.data = Some(data);
        }
    }

    /// The event of a state that is new; failed and closed are left by nothing.
    pub fn enter(&mut self, state: TransportState, reason: &'static str) -> Option<Event> {
        let over = matches!(self.state, Some(TransportState::Failed | TransportState::Closed));
        if over || self.state == Some(state) {
            return None;
        }
        self.state = Some(state);
        if state != TransportState::Connected {
            self.pacer.clear();
            self.rtcp.clear();
            self.unanswered = Unanswered::default();
        }
        Some(Event::TransportState { transport: self.id, state, reason })
    }

    /// Notes when a packet with a transport-wide number came, for the feedback to its sender.
    pub fn handle_arrival(&mut self, header: &Header, extensions: &Extensions<'_>, received: Instant) {
        if let Some(number) = extensions.transport_cc {
            self.arrivals.record(number, received);
            self.heard_ssrc = header.ssrc;
            if header.marker {
                self.arrivals.frame_ended();
            }
        }
    }

    /// SSRCs of the peer that lead nowhere any more take no state in SRTP.
    pub fn retire_dropped(&mut self) {
        while let Some(ssrc) = self.router.poll_dropped() {
            if let Some(srtp) = &mut self.srtp {
                srtp.inbound.retire(ssrc);
            }
        }
    }

    /// Nothing leaves under these SSRCs of ours again.
    pub fn retire_own(&mut self, ssrcs: impl IntoIterator<Item = u32>) {
        if let Some(srtp) = &mut self.srtp {
            ssrcs.into_iter().for_each(|ssrc| srtp.outbound.retire(ssrc));
        }
    }

    /// A report is due soon: what leaves has another timeline.
    pub fn report_soon(&mut self, now: Instant) {
        self.next_report = self.next_report.min(now + FIRST_REPORT);
    }

    /// Whether slots that show nothing are to be reported, and from which of them on: all have their turn.
    pub fn poll_idle_report(&mut self, now: Instant) -> Option<usize> {
        if now < self.next_idle_report {
            return None;
        }
        self.next_idle_report = now + IDLE_REPORTS;
        Some(self.idle_reported)
    }

    /// So many more of them are reported.
    pub fn idle_reported(&mut self, slots: usize) {
        self.idle_reported = (self.idle_reported + slots) % self.slots.len().max(1);
    }

    /// The SSRC of the last packet that its feedback tells of. libwebrtc: transport_sequence_number_feedback_generator.cc.
    pub fn heard_ssrc(&self) -> u32 {
        self.heard_ssrc
    }

    /// All its deadlines, by name, as things are now.
    pub fn deadlines(&self) -> [(Timer, Option<Instant>); 8] {
        let media = self.sends_media();
        let silence = [self.consent.poll_timeout(), self.presence.poll_timeout(), self.sending.poll_timeout()];
        [
            (Timer::Ice, self.agent.paths().poll_timeout()),
            (Timer::Consent, silence.into_iter().flatten().min()),
            (Timer::Dtls, self.dtls.poll_timeout()),
            (Timer::Data, self.data.as_ref().and_then(|data| data.poll_timeout())),
            (Timer::Feedback, self.arrivals.poll_timeout()),
            (Timer::Reports, media.then_some(self.next_report)),
            // One that has its turn sends whatever its pacer holds; one that may not send waits to be heard.
            (Timer::Pacer, (!self.sends && media).then(|| self.pacer.poll_timeout()).flatten()),
            (Timer::Memory, self.next_trim),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::command::{Fingerprint, Hash};
    use crate::config::Silence;
    use crate::dtls::Identity;
    use crate::send::Class;
    use crate::time::{Ntp, WallClock};

    fn transport(now: Instant) -> Transport {
        let config = Config {
            seed: 1,
            identity: Arc::new(Identity::generate().expect("a certificate can be made")),
            wall_clock: WallClock { at: now, ntp: Ntp(0) },
            worker: 0,
            silence: Silence::default(),
            data: DataLimits::default(),
        };
        let ice = IceCredentials {
            local_ufrag: "server".into(),
            local_pwd: "the-password-of-the-server".into(),
            remote_ufrag: "peer".into(),
            remote_pwd: "the-password-of-the-peer".into(),
        };
        let fingerprints = vec![Fingerprint { hash: Hash::Sha256, digest: vec![0; 32] }];
        let spec =
            TransportSpec { id: TransportId(1), ice, dtls_role: DtlsRole::Server, fingerprints, cname: "cname".into() };
        Transport::new(spec, &config, 1, now)
    }

    #[test]
    fn what_waits_for_a_peer_is_dropped_when_it_goes_silent_or_leaves() {
        let now = Instant::now();
        for state in [TransportState::Disconnected, TransportState::Failed, TransportState::Closed] {
            let mut transport = transport(now);
            assert!(transport.enter(TransportState::Connected, "DTLS is up").is_some());
            transport.pacer.push(Class::Video, 1_200, Queued::Sctp(vec![0; 1_200]), now);
            transport.rtcp.push_back(vec![0; 8]);
            assert!(transport.enter(TransportState::Connected, "again").is_none());
            assert!(!transport.pacer.is_empty() && !transport.rtcp.is_empty(), "it is still there");

            assert!(transport.enter(state, "gone").is_some());
            assert!(transport.pacer.is_empty() && transport.rtcp.is_empty(), "{state:?}");
        }
    }
}
