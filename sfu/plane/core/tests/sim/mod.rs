//! A call in virtual time: one plane, participants around it, seeded links between them. Nothing here waits.

#![allow(dead_code)]

pub mod account;
pub mod audit;
pub mod budget;
pub mod course;
pub mod encoder;
pub mod link;
pub mod network;
pub mod pcap;
pub mod peer;
pub mod random;
pub mod record;
pub mod scene;
pub mod source;
pub mod stream;
pub mod table;
pub mod tcp;
pub mod uplink;
pub mod viewer;

use std::sync::Arc;

use plane_core::batch::Batch;
use plane_core::codec::{Codec, PayloadType};
use plane_core::command::{
    Command, DtlsRole, EncodingSpec, IceCredentials, Kind, Path, SctpSpec, SlotSpec, TrackSpec, TransportSpec,
};
use plane_core::config::{Config, DataLimits, Silence};
use plane_core::dtls::Identity;
use plane_core::id::{SlotId, TrackId, TransportId};
use plane_core::layer::Layer;
use plane_core::rtp::extension::{Extension, ExtensionMap};
use plane_core::time::{Duration, Instant, Ntp, WallClock, ms};
use plane_core::{Discard, Event, Plane};

use audit::Audit;
use budget::Budget;
pub use link::Link;
use network::{Network, Traveller, Way};
use peer::Peer;

pub const VP8: PayloadType =
    PayloadType { number: 96, codec: Codec::Vp8, format: 0, clock_rate: 90_000, rtx: Some(97) };
/// H.264 of a hardware encoder: one profile, and no RTX.
pub const H264: PayloadType = PayloadType { number: 102, codec: Codec::H264, rtx: None, ..VP8 };
pub const OPUS: PayloadType = PayloadType { number: 111, codec: Codec::Opus, format: 0, clock_rate: 48_000, rtx: None };

pub struct Call {
    pub plane: Plane,
    pub now: Instant,
    pub peers: Vec<Peer>,
    pub events: Vec<Event>,
    /// The links of each participant, which may change at any time.
    pub up: Vec<Link>,
    pub down: Vec<Link>,
    pub network: Network,
    /// The part of the upstream delay in the server's socket, after the kernel's timestamp.
    pub in_socket: Duration,
    /// Datagrams to addresses without a peer: time, path, and octets.
    pub strays: Vec<(Instant, Path, Vec<u8>)>,
    next_id: u64,
    random: u64,
    pub clock: WallClock,
    pub audit: Audit,
    pub budget: Budget,
    identity: Arc<Identity>,
    /// Writes what the plane captured, if `SFU_SIM_CAPTURE` names a folder.
    recording: Option<pcap::Recording>,
}

impl Call {
    pub fn new(seed: u64) -> Self {
        Self::with_silence(seed, Silence::default())
    }

    pub fn with_silence(seed: u64, silence: Silence) -> Self {
        let now = Instant::now();
        let clock = WallClock { at: now, ntp: Ntp(3_900_000_000 << 32) };
        let identity = Arc::new(Identity::generate().expect("a certificate can be made"));
        let config = Config {
            seed,
            identity: Arc::clone(&identity),
            wall_clock: clock,
            worker: 0,
            silence,
            data: DataLimits::default(),
        };
        let mut plane = Plane::new(config);
        let recording = pcap::Recording::start(&mut plane, now);
        Self {
            plane,
            recording,
            now,
            peers: Vec::new(),
            events: Vec::new(),
            up: Vec::new(),
            down: Vec::new(),
            network: Network::new(seed),
            in_socket: ms(0),
            strays: Vec::new(),
            next_id: 1,
            random: seed,
            clock,
            audit: Audit::default(),
            budget: Budget::new(silence),
            identity,
        }
    }

    pub fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Adds a participant whose transport the plane knows and who has sent nothing yet.
    pub fn invite(&mut self, role: DtlsRole) -> usize {
        self.invite_with(role, |_| {})
    }

    /// The same; `change` has the last word on what the plane is told.
    pub fn invite_with(&mut self, role: DtlsRole, change: impl FnOnce(&mut TransportSpec)) -> usize {
        let index = self.peers.len();
        let transport = TransportId(self.id());
        let mut peer = Peer::new(index, transport, role, self.clock, self.now);
        peer.expect(&self.identity, self.now);
        let mut spec = TransportSpec {
            id: transport,
            ice: peer.ice(),
            dtls_role: role,
            fingerprints: vec![peer.fingerprint()],
            cname: format!("cname{index}"),
        };
        change(&mut spec);
        self.peers.push(peer);
        self.up.push(Link::default());
        self.down.push(Link::default());
        self.network.add_participant();
        self.apply(Command::AddTransport(spec));
        index
    }

    /// Adds a connected participant.
    pub fn join(&mut self) -> usize {
        let peer = self.invite(DtlsRole::Server);
        self.connect(peer);
        peer
    }

