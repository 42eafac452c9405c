//! A participant that behaves like a browser: connectivity checks, DTLS, SRTP, sources, and received media.

pub mod ice;
mod media;
mod rtcp;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _};
use std::sync::Arc;

use plane_core::command::{DtlsRole, Fingerprint, Hash, IceCredentials, Path, SctpSpec};
use plane_core::config::DataLimits;
use plane_core::data::{self, Data, PeerIds};
use plane_core::demux::{Protocol, protocol};
use plane_core::dtls::{self, Identity, Session};
use plane_core::id::TransportId;
use plane_core::srtp::{Inbound, Outbound};
use plane_core::time::{Instant, WallClock, ms};

use super::source::Source;
use super::uplink::Uplink;
use super::viewer::Viewer;
pub use media::Received;
pub use rtcp::Reported;

pub struct Peer {
    pub transport: TransportId,
    pub path: Path,
    pub local_ufrag: String,
    pub server_ufrag: String,
    pub server_pwd: String,
    pub dtls: Session,
    pub outbound: Option<Outbound>,
    pub inbound: Option<Inbound>,
    pub data: Option<Data>,
    pub data_events: Vec<data::Event>,
    pub sources: Vec<Source>,
    /// The level of its audio, in -dBov (RFC 6464).
    pub level: u8,
    pub received: Vec<Received>,
    pub feedback: Vec<Reported>,
    pub sender_reports: Vec<(u32, plane_core::time::Ntp, u32, Instant)>,
    pub plis: Vec<(u32, Instant)>,
    pub nacks: Vec<(u32, Vec<u16>, Instant)>,
    pub byes: Vec<u32>,
    pub closed: bool,
    pub failed: bool,
    /// It answers the server's checks.
    pub answers: bool,
    /// The number of received checks.
    pub asked: usize,
    /// Checks for another peer that claims this address. Unset: such a check is an error of the server.
    pub misdirected: Option<Vec<Vec<u8>>>,
    /// It sends connectivity checks.
    pub checking: bool,
    pub check_interval: plane_core::time::Duration,
    /// It sends reports, NACKs and media. False: it is silent (SIGSTOP).
    pub alive: bool,
    pub asks_for_losses: bool,
    pub sends_feedback: bool,
    /// The last transport-wide feedback of its viewer.
    pub last_arrivals: Vec<u8>,
    /// It sends reports every 100 ms while connected.
    pub sends_reports: bool,
    /// Its reports answer receiver reference times (RFC 3611), as those of browsers do.
    pub answers_references: bool,
    /// Sent with the next packet.
    pub allocation: Option<Vec<u8>>,
    /// A dependency descriptor, sent with the next packet.
    pub descriptor: Option<Vec<u8>>,
    /// Its checks nominate (USE-CANDIDATE).
    pub nominates: bool,
    /// The check interval varies by up to this fraction.
    pub check_jitter: f64,
    /// Copies of what it sends.
    pub tapped: bool,
    pub tap: Vec<Vec<u8>>,
    /// The first hundred reports, decrypted.
    pub compounds: VecDeque<Vec<u8>>,
    /// The number of packets of a source that have MID and RID. Unset: all.
    pub names_streams: Option<u32>,
    /// The number of duplicate packets.
    pub replayed: usize,
    /// The number of packets without payload, which only measure the path.
    pub probes: usize,
    /// Its retransmissions have MID and repaired RID.
    pub names_repairs: bool,
    /// Sequence numbers of its sources that are lost before they are sent.
    pub swallows: Vec<u16>,
    /// Sequence numbers that it never retransmits.
    pub refuses: Vec<u16>,
    /// It receives as Chromium does, and keeps no packets.
    pub viewer: Option<Viewer>,
    /// A hash of all that it received, decrypted, with the times.
    pub plaintexts: DefaultHasher,
    /// Its encodings follow this estimate of its uplink.
    pub uplink: Option<Uplink>,
    /// The time of the last input.
    now: Instant,
    next_check: Instant,
    next_feedback: Instant,
    checked: bool,
    identity: Arc<Identity>,
    role: DtlsRole,
    clock: WallClock,
    outgoing: VecDeque<Vec<u8>>,
    random: u64,
    transport_sequence: u16,
    /// Ports and tag of the SCTP packets it sends (RFC 9260 s3.1).
    pub sctp_header: [u8; 8],
    /// The highest packet index sent, by SSRC.
    indexes: BTreeMap<u32, u64>,
    unreported: Vec<(u16, Instant)>,
    feedback_count: u8,
    expected: BTreeMap<u32, u16>,
    /// The first received sequence number, and the number of packets.
    counted: BTreeMap<u32, (u16, u32)>,
    /// Expected and received packets until the last report, by SSRC.
    reported: BTreeMap<u32, (i32, i32)>,
    last_reports: BTreeMap<u32, (u32, Instant)>,
    /// Hashes of the RTCP datagrams that came.
    compounds_seen: HashSet<u64>,
    /// Receiver reference times that are not answered yet: sender, compact time, arrival.
    references: Vec<(u32, u32, Instant)>,
    origin: Instant,
}

