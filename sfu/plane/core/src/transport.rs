//! One ICE + DTLS + SRTP bundle with a participant: its protocols, and the queues of what it sends.

mod presence;
mod queues;

use std::collections::{HashMap, VecDeque};

use crate::bwe::Estimator;
use crate::bwe::units::Rate;
use crate::command::{DtlsRole, IceCredentials, Path, SctpSpec, TransportSpec};
use crate::config::{Config, DataLimits};
use crate::data::{Data, PeerIds};
use crate::discard::Discard;
use crate::dtls::Session;
use crate::event::{Event, TransportState};
use crate::ice::agent::Agent;
use crate::ice::consent::Consent;
use crate::ice::sending::Sending;
use crate::id::TransportId;
use crate::link::Link;
use crate::receive::arrival_times::ArrivalTimes;
use crate::receive::nack::Round;
use crate::receive::route::Router;
use crate::rtp::elements::Extensions;
use crate::rtp::extension::ExtensionMap;
use crate::rtp::header::Header;
use crate::send::outage::Unanswered;
use crate::send::repairs::Repairs;
use crate::send::{Empty, Outgoing, Pacer, Prober, RoundTrip, StartBudget, Unacknowledged};
use crate::srtp::context::{Inbound, Outbound};
use crate::stats::Counters;
use crate::time::{Duration, Instant, ms};
use crate::timer::Timer;
use crate::trace;

/// The interval of reports for slots that show nothing, while nothing else is reported: well within the silence that
/// ends consent.
const IDLE_REPORTS: Duration = ms(4_000);
/// The delay of the first sender report. It is short, because a receiver cannot synchronise audio and video without
/// one.
const FIRST_REPORT: Duration = ms(200);

/// What a network is assumed to carry at first. libwebrtc: peer_connection.cc starts at 300 kbit/s
/// (`kStartBitrateBps`).
const FIRST_ESTIMATE: Rate = Rate::kbps(300);

/// An item in the pacer's queue.
pub enum Queued {
    /// A media packet of the slot with this key, from the track with that key. It is written and encrypted when it is
    /// sent.
    Media { slot: usize, track: usize, outgoing: Outgoing },
    /// An empty packet of the slot with this key, which measures the path.
    Empty { slot: usize, empty: Empty },
    /// A complete SCTP packet, still without its DTLS record.
    Sctp(Vec<u8>),
}

/// The SRTP contexts of both directions, which exist once DTLS is connected.
pub struct Srtp {
    pub inbound: Inbound,
    pub outbound: Outbound,
}

