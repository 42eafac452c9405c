//! A call as octets: the input of a fuzzer is parsed as steps of participants with keys, of the application, and of
//! time. So authentic packets of any content reach every layer, in any order of commands and timeouts.
//!
//! Every step is possible in reality: commands have arguments that the specs of `_native.pyi` accept, and a datagram is
//! one that a participant could send. So every panic is a bug, and everything that remains at the end is a leak.

mod commands;
mod datagrams;
mod octets;
mod reports;

use std::collections::{HashMap, HashSet};

use plane_core::Command;
use plane_core::command::{DtlsRole, Kind, TrackSpec};
use plane_core::event::TransportState;
use plane_core::id::{ChannelId, SlotId, TransportId};
use plane_core::time::{Duration, ms};

use crate::sim::stream::ssrc;
use crate::sim::{Call, Link};
use octets::Octets;

/// The maximum steps and time of one script.
const MOST_STEPS: usize = 256;
const LONGEST: Duration = ms(180_000);
/// A Binding Indication keeps a participant for a minute (`ice/consent.rs`).
const LONGEST_SILENCE: Duration = ms(61_000);
const MOST_PEERS: usize = 4;
const MOST_TRACKS: usize = 12;
const MOST_SLOTS: usize = 24;

pub fn run(octets: &[u8]) {
    let mut script = Script::begin();
    let mut choices = Octets(octets);
    for _ in 0..MOST_STEPS {
        if script.left.is_zero() || script.step(&mut choices).is_none() {
            break;
        }
    }
    script.end();
}

/// The packets that a peer sends of one SSRC by script.
#[derive(Default)]
struct Sent {
    highest: Option<u64>,
    timestamp: u32,
    /// Skipped indexes, which may be sent late.
    holes: Vec<u64>,
}

struct Script {
    call: Call,
    transports: Vec<TransportId>,
    tracks: Vec<TrackSpec>,
    slots: Vec<SlotId>,
    channels: Vec<ChannelId>,
    sent: HashMap<(usize, u32), Sent>,
    /// Ids that the application has removed.
    removed: HashSet<u64>,
    left: Duration,
    restarts: u32,
}

impl Script {
    /// Alice publishes a camera with three encodings and a microphone. Bob receives both. Both have data channels.
    fn begin() -> Self {
        let mut call = Call::new(1);
        call.audit.watches = true;
        let mut script = Self {
            call,
            transports: Vec::new(),
            tracks: Vec::new(),
            slots: Vec::new(),
            channels: Vec::new(),
            sent: HashMap::new(),
            removed: HashSet::new(),
            left: LONGEST,
            restarts: 0,
        };
        let (alice, bob) = (script.join(DtlsRole::Server), script.join(DtlsRole::Client));
        for (kind, rids) in [(Kind::Video, &["q", "h", "f"][..]), (Kind::Audio, &[])] {
            let mut declared = None;
            let track = script.call.publish_with(alice, kind, rids, |spec| declared = Some(spec.clone()));
            script.tracks.extend(declared);
            let slot = script.call.subscribe(bob, track, kind);
            script.slots.push(slot);
        }
        script.hush();
        script.run(ms(50));
        script
    }

    fn join(&mut self, role: DtlsRole) -> usize {
        let peer = self.call.invite(role);
        // Checks come from any address, also from another's.
        self.call.peers[peer].misdirected = Some(Vec::new());
        self.call.connect(peer);
        self.call.open_sctp(peer);
        self.call.peers[peer].sends_reports = false;
        self.transports.push(self.call.peers[peer].transport);
        peer
    }

    /// Sources send only in steps that say so.
    fn hush(&mut self) {
        for source in self.call.peers.iter_mut().flat_map(|peer| &mut peer.sources) {
            source.active = false;
        }
    }

    fn run(&mut self, time: Duration) {
        let time = time.min(self.left);
        self.left -= time;
        self.call.run(time);
    }