impl Peer {
    pub fn new(index: usize, transport: TransportId, server: DtlsRole, clock: WallClock, now: Instant) -> Self {
        let identity = Arc::new(Identity::generate().expect("a certificate can be made"));
        let role = if server == DtlsRole::Server { DtlsRole::Client } else { DtlsRole::Server };
        let port = 40_000 + index as u16;
        Self {
            transport,
            path: Path::udp(([192, 0, 2, 1], 7_882).into(), ([198, 51, 100, 1], port).into()),
            local_ufrag: format!("peer{index}"),
            server_ufrag: format!("server{index}"),
            server_pwd: format!("password-of-the-server-for-{index}"),
            dtls: Session::new(&identity, role, &[], now),
            outbound: None,
            inbound: None,
            data: None,
            data_events: Vec::new(),
            sources: Vec::new(),
            level: 30,
            received: Vec::new(),
            feedback: Vec::new(),
            sender_reports: Vec::new(),
            plis: Vec::new(),
            nacks: Vec::new(),
            byes: Vec::new(),
            closed: false,
            failed: false,
            answers: true,
            asked: 0,
            misdirected: None,
            checking: false,
            check_interval: ms(2_500),
            alive: true,
            asks_for_losses: true,
            sends_feedback: true,
            last_arrivals: Vec::new(),
            sends_reports: true,
            answers_references: true,
            allocation: None,
            descriptor: None,
            nominates: true,
            check_jitter: 0.0,
            tapped: false,
            tap: Vec::new(),
            compounds: VecDeque::new(),
            replayed: 0,
            probes: 0,
            swallows: Vec::new(),
            refuses: Vec::new(),
            names_streams: None,
            names_repairs: true,
            viewer: None,
            plaintexts: DefaultHasher::new(),
            uplink: None,
            now,
            next_check: now,
            next_feedback: now,
            checked: false,
            identity,
            role,
            clock,
            outgoing: VecDeque::new(),
            random: index as u64,
            transport_sequence: 0,
            sctp_header: [0; 8],
            indexes: BTreeMap::new(),
            unreported: Vec::new(),
            feedback_count: 0,
            expected: BTreeMap::new(),
            counted: BTreeMap::new(),
            reported: BTreeMap::new(),
            last_reports: BTreeMap::new(),
            compounds_seen: HashSet::new(),
            references: Vec::new(),
            origin: now,
        }
    }

    pub fn ice(&self) -> IceCredentials {
        IceCredentials {
            local_ufrag: self.server_ufrag.clone(),
            local_pwd: self.server_pwd.clone(),
            remote_ufrag: self.local_ufrag.clone(),
            remote_pwd: "the-password-of-the-peer".into(),
        }
    }

    pub fn fingerprint(&self) -> Fingerprint {
        fingerprint(&self.identity)
    }

    /// Sets the server's expected certificate. Before that, its handshake cannot succeed.
    pub fn expect(&mut self, server: &Identity, now: Instant) {
        self.dtls = Session::new(&self.identity, self.role, &[fingerprint(server)], now);
    }

    pub fn is_connected(&self) -> bool {
        self.outbound.is_some()
    }

