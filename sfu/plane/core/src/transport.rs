//! One ICE + DTLS + SRTP bundle with a participant: its protocols side by side, and what waits to leave.

use std::collections::VecDeque;

use crate::command::{IceCredentials, Path, SctpSpec, TransportSpec};
use crate::config::Config;
use crate::consts::{DEFAULT_ROUND_TRIP, FIRST_REPORT};
use crate::data::Data;
use crate::discard::Discard;
use crate::dtls::Session;
use crate::event::{Event, TransportState};
use crate::ice::agent::Agent;
use crate::ice::consent::Consent;
use crate::id::{PEER_OPENED, TransportId, WORKER_SHIFT};
use crate::receive::arrivals::Arrivals;
use crate::receive::track::Router;
use crate::rtp::extension::ExtensionMap;
use crate::send::pacer::Pacer;
use crate::send::slot::Outgoing;
use crate::srtp::context::{Inbound, Outbound};
use crate::time::{Duration, Instant};

/// What the pacer lets out.
pub enum Queued {
    /// A media packet of the slot with this key, written and encrypted when it leaves.
    Media { slot: usize, outgoing: Outgoing },
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
    pub consent: Consent,
    pub dtls: Session,
    pub srtp: Option<Srtp>,
    pub data: Option<Data>,
    sctp_wanted: Option<SctpSpec>,
    dtls_role: crate::command::DtlsRole,
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
    pub state: Option<TransportState>,
    /// The next transport-wide sequence number.
    pub transport_sequence: u16,
    pub round_trip: Duration,
    pub next_report: Instant,
    pub fir_sequence: u8,
    /// In the plane's list of those with something to send.
    pub dirty: bool,
}

impl Transport {
    pub fn new(spec: TransportSpec, config: &Config, ssrc: u32, now: Instant) -> Self {
        Self {
            id: spec.id,
            cname: spec.cname,
            ssrc,
            agent: Agent::new(spec.ice),
            consent: Consent::new(config.silence, now),
            dtls: Session::new(&config.identity, spec.dtls_role, &spec.fingerprints, now),
            srtp: None,
            data: None,
            sctp_wanted: None,
            dtls_role: spec.dtls_role,
            extensions: ExtensionMap::default(),
            router: Router::default(),
            arrivals: Arrivals::new(now),
            pacer: Pacer::default(),
            control: VecDeque::new(),
            rtcp: VecDeque::new(),
            tracks: Vec::new(),
            slots: Vec::new(),
            state: None,
            transport_sequence: 0,
            round_trip: DEFAULT_ROUND_TRIP,
            next_report: now + FIRST_REPORT,
            fir_sequence: 0,
            dirty: false,
        }
    }

    pub fn restart_ice(&mut self, ice: IceCredentials) {
        self.agent.restart(ice);
    }

    /// May come before DTLS is up, or with a later offer.
    pub fn open_sctp(&mut self, spec: SctpSpec, config: &Config, now: Instant) {
        if self.data.is_none() {
            let first_id = (config.worker << WORKER_SHIFT) | PEER_OPENED | ((self.id.0 & 0xFF_FFFF) << 14);
            self.data = Some(Data::new(spec, self.dtls_role, &config.data, first_id, now));
            self.sctp_wanted = Some(spec);
        }
    }

    /// Media and reports leave only towards somebody who is connected and was heard lately.
    pub fn sends_media(&self) -> bool {
        self.state == Some(TransportState::Connected) && self.srtp.is_some()
    }

    /// Something authenticated came: it is there. Says so if it was silent before.
    pub fn heard(&mut self, now: Instant) -> Option<Event> {
        if self.consent.heard(now) && self.state == Some(TransportState::Disconnected) {
            return self.enter(TransportState::Connected, "heard again");
        }
        None
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
        }
        Some(Event::TransportState { transport: self.id, state, reason })
    }

    /// Hands a DTLS datagram to the association; its answer goes back on the path that was used.
    pub fn handle_dtls(&mut self, datagram: &[u8], path: Path, now: Instant) -> Result<(), Discard> {
        let result = self.dtls.handle_datagram(datagram, now);
        self.flush_dtls(path);
        result
    }

    /// Moves what the association wants to send into the queue.
    pub fn flush_dtls(&mut self, path: Path) {
        while let Some(datagram) = self.dtls.poll_transmit() {
            self.control.push_back((path, datagram));
        }
    }
}