pub struct Transport {
    pub id: TransportId,
    pub cname: String,
    /// The sender SSRC of our receiver reports and feedback.
    pub ssrc: u32,
    pub agent: Agent,
    /// The transport whose peer claims one of our paths, if it still exists.
    pub claimant: Option<usize>,
    /// RTCP arrived from its peer, and the first SSRC in it is recorded.
    pub has_reported: bool,
    /// The consent of the path that media takes.
    pub consent: Consent,
    /// The silence of the peer over all its paths.
    pub presence: Consent,
    pub sending: Sending,
    pub dtls: Session,
    pub srtp: Option<Srtp>,
    pub data: Option<Data>,
    dtls_role: DtlsRole,
    /// The old ICE credentials still lead to this transport, beside the new ones.
    restarting: bool,
    /// The extensions of all its m-sections: ids have the same meaning across a BUNDLE group.
    pub extensions: ExtensionMap,
    pub router: Router,
    pub arrivals: ArrivalTimes,
    /// A stream of the peer flowed in every silence of another that began before this.
    pub flowed: Option<Instant>,
    pub pacer: Pacer<Queued>,
    /// What may be sent over the selected path, if it is a TCP connection.
    pub link: Link,
    /// STUN responses and DTLS handshakes, each with the path it must take. They are not paced or stopped.
    pub control: VecDeque<(Path, Vec<u8>)>,
    /// RTCP in plaintext, one compound per datagram.
    pub rtcp: VecDeque<Vec<u8>>,
    /// Arena keys of its tracks and slots.
    pub tracks: Vec<usize>,
    pub slots: Vec<usize>,
    /// The slots by the SSRC of their media.
    pub slots_by_ssrc: HashMap<u32, usize>,
    /// The octets that may still be retransmitted.
    pub repairs: Repairs,
    /// The octets of cached packets since keyframes that may be sent now.
    pub starts: StartBudget,
    pub state: Option<TransportState>,
    /// What the network to the peer carries, and the transport-wide numbers of sent packets.
    pub estimator: Box<Estimator>,
    pub prober: Prober,
    /// None of its sections has transport-wide numbers: feedback names packets by SSRC (RFC 8888), if there is any.
    pub is_named: bool,
    /// Such feedback came.
    pub returns_names: bool,
    /// The arena key of the slot whose RTX carries probes.
    pub probing_slot: Option<usize>,
    pub round_trip: RoundTrip,
    /// Sent packets without transport-wide feedback.
    pub unanswered: Unanswered,
    /// Whether the peer acknowledges them.
    pub unacknowledged: Unacknowledged,
    pub next_report: Instant,
    /// When slots that show nothing are reported next, and from which of them on.
    next_idle_report: Instant,
    idle_reported: usize,
    /// Octets of the cached packets of its tracks, and when they are trimmed next.
    pub kept: usize,
    pub next_trim: Option<Instant>,
    /// It is in the plane's list of transports with something to send.
    pub sends: bool,
    pub counters: Counters,
    /// The NACKs to the peer that are due.
    pub nacks: Round,
    /// The SSRC of the last received packet with a transport-wide number.
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
            arrivals: ArrivalTimes::new(),
            flowed: None,
            pacer: Pacer::new(),
            link: Link::default(),
            control: VecDeque::new(),
            rtcp: VecDeque::new(),
            tracks: Vec::new(),
            slots: Vec::new(),
            slots_by_ssrc: HashMap::new(),
            repairs: Repairs::default(),
            starts: StartBudget::default(),
            state: None,
            estimator: Box::new(Estimator::new(FIRST_ESTIMATE)),
            prober: Prober::default(),
            is_named: false,
            returns_names: false,
            probing_slot: None,
            round_trip: RoundTrip::default(),
            unanswered: Unanswered::default(),
            unacknowledged: Unacknowledged::default(),
            next_report: now + FIRST_REPORT,
            next_idle_report: now,
            idle_reported: 0,
            kept: 0,
            next_trim: None,
            sends: false,
            counters: Counters::default(),
            nacks: Round::default(),
            heard_ssrc: 0,
            #[cfg(test)]
            faulty: false,
        }
    }

    pub fn restart_ice(&mut self, ice: IceCredentials) {
        self.agent.restart(ice);
        self.restarting = true;
    }

    /// Returns true once, when the new credentials have nominated a pair and the old ones have expired.
    pub fn has_restarted(&mut self) -> bool {
        let done = self.restarting && self.agent.local_ufrags().count() == 1;
        self.restarting &= !done;
        done
    }

    /// Opens SCTP, possibly before DTLS is connected or with a later offer.
    pub fn open_sctp(&mut self, spec: SctpSpec, limits: &DataLimits, ids: PeerIds, now: Instant) {
        if self.data.is_none() {
            let mut data = Data::new(spec, self.dtls_role, limits, ids, now);
            if self.dtls.is_connected() {
                data.connect(now);
            }
            self.data = Some(data);
        }
    }

    /// Enters a state and returns its event if it is new. Failed and closed are final.
    pub fn enter(&mut self, state: TransportState, reason: &'static str) -> Option<Event> {
        let over = matches!(self.state, Some(TransportState::Failed | TransportState::Closed));
        if over || self.state == Some(state) {
            return None;
        }
        self.state = Some(state);
        tracing::info!(target: trace::TRANSPORT, transport = self.id.0, ?state, reason, "state changed");
        if state != TransportState::Connected {
            self.pacer.clear();
            self.prober.clear();
            self.rtcp.clear();
            self.unanswered = Unanswered::default();
            self.unacknowledged.begin_anew();
        }
        Some(Event::TransportState { transport: self.id, state, reason })
    }

    /// Counts discards for this transport, and emits an event for some of them.
    pub fn discard(&mut self, why: Discard, count: usize) {
        if self.counters.discard(why, count) {
            let total = self.counters.discarded(why);
            tracing::debug!(target: trace::DISCARDS, transport = self.id.0, why = why.label(), total, "discarded");
        }
    }

    /// Records when a packet with a transport-wide number arrived, for the feedback to its sender.
    pub fn handle_arrival(&mut self, header: &Header, extensions: &Extensions<'_>, received: Instant) {
        if let Some(number) = extensions.transport_cc {
            self.arrivals.record(number, received);
            self.heard_ssrc = header.ssrc;
            if header.marker {
                self.arrivals.frame_ended();
            }
        }
    }

    /// Frees the SRTP state of the peer's SSRCs that no longer lead to a stream.
    pub fn retire_dropped(&mut self) {
        while let Some(ssrc) = self.router.poll_dropped() {
            if let Some(srtp) = &mut self.srtp {
                srtp.inbound.retire(ssrc);
            }
        }
    }

    /// Retires SSRCs of ours, which are never used again.
    pub fn retire_own(&mut self, ssrcs: impl IntoIterator<Item = u32>) {
        if let Some(srtp) = &mut self.srtp {
            ssrcs.into_iter().for_each(|ssrc| srtp.outbound.retire(ssrc));
        }
    }

    /// Schedules a report soon, because a slot's timeline changed.
    pub fn report_soon(&mut self, now: Instant) {
        self.next_report = self.next_report.min(now + FIRST_REPORT);
    }

    /// Returns the slot from which on slots that show nothing are reported, if they are due. All get their turn.
    pub fn poll_idle_report(&mut self, now: Instant) -> Option<usize> {
        if now < self.next_idle_report {
            return None;
        }
        self.next_idle_report = now + IDLE_REPORTS;
        Some(self.idle_reported)
    }

    /// Records that `slots` more of them were reported.
    pub fn idle_reported(&mut self, slots: usize) {
        self.idle_reported = (self.idle_reported + slots) % self.slots.len().max(1);
    }

    /// When the estimate changes without feedback, or its absence is judged.
    fn estimate_due(&self) -> Option<Instant> {
        [self.estimator.poll_timeout(), self.unacknowledged.poll_timeout()].into_iter().flatten().min()
    }

    /// When a packet leaves that only measures the path. In silence one asks for feedback now and then.
    fn probe_due(&self) -> Option<Instant> {
        [self.prober.poll_timeout(), self.unacknowledged.request_due()].into_iter().flatten().min()
    }

    /// The SSRC of the last packet that its feedback reports. libwebrtc:
    /// transport_sequence_number_feedback_generator.cc.
    pub fn heard_ssrc(&self) -> u32 {
        self.heard_ssrc
    }

    /// All its present deadlines, by name.
    pub fn deadlines(&self) -> [(Timer, Option<Instant>); 10] {
        let media = self.sends_media();
        let silence = [self.consent.poll_timeout(), self.presence.poll_timeout(), self.sending.poll_timeout()];
        [
            (Timer::Ice, self.agent.paths().poll_timeout()),
            (Timer::Consent, silence.into_iter().flatten().min()),
            (Timer::Dtls, self.dtls.poll_timeout()),
            (Timer::Data, self.data.as_ref().and_then(|data| data.poll_timeout())),
            (Timer::Feedback, self.arrivals.poll_timeout()),
            (Timer::Estimate, media.then(|| self.estimate_due()).flatten()),
            (Timer::Probe, self.probes().then(|| self.probe_due()).flatten()),
            (Timer::Reports, media.then_some(self.next_report)),
            // A transport in the list of senders empties its pacer anyway. One that may not send waits for packets from
            // its peer.
            (Timer::Pacer, (!self.sends && media).then(|| self.link.poll_timeout(self.pacer.poll_timeout())).flatten()),
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