    pub fn open_sctp(&mut self, spec: SctpSpec, now: Instant) {
        let mut data = Data::new(spec, self.role, &DataLimits::default(), PeerIds::new(999), now);
        if self.dtls.is_connected() {
            data.connect(now);
        }
        self.data = Some(data);
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.alive {
            return None;
        }
        let check = self.checking.then_some(self.next_check);
        let media = self.outbound.as_ref().and_then(|_| {
            let frames = self.sources.iter().filter(|source| source.active).map(|source| source.next_frame);
            let reports = match &self.viewer {
                Some(viewer) => viewer.poll_timeout(),
                None => self.sends_reports.then_some(self.next_feedback),
            };
            frames.chain(reports).min()
        });
        let data = self.data.as_ref().and_then(Data::poll_timeout);
        [check, media, self.dtls.poll_timeout(), data].into_iter().flatten().min()
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if !self.alive {
            return;
        }
        if self.checking && self.next_check <= now {
            let check = self.check(self.nominates);
            self.outgoing.push_back(check);
            let interval = if self.checked { self.check_interval } else { ms(50) };
            self.next_check = now + interval.mul_f64(1.0 + self.check_jitter * self.chance());
        }
        self.dtls.handle_timeout(now);
        if let Some(data) = &mut self.data {
            data.handle_timeout(now);
        }
        if self.outbound.is_some() {
            for index in 0..self.sources.len() {
                while self.sources[index].active && self.sources[index].next_frame <= now {
                    self.send_frame(index, now);
                }
            }
            if self.viewer.is_some() {
                self.view(now);
            } else if self.sends_reports && self.next_feedback <= now {
                self.next_feedback = now + ms(100);
                self.report(now);
            }
        }
        self.pump(now);
    }

    fn note_plaintext(&mut self, plaintext: &[u8], now: Instant) {
        ((now - self.origin), plaintext).hash(&mut self.plaintexts);
    }

    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front().filter(|_| self.alive)
    }

    /// From -1 to 1.
    fn chance(&mut self) -> f64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    pub fn handle_datagram(&mut self, datagram: &mut [u8], now: Instant) {
        self.now = now;
        if !self.alive {
            return;
        }
        match protocol(datagram) {
            Ok(Protocol::Stun) => self.handle_stun(datagram),
            Ok(Protocol::Dtls) => {
                let _ = self.dtls.handle_datagram(datagram, now);
            }
            Ok(Protocol::Rtp) => self.handle_rtp(datagram, now),
            Ok(Protocol::Rtcp) => self.handle_rtcp(datagram, now),
            Err(why) => panic!("the server sent what nobody understands: {why:?}"),
        }
        self.pump(now);
    }

    /// Moves the output of DTLS and SCTP on.
    pub fn pump(&mut self, now: Instant) {
        while let Some(event) = self.dtls.poll_event() {
            match event {
                dtls::Event::Connected(keys) => {
                    self.outbound = Some(Outbound::new(&keys));
                    self.inbound = Some(Inbound::new(&keys));
                    for source in &mut self.sources {
                        source.next_frame = now;
                    }
                    if let Some(data) = &mut self.data {
                        data.connect(now);
                    }
                }
                dtls::Event::Data(packet) => {
                    if let Some(data) = &mut self.data {
                        let _ = data.handle_packet(&packet, now);
                    }
                }
                dtls::Event::Failed(_) => self.failed = true,
                dtls::Event::Closed => self.closed = true,
            }
        }
        if let Some(data) = &mut self.data {
            while let Some(packet) = data.poll_transmit() {
                self.sctp_header.copy_from_slice(&packet[..8]);
                self.dtls.send(&packet);
            }
            while let Some(event) = data.poll_event() {
                self.data_events.push(event);
            }
        }
        // A real client sends its handshake only after a check was answered.
        if self.checked || self.role == DtlsRole::Server {
            while let Some(datagram) = self.dtls.poll_transmit() {
                self.outgoing.push_back(datagram);
            }
        }
    }

    pub fn send_raw(&mut self, datagram: Vec<u8>) {
        self.outgoing.push_back(datagram);
    }
}

/// The fingerprint as in SDP.
pub fn fingerprint(identity: &Identity) -> Fingerprint {
    let digest = identity.fingerprint().split(':').map(|octet| u8::from_str_radix(octet, 16).unwrap()).collect();
    Fingerprint { hash: Hash::Sha256, digest }
}
