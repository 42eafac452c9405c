//! A participant as a browser would be: connectivity checks, DTLS, SRTP, sources that send, what it received.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use plane_core::Discard;
use plane_core::codec::Codec;
use plane_core::command::{DtlsRole, Fingerprint, Hash, IceCredentials, Kind, Path, SctpSpec};
use plane_core::config::DataLimits;
use plane_core::data::{self, Data, PeerIds};
use plane_core::demux::{Protocol, protocol};
use plane_core::dtls::{self, Identity, Session};
use plane_core::id::TransportId;
use plane_core::rtcp::compound::{self, Packet};
use plane_core::rtcp::{feedback, report, twcc};
use plane_core::rtp::elements::{self, Writer};
use plane_core::rtp::extension::Extension;
use plane_core::rtp::header::Header;
use plane_core::srtp::{Inbound, Outbound};
use plane_core::time::{Instant, WallClock, ms};
use stun_types::attribute::{AttributeType, RawAttribute, Username, XorMappedAddress};
use stun_types::message::ShortTermCredentials;
use stun_types::message::{
    BINDING, IntegrityAlgorithm, Message, MessageClass, MessageWrite, MessageWriteExt, MessageWriteVec,
};

use super::source::Source;
use super::{Call, H264, OPUS, VP8};

const ICE_CONTROLLING: AttributeType = AttributeType::new(0x802A);
const PRIORITY: AttributeType = AttributeType::new(0x0024);
const USE_CANDIDATE: AttributeType = AttributeType::new(0x0025);

/// A media packet that came, in clear.
#[derive(Clone, Debug)]
pub struct Received {
    pub at: Instant,
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    pub marker: bool,
    pub payload_type: u8,
    pub mid: Option<String>,
    pub transport_cc: Option<u16>,
    pub descriptor: Option<Vec<u8>>,
    pub payload: Vec<u8>,
}

/// Transport-wide feedback that came.
#[derive(Clone, Debug)]
pub struct Told {
    /// In units of 64 ms.
    pub reference: i32,
    /// By number: after the arrival before it, in units of 250 us. None: not arrived.
    pub packets: Vec<(u16, Option<i16>)>,
}

impl Told {
    fn new(feedback: &twcc::Feedback<'_>) -> Self {
        Self { reference: feedback.reference, packets: feedback.packets().collect() }
    }
}

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
    /// Of its sound, in -dBov (RFC 6464).
    pub level: u8,
    pub received: Vec<Received>,
    pub feedback: Vec<Told>,
    pub sender_reports: Vec<(u32, plane_core::time::Ntp, u32, Instant)>,
    pub plis: Vec<(u32, Instant)>,
    pub nacks: Vec<(u32, Vec<u16>, Instant)>,
    pub byes: Vec<u32>,
    pub closed: bool,
    pub failed: bool,
    /// It answers the server's checks.
    pub answers: bool,
    /// How many came.
    pub asked: usize,
    /// Checks for another, who claims this peer's address; where it is not set, one is a fault of the server.
    pub misdirected: Option<Vec<Vec<u8>>>,
    /// It sends connectivity checks.
    pub checking: bool,
    pub check_interval: plane_core::time::Duration,
    /// It reports, asks again, sends media. False: it went silent (SIGSTOP).
    pub alive: bool,
    pub asks_for_losses: bool,
    pub sends_feedback: bool,
    /// Reports, every 100 ms as long as it is connected.
    pub sends_reports: bool,
    /// Goes with the next packet.
    pub allocation: Option<Vec<u8>>,
    /// A dependency descriptor, likewise.
    pub descriptor: Option<Vec<u8>>,
    /// Its checks nominate (USE-CANDIDATE).
    pub nominates: bool,
    /// Added to or taken from the check interval: up to this fraction of it.
    pub check_jitter: f64,
    /// What it sends is kept here.
    pub tapped: bool,
    pub tap: Vec<Vec<u8>>,
    /// Reports in clear, the first hundred.
    pub compounds: VecDeque<Vec<u8>>,
    /// MID and RID come with so many packets of a source only; always, if not set.
    pub names_streams: Option<u32>,
    /// Packets that came twice.
    pub replayed: usize,
    /// What it sends again has MID and repaired RID.
    pub names_repairs: bool,
    /// Sequence numbers of its sources that get lost before they leave.
    pub swallows: Vec<u16>,
    /// Those it sends again for nobody.
    pub refuses: Vec<u16>,
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
    /// The first sequence number that came, and how many did.
    counted: BTreeMap<u32, (u16, u16)>,
    last_reports: BTreeMap<u32, (u32, Instant)>,
    origin: Instant,
}