    pub fn connect(&mut self, peer: usize) {
        self.peers[peer].checking = true;
        for _ in 0..400 {
            if self.peers[peer].is_connected() && self.has_connected(peer) {
                return;
            }
            self.run(ms(10));
        }
        panic!("participant {peer} did not connect: {:?}", self.events);
    }

    pub fn has_connected(&self, peer: usize) -> bool {
        let transport = self.peers[peer].transport;
        self.states(transport).last() == Some(&plane_core::event::TransportState::Connected)
    }

    pub fn states(&self, of: TransportId) -> Vec<plane_core::event::TransportState> {
        let state = |event: &Event| match event {
            Event::TransportState { transport, state, .. } if *transport == of => Some(*state),
            _ => None,
        };
        self.events.iter().filter_map(state).collect()
    }

    pub fn extensions() -> ExtensionMap {
        let mut map = ExtensionMap::default();
        map.set(Extension::Mid, 4);
        map.set(Extension::Rid, 10);
        map.set(Extension::RepairedRid, 11);
        map.set(Extension::AudioLevel, 1);
        map.set(Extension::TransportCc, 3);
        map.set(Extension::AbsSendTime, 2);
        map.set(Extension::VideoLayersAllocation, 9);
        map.set(Extension::DependencyDescriptor, 12);
        map
    }

    /// Publishes a track of the participant. With RIDs its encodings are simulcast, lowest first.
    pub fn publish(&mut self, peer: usize, kind: Kind, rids: &[&str]) -> TrackId {
        self.publish_with(peer, kind, rids, |_| {})
    }

    /// The same; `change` has the last word on what the plane is told.
    pub fn publish_with(
        &mut self,
        peer: usize,
        kind: Kind,
        rids: &[&str],
        change: impl FnOnce(&mut TrackSpec),
    ) -> TrackId {
        let id = TrackId(self.id());
        let mid = format!("{}", self.peers[peer].sources.len());
        let encodings = if rids.is_empty() {
            vec![EncodingSpec::default()]
        } else {
            rids.iter().map(|rid| EncodingSpec { rid: Some((*rid).into()), ..EncodingSpec::default() }).collect()
        };
        let mut spec = TrackSpec {
            id,
            transport: self.peers[peer].transport,
            kind,
            mid: mid.clone(),
            payload_types: vec![if kind == Kind::Video { VP8 } else { OPUS }],
            encodings,
            extensions: Self::extensions(),
            parameter_sets: Vec::new(),
            nack: kind == Kind::Video,
            pli: kind == Kind::Video,
            fir: false,
            repairs: Vec::new(),
        };
        change(&mut spec);
        self.apply(Command::AddTrack(spec));
        let now = self.now;
        self.peers[peer].publish(kind, &mid, rids, now);
        id
    }

    /// Adds a receive section of the participant that shows the track, best layer first.
    pub fn subscribe(&mut self, peer: usize, track: TrackId, kind: Kind) -> SlotId {
        let slot = self.add_slot(peer, kind);
        self.show(slot, Some(track), &[Layer::new(2, 3), Layer::new(1, 3), Layer::new(0, 3)]);
        slot
    }

    pub fn add_slot(&mut self, peer: usize, kind: Kind) -> SlotId {
        self.add_slot_with(peer, kind, |_| {})
    }

    /// The same; `change` has the last word on what the plane is told.
    pub fn add_slot_with(&mut self, peer: usize, kind: Kind, change: impl FnOnce(&mut SlotSpec)) -> SlotId {
        let id = SlotId(self.id());
        let ssrc = 0x5000_0000 + id.0 as u32 * 2;
        let mut spec = SlotSpec {
            id,
            transport: self.peers[peer].transport,
            kind,
            mid: format!("r{}", id.0),
            ssrc,
            rtx_ssrc: (kind == Kind::Video).then_some(ssrc + 1),
            payload_types: vec![
                PayloadType { number: 120, rtx: Some(121), ..VP8 },
                PayloadType { number: 122, rtx: Some(123), ..H264 },
                PayloadType { number: 109, ..OPUS },
            ],
            extensions: Self::extensions(),
        };
        change(&mut spec);
        self.budget.note_repairs(spec.rtx_ssrc);
        self.apply(Command::AddSlot(spec));
        id
    }

    pub fn show(&mut self, slot: SlotId, track: Option<TrackId>, ladder: &[Layer]) {
        self.apply(Command::SetTargets(vec![(slot, ladder.to_vec())]));
        self.apply(Command::SetSource { slots: vec![slot], track });
    }

    /// Switches the slot to another track. Its ladder stays.
    pub fn subscribe_to(&mut self, slot: SlotId, track: TrackId) {
        self.apply(Command::SetSource { slots: vec![slot], track: Some(track) });
    }