    /// Runs one step. None: the octets are used up.
    fn step(&mut self, choices: &mut Octets) -> Option<()> {
        match choices.octet()? % 32 {
            0..=6 => self.rtp(choices),
            7..=13 => self.rtcp(choices),
            14 => self.stun(choices),
            15 => self.dtls(choices),
            16 | 17 => self.sctp(choices),
            18 | 19 => self.message(choices),
            20..=24 => self.command(choices),
            25 | 26 => self.frames(choices),
            27 => self.manners(choices),
            28 => self.anything(choices),
            _ => {
                let time = choices.pick(&[1, 5, 10, 20, 100, 350, 1_000, 2_500, 4_100, 9_000, 16_000, 31_000])?;
                self.run(ms(time));
                Some(())
            }
        }
    }

    fn peer(&self, choices: &mut Octets) -> Option<usize> {
        choices.below(self.call.peers.len())
    }

    /// An SSRC in use, or an unused one.
    fn ssrc(&self, choices: &mut Octets) -> Option<u32> {
        let sources = self.call.peers.iter().flat_map(|peer| &peer.sources);
        let mut all: Vec<u32> = sources.flat_map(|source| [source.ssrc, source.rtx_ssrc]).collect();
        all.extend(self.slots.iter().flat_map(|&slot| [ssrc(slot), ssrc(slot) + 1]));
        all.extend([0, 1, 7_000, 7_001, 7_002, u32::MAX]);
        choices.pick(&all)
    }

    /// A source sends some frames like a browser.
    fn frames(&mut self, choices: &mut Octets) -> Option<()> {
        let (peer, which, frames) = (self.peer(choices)?, choices.octet()?, choices.below(8)? + 1);
        let now = self.call.now;
        for (at, source) in self.call.peers[peer].sources.iter_mut().enumerate() {
            source.active = which >> (at & 7) & 1 == 1;
            source.next_frame = source.next_frame.max(now);
            source.keyframe_wanted |= which & 0x80 != 0;
        }
        self.run(ms(33) * frames as u32);
        self.hush();
        Some(())
    }

    /// Changes the behaviour of a participant and its links.
    fn manners(&mut self, choices: &mut Octets) -> Option<()> {
        let (index, flags) = (self.peer(choices)?, choices.octet()?);
        let link = Link {
            delay: ms(choices.pick(&[1, 5, 40, 300])?),
            loss: choices.pick(&[0.0, 0.0, 0.05, 0.3])?,
            jitter: ms(choices.pick(&[0, 0, 20, 150])?),
            ..Link::default()
        };
        (self.call.up[index], self.call.down[index]) = (link, link);
        let peer = &mut self.call.peers[index];
        peer.alive = flags & 3 != 0;
        peer.sends_reports = flags & 4 != 0;
        peer.asks_for_losses = flags & 8 != 0;
        peer.sends_feedback = flags & 16 != 0;
        peer.checking = flags & 32 != 0;
        peer.nominates = flags & 64 != 0;
        Some(())
    }

    /// Everybody becomes silent, which the plane reports, and is removed. Checks that nothing remains.
    fn end(mut self) {
        self.call.run(ms(1_000));
        self.call.peers.iter_mut().for_each(|peer| peer.alive = false);
        self.call.run(LONGEST_SILENCE);
        for transport in &self.transports {
            let is_known = !self.removed.contains(&transport.0);
            let last = self.call.states(*transport).last().copied();
            assert!(
                !is_known || last != Some(TransportState::Connected),
                "{transport:?} is silent for {LONGEST_SILENCE:?}"
            );
        }
        let mut ids: Vec<u64> = self.transports.iter().map(|id| id.0).collect();
        ids.extend(self.channels.iter().map(|id| id.0).chain(commands::ROOMS).chain(commands::GROUPS));
        for id in ids {
            self.call.apply(Command::Remove(id));
        }
        self.call.run(ms(100));
        let stats = self.call.plane.stats();
        let kept = [stats.transports, stats.tracks, stats.slots, stats.channels];
        assert_eq!((kept, self.call.plane.indexes()), ([0; 4], 0), "everybody has left");
    }
}