impl Peer {
    pub fn new(index: usize, transport: TransportId, server: DtlsRole, clock: WallClock, now: Instant) -> Self {
        let identity = Arc::new(Identity::generate().expect("a certificate can be made"));
        let role = if server == DtlsRole::Server { DtlsRole::Client } else { DtlsRole::Server };
        let port = 40_000 + index as u16;
        Self {
            transport,
            path: Path { local: ([192, 0, 2, 1], 7_882).into(), remote: ([198, 51, 100, 1], port).into() },
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
            sends_reports: true,
            allocation: None,
            descriptor: None,
            nominates: true,
            check_jitter: 0.0,
            tapped: false,
            tap: Vec::new(),
            compounds: VecDeque::new(),
            replayed: 0,
            swallows: Vec::new(),
            refuses: Vec::new(),
            names_streams: None,
            names_repairs: true,
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
            last_reports: BTreeMap::new(),
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

    /// The certificate it expects of the server; before this, its handshake cannot succeed.
    pub fn expect(&mut self, server: &Identity, now: Instant) {
        self.dtls = Session::new(&self.identity, self.role, &[fingerprint(server)], now);
    }

    pub fn is_connected(&self) -> bool {
        self.outbound.is_some()
    }

    pub fn publish(&mut self, kind: Kind, mid: &str, rids: &[&str], now: Instant) {
        let base = 1_000 * (self.transport.0 as u32 + 1) + 100 * self.sources.len() as u32;
        if rids.is_empty() {
            self.sources.push(Source::new(kind, mid, None, base, now));
        }
        for (index, rid) in rids.iter().enumerate() {
            self.sources.push(Source::new(kind, mid, Some(rid), base + 10 * index as u32, now));
        }
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
            frames.chain(self.sends_reports.then_some(self.next_feedback)).min()
        });
        let data = self.data.as_ref().and_then(Data::poll_timeout);
        [check, media, self.dtls.poll_timeout(), data].into_iter().flatten().min()
    }