    pub fn open_sctp(&mut self, peer: usize) {
        let spec = SctpSpec { local_port: 5_000, remote_port: 5_000, max_message_size: 65_536 };
        let transport = self.peers[peer].transport;
        self.apply(Command::OpenSctp { transport, spec });
        let now = self.now;
        // This client does not check which messages the server accepts.
        self.peers[peer].open_sctp(SctpSpec { max_message_size: 1 << 20, ..spec }, now);
    }

    pub fn restart_ice(&mut self, peer: usize, ice: IceCredentials) {
        let transport = self.peers[peer].transport;
        self.apply(Command::RestartIce { transport, ice });
    }

    pub fn apply(&mut self, command: Command) {
        self.plane.apply(command, self.now);
        self.settle();
    }

    /// Advances the time and does everything that is due.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        let mut idle = 0;
        loop {
            let due = [
                self.network.poll_timeout(),
                self.plane.poll_timeout(),
                self.peers.iter().filter_map(Peer::poll_timeout).min(),
            ];
            let Some(next) = due.into_iter().flatten().min().filter(|&next| next <= end) else { break };
            idle = if next > self.now { 0 } else { idle + 1 };
            assert!(idle < 10_000, "time stands still: the plane {:?}, at {:?}", self.plane.poll_timeout(), self.now);
            self.now = self.now.max(next);
            while let Some(traveller) = self.poll_arrival() {
                self.land(traveller);
            }
            if self.plane.poll_timeout().is_some_and(|due| due <= self.now) {
                self.budget.handle_timeout(&mut self.plane, self.now);
            }
            for peer in &mut self.peers {
                peer.handle_timeout(self.now);
            }
            self.settle();
        }
        self.now = end;
    }

    /// Delivers a datagram from any address at once.
    pub fn inject(&mut self, path: Path, mut datagram: Vec<u8>) -> Result<(), Discard> {
        let result = self.budget.handle(&mut self.plane, &mut datagram, path, self.now, self.now);
        self.settle();
        result
    }

    /// The number of discards by reason.
    pub fn discarded(&self, why: Discard) -> u64 {
        self.plane.stats().discarded(why)
    }

    fn poll_arrival(&mut self) -> Option<Traveller> {
        let (up, down) = (&self.up, &self.down);
        let link = |way, participant: usize| if way == Way::Up { up[participant] } else { down[participant] };
        self.network.poll_arrival(link, self.now)
    }

    fn land(&mut self, mut traveller: Traveller) {
        let peer = &mut self.peers[traveller.participant];
        match traveller.way {
            Way::Up => {
                let received = self.now - self.in_socket;
                let _ = self.budget.handle(&mut self.plane, &mut traveller.datagram, peer.path, received, self.now);
            }
            Way::Down => peer.handle_datagram(&mut traveller.datagram, self.now),
        }
    }

    /// Sends everybody's datagrams over the links, and collects the plane's events.
    fn settle(&mut self) {
        let mut batch = Batch::default();
        while self.plane.poll_transmit(&mut batch, self.now) {
            let mut leaving = Vec::new();
            for (message, bytes) in batch.messages() {
                for datagram in bytes.chunks(message.segment) {
                    leaving.push((message.path, datagram.to_vec()));
                }
            }
            batch.clear();
            for (path, datagram) in leaving {
                self.audit.note(path, &datagram);
                self.budget.sent(path, &datagram, self.now);
                if let Some(index) = self.peers.iter().position(|peer| peer.path == path) {
                    self.launch(Way::Down, index, datagram);
                } else {
                    self.strays.push((self.now, path, datagram));
                }
            }
        }
        self.budget.look(&self.plane);
        while let Some(event) = self.plane.poll_event() {
            match (&mut self.recording, event) {
                (Some(recording), Event::Captured { transport: None, octets, .. }) => recording.add(&octets),
                (_, event) => self.events.push(event),
            }
        }
        for index in 0..self.peers.len() {
            while let Some(datagram) = self.peers[index].poll_transmit() {
                self.launch(Way::Up, index, datagram);
            }
        }
    }

    /// Octets that went to an address without a peer, and those of them that are not STUN.
    pub fn strayed(&self, to: Path) -> (usize, usize) {
        let there = || self.strays.iter().filter(move |(_, path, _)| *path == to).map(|(_, _, datagram)| datagram);
        let length = |datagram: &Vec<u8>| datagram.len();
        (there().map(length).sum(), there().filter(|datagram| datagram[0] > 3).map(length).sum())
    }

    fn launch(&mut self, way: Way, participant: usize, datagram: Vec<u8>) {
        let link = if way == Way::Up { self.up[participant] } else { self.down[participant] };
        let tapped = (way == Way::Up && self.peers[participant].tapped).then(|| datagram.clone());
        if self.network.send(Traveller { way, participant, datagram }, &link, self.now) {
            self.peers[participant].tap.extend(tapped);
        }
    }

    /// From 0 to 1.
    pub fn chance(&mut self) -> f64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The path of this participant's datagrams.
    pub fn path(&self, peer: usize) -> Path {
        self.peers[peer].path
    }
}