    pub fn handle_timeout(&mut self, now: Instant) {
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
            if self.sends_reports && self.next_feedback <= now {
                self.next_feedback = now + ms(100);
                self.report(now);
            }
        }
        self.pump(now);
    }

    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front().filter(|_| self.alive)
    }

    /// From -1 to 1.
    fn chance(&mut self) -> f64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// A connectivity check, signed with the server's password.
    pub fn check(&self, nominate: bool) -> Vec<u8> {
        self.check_as(nominate, 1_000, &self.server_pwd)
    }

    pub fn check_as(&self, nominate: bool, priority: u32, password: &str) -> Vec<u8> {
        let mut request = Message::builder_request(BINDING, MessageWriteVec::new());
        let username = format!("{}:{}", self.server_ufrag, self.local_ufrag);
        request.add_attribute(&Username::new(&username).unwrap()).unwrap();
        request.add_attribute(&RawAttribute::new(ICE_CONTROLLING, &[1; 8])).unwrap();
        request.add_attribute(&RawAttribute::new(PRIORITY, &priority.to_be_bytes())).unwrap();
        if nominate {
            request.add_attribute(&RawAttribute::new(USE_CANDIDATE, &[])).unwrap();
        }
        let key = ShortTermCredentials::new(password.to_owned()).make_key();
        request.add_message_integrity_with_key(&key, IntegrityAlgorithm::Sha1).unwrap();
        request.add_fingerprint().unwrap();
        request.finish()
    }

    pub fn handle_datagram(&mut self, datagram: &mut [u8], now: Instant) {
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

    fn handle_stun(&mut self, datagram: &[u8]) {
        let message = Message::from_bytes(datagram).expect("the server's STUN is well formed");
        if !message.has_class(MessageClass::Request) {
            self.checked = true;
            return;
        }
        let username = message.attribute::<Username>().expect("it names us");
        let is_ours = username.username().starts_with(&format!("{}:", self.local_ufrag));
        if let Some(misdirected) = self.misdirected.as_mut().filter(|_| !is_ours) {
            misdirected.push(datagram.to_vec());
            return;
        }
        assert!(is_ours, "it names us");
        let key = ShortTermCredentials::new(self.ice().remote_pwd).make_key();
        message.validate_integrity_with_key(&key).expect("the server knows our password");
        self.asked += 1;
        if self.answers {
            self.outgoing.push_back(answer(&message, &self.ice().remote_pwd));
        }
    }

    /// Moves what DTLS and SCTP have to say on.
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

    /// Its source leaves out so many numbers.
    pub fn leap(&mut self, source: usize, by: u16) {
        let source = &mut self.sources[source];
        source.sequence = source.sequence.wrapping_add(by);
        *self.indexes.entry(source.ssrc).or_default() += u64::from(by);
    }

    fn send_frame(&mut self, index: usize, now: Instant) {
        let report = self.sources[index].next_report <= now;
        if report {
            let source = &mut self.sources[index];
            source.next_report = now + ms(1_000);
            let (ntp, rtp) = source.report(self.clock);
            let report =
                report::SenderReport { ssrc: source.ssrc, ntp, rtp, packets: source.sent, octets: source.sent * 1_000 };
            let mut out = Vec::new();
            report::write_sender_report(&mut out, &report, &[]);
            self.send_rtcp(out);
        }
        for made in self.sources[index].next_frame() {
            if self.swallows.contains(&made.sequence) {
                continue;
            }
            self.allocation = self.sources[index].allocation.take();
            let source = &self.sources[index];
            self.descriptor = source.descriptors.get(&made.sequence).cloned();
            let payload_type = match source.codec {
                Codec::H264 => H264.number,
                Codec::Opus => OPUS.number,
                _ => VP8.number,
            };
            let named = self.names_streams.is_none_or(|packets| source.sent <= packets);
            let mid = if named { source.mid.clone() } else { String::new() };
            let (rid, ssrc) = (source.rid.clone().filter(|_| named), source.ssrc);
            let head = (payload_type, made.marker, made.sequence, made.timestamp, ssrc);
            self.send_rtp(head, &mid, rid.as_deref().map(|rid| (Extension::Rid, rid)), &made.payload);
        }
    }

    /// Head: payload type, marker, sequence number, timestamp, SSRC.
    pub fn send_rtp(
        &mut self,
        (payload_type, marker, sequence, timestamp, ssrc): (u8, bool, u16, u32, u32),
        mid: &str,
        rid: Option<(Extension, &str)>,
        payload: &[u8],
    ) {
        let packet = self.protect((payload_type, marker, sequence, timestamp, ssrc), mid, rid, payload);
        self.outgoing.extend(packet);
    }

    pub fn protect(
        &mut self,
        (payload_type, marker, sequence, timestamp, ssrc): (u8, bool, u16, u32, u32),
        mid: &str,
        rid: Option<(Extension, &str)>,
        payload: &[u8],
    ) -> Option<Vec<u8>> {
        // The rollover counter goes on where the sequence number begins anew.
        let highest = self.indexes.get(&ssrc).copied().unwrap_or(u64::from(sequence));
        let distance = sequence.wrapping_sub(highest as u16) as i16;
        let index = highest.saturating_add_signed(i64::from(distance));
        self.protect_index((payload_type, marker, timestamp, ssrc), index, mid, rid, payload)
    }

    /// Head: payload type, marker, timestamp, SSRC. `index`: the rollover counter and the sequence number.
    pub fn protect_index(
        &mut self,
        (payload_type, marker, timestamp, ssrc): (u8, bool, u32, u32),
        index: u64,
        mid: &str,
        rid: Option<(Extension, &str)>,
        payload: &[u8],
    ) -> Option<Vec<u8>> {
        let highest = self.indexes.entry(ssrc).or_insert(index);
        *highest = index.max(*highest);
        let sequence = index as u16;
        let ids = Call::extensions();
        let id = |extension| ids.id(extension).expect("the simulation speaks it");
        let mut packet = vec![0; 1_500];
        packet[0] = 0x90;
        packet[1] = payload_type | if marker { 0x80 } else { 0 };
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
        packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
        let mut writer = Writer::new(&mut packet[12..], false);
        if !mid.is_empty() {
            writer.element(id(Extension::Mid), mid.as_bytes());
        }
        if let Some((extension, rid)) = rid {
            writer.element(id(extension), rid.as_bytes());
        }
        writer.element(id(Extension::TransportCc), &self.transport_sequence.to_be_bytes());
        if payload_type == OPUS.number {
            writer.element(id(Extension::AudioLevel), &[self.level]);
        }
        if let Some(allocation) = self.allocation.take() {
            writer.element(id(Extension::VideoLayersAllocation), &allocation);
        }
        if let Some(descriptor) = self.descriptor.take() {
            writer.element(id(Extension::DependencyDescriptor), &descriptor);
        }
        self.transport_sequence = self.transport_sequence.wrapping_add(1);
        let header = 12 + writer.finish();
        packet[header..header + payload.len()].copy_from_slice(payload);
        let outbound = self.outbound.as_mut()?;
        let length = outbound.protect_rtp(&mut packet, header, header + payload.len(), ssrc, index);
        packet.truncate(length);
        Some(packet)
    }

    /// The highest packet index it has sent of an SSRC.
    pub fn highest_index(&self, ssrc: u32) -> Option<u64> {
        self.indexes.get(&ssrc).copied()
    }

    /// A test has sent this index by itself.
    pub fn note_index(&mut self, ssrc: u32, index: u64) {
        self.indexes.insert(ssrc, index);
    }

    pub fn send_rtcp(&mut self, mut compound: Vec<u8>) {
        if let Some(outbound) = &mut self.outbound {
            outbound.protect_rtcp(&mut compound);
            self.outgoing.push_back(compound);
        }
    }

    pub fn send_raw(&mut self, datagram: Vec<u8>) {
        self.outgoing.push_back(datagram);
    }

    /// As if so many transport-wide numbered packets had been lost.
    pub fn skip_numbers(&mut self, count: u16) {
        self.transport_sequence = self.transport_sequence.wrapping_add(count);
    }

    fn handle_rtp(&mut self, datagram: &mut [u8], now: Instant) {
        let inbound = self.inbound.as_mut().expect("media comes after the handshake");
        let header = Header::parse(datagram).expect("the server's header is well formed");
        let length = match inbound.unprotect_rtp(datagram, &header) {
            Ok(length) => length,
            // Sent again to somebody without RTX, and neither was lost. That it is the same, the audit sees.
            Err(Discard::SrtpReplay) => {
                self.replayed += 1;
                return;
            }
            Err(why) => panic!("the server's packet is not authentic: {why:?}"),
        };
        let packet = &datagram[..length];
        let extensions = elements::read(&Call::extensions(), &header, packet).expect("its extensions are well formed");
        if let Some(number) = extensions.transport_cc {
            self.unreported.push((number, now));
        }
        let end = header.payload_end(packet).expect("its padding is well formed");
        self.received.push(Received {
            at: now,
            ssrc: header.ssrc,
            sequence: header.sequence,
            timestamp: header.timestamp,
            marker: header.marker,
            payload_type: header.payload_type,
            mid: extensions.mid.map(String::from),
            transport_cc: extensions.transport_cc,
            descriptor: extensions.dependency_descriptor.map(Vec::from),
            payload: packet[header.length..end].to_vec(),
        });
        self.counted.entry(header.ssrc).or_insert((header.sequence, 0)).1 += 1;
        let expected = self.expected.entry(header.ssrc).or_insert(header.sequence);
        let ahead = header.sequence.wrapping_sub(*expected);
        if ahead < 0x8000 {
            let lost: Vec<u16> = (0..ahead).map(|offset| expected.wrapping_add(offset)).collect();
            *expected = header.sequence.wrapping_add(1);
            if !lost.is_empty() && self.asks_for_losses {
                let mut out = Vec::new();
                feedback::write_nack(&mut out, 1, header.ssrc, &lost);
                self.send_rtcp(out);
            }
        }
    }

    fn handle_rtcp(&mut self, datagram: &mut [u8], now: Instant) {
        let inbound = self.inbound.as_mut().expect("RTCP comes after the handshake");
        let length = inbound.unprotect_rtcp(datagram).expect("the server's RTCP is authentic, and new");
        self.compounds.push_back(datagram[..length].to_vec());
        self.compounds.truncate(100);
        let mut packets = Vec::new();
        compound::parse(&datagram[..length], |packet| packets.push(packet)).expect("its RTCP is well formed");
        for packet in packets {
            match packet {
                Packet::SenderReport { ssrc, ntp, rtp, .. } => {
                    self.sender_reports.push((ssrc, ntp, rtp, now));
                    self.last_reports.insert(ssrc, (ntp.compact(), now));
                }
                Packet::Pli { media } => {
                    self.plis.push((media, now));
                    for source in self.sources.iter_mut().filter(|source| source.ssrc == media) {
                        source.keyframe_wanted = true;
                    }
                }
                Packet::Nack { media, lost, .. } => self.retransmit(media, lost.iter().collect(), now),
                Packet::TransportFeedback(feedback) => self.feedback.push(Told::new(&feedback)),
                Packet::Bye { ssrcs } => self.byes.extend(ssrcs),
                _ => {}
            }
        }
    }

    fn retransmit(&mut self, media: u32, lost: Vec<u16>, now: Instant) {
        self.nacks.push((media, lost.clone(), now));
        let Some(index) = self.sources.iter().position(|source| source.ssrc == media) else { return };
        for sequence in lost {
            if self.refuses.contains(&sequence) {
                continue;
            }
            let source = &mut self.sources[index];
            let Some((timestamp, marker, payload)) = source.history.get(&sequence).cloned() else { continue };
            let mut wrapped = sequence.to_be_bytes().to_vec();
            wrapped.extend(payload);
            let head = (97, marker, source.rtx_sequence, timestamp, source.rtx_ssrc);
            source.rtx_sequence += 1;
            let (mut mid, mut rid) = (source.mid.clone(), source.rid.clone());
            if !self.names_repairs {
                (mid, rid) = (String::new(), None);
            }
            self.descriptor = source.descriptors.get(&sequence).cloned();
            self.send_rtp(head, &mid, rid.as_deref().map(|rid| (Extension::RepairedRid, rid)), &wrapped);
        }
    }

    /// Receiver reports, and what arrived by transport-wide number.
    fn report(&mut self, now: Instant) {
        let blocks: Vec<_> = self
            .last_reports
            .iter()
            .map(|(&ssrc, &(last_sr, at))| report::ReportBlock {
                ssrc,
                fraction_lost: 0,
                cumulative_lost: self.lost(ssrc),
                highest: u32::from(self.expected.get(&ssrc).map_or(0, |next| next.wrapping_sub(1))),
                jitter: 0,
                last_sr,
                delay_since_last_sr: ((now - at).as_secs_f64() * 65_536.0) as u32,
            })
            .collect();
        let mut out = Vec::new();
        if !blocks.is_empty() {
            report::write_receiver_report(&mut out, 1, &blocks);
        }
        let arrived = std::mem::take(&mut self.unreported);
        if let (Some(&(base, first)), true) = (arrived.first(), self.sends_feedback) {
            let reference = ((first - self.origin).as_millis() / 64) as i32;
            let mut previous = self.origin + ms(reference as u64 * 64);
            let mut deltas = Vec::new();
            for (number, at) in arrived {
                let place = usize::from(number.wrapping_sub(base));
                // A late one: it was reported as lost.
                if place < deltas.len() || place >= 1 << 15 {
                    continue;
                }
                deltas.resize(place, None);
                let delta = (at.saturating_duration_since(previous).as_micros() / 250) as i16;
                previous = at;
                deltas.push(Some(delta));
            }
            twcc::write_feedback(&mut out, 1, 1, self.feedback_count, reference, base, &deltas);
            self.feedback_count = self.feedback_count.wrapping_add(1);
        }
        if !out.is_empty() {
            self.send_rtcp(out);
        }
    }

    /// Of the numbers since the first one (RFC 3550 A.3).
    fn lost(&self, ssrc: u32) -> i32 {
        let (Some(next), Some((first, came))) = (self.expected.get(&ssrc), self.counted.get(&ssrc)) else { return 0 };
        i32::from(next.wrapping_sub(*first)) - i32::from(*came)
    }

    /// What came for one SSRC.
    pub fn stream(&self, ssrc: u32) -> Vec<&Received> {
        self.received.iter().filter(|packet| packet.ssrc == ssrc).collect()
    }
}

/// To a connectivity check, signed with this password.
pub fn answer(request: &Message, password: &str) -> Vec<u8> {
    let mut response = Message::builder_success(request, MessageWriteVec::new());
    let seen = XorMappedAddress::new(([192, 0, 2, 1], 7_882).into(), request.transaction_id());
    response.add_attribute(&seen).unwrap();
    let key = ShortTermCredentials::new(password.to_owned()).make_key();
    response.add_message_integrity_with_key(&key, IntegrityAlgorithm::Sha1).unwrap();
    response.add_fingerprint().unwrap();
    response.finish()
}

/// As SDP would tell it.
pub fn fingerprint(identity: &Identity) -> Fingerprint {
    let digest = identity.fingerprint().split(':').map(|octet| u8::from_str_radix(octet, 16).unwrap()).collect();
    Fingerprint { hash: Hash::Sha256, digest }
}
