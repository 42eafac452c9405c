//! Steps of the application: commands of rooms, in any order, about present, past and future objects.

use plane_core::Command;
use plane_core::codec::{Codec, PayloadType};
use plane_core::command::{
    AudioPolicy, ChannelSpec, DtlsRole, EncodingSpec, IceCredentials, Kind, Member, SctpSpec, SlotSpec, TrackSpec,
};
use plane_core::id::{ChannelId, GroupId, RoomId, SlotId, TrackId, TransportId};
use plane_core::layer::Layer;
use plane_core::rtp::extension::{Extension, ExtensionMap};

use super::datagrams::reliability;
use super::octets::Octets;
use super::{MOST_PEERS, MOST_SLOTS, MOST_TRACKS, Script};
use crate::sim::{Call, H264, OPUS, VP8};

pub(super) const ROOMS: [u64; 2] = [1_000_001, 1_000_002];
pub(super) const GROUPS: [u64; 2] = [1_000_003, 1_000_004];
const MOST_CHANNELS: usize = 24;

const VIDEO: [PayloadType; 7] = [
    VP8,
    PayloadType { number: 98, codec: Codec::Vp9, rtx: Some(99), ..VP8 },
    PayloadType { number: 45, codec: Codec::Av1, rtx: Some(46), ..VP8 },
    PayloadType { rtx: Some(103), ..H264 },
    PayloadType { number: 49, codec: Codec::H265, rtx: Some(50), ..VP8 },
    PayloadType { number: 100, format: 1, rtx: Some(97), ..VP8 },
    PayloadType { number: 96, codec: Codec::H264, format: 1, rtx: None, ..VP8 },
];
const AUDIO: [PayloadType; 4] = [
    OPUS,
    PayloadType { number: 63, codec: Codec::Red, ..OPUS },
    PayloadType { number: 0, codec: Codec::Pcmu, clock_rate: 8_000, ..OPUS },
    PayloadType { number: 8, codec: Codec::Pcma, clock_rate: 8_000, ..OPUS },
];

impl Script {
    pub(super) fn command(&mut self, choices: &mut Octets) -> Option<()> {
        match choices.octet()? % 16 {
            0 | 1 => self.add_track(choices),
            2 => self.update_track(choices),
            3 | 4 => self.add_slot(choices),
            5..=7 => {
                let tracks: Vec<TrackId> = self.tracks.iter().map(|spec| spec.id).collect();
                let (slot, track) = (choices.pick(&self.slots)?, choices.pick(&tracks)?);
                let track = Some(track).filter(|_| choices.0.first().is_some_and(|octet| octet & 7 != 0));
                self.call.apply(Command::SetSource { slots: vec![slot], track });
                Some(())
            }
            8 | 9 => {
                let mut targets = Vec::new();
                for slot in choices.subset(&self.slots)? {
                    let mut ladder = Vec::new();
                    for _ in 0..choices.below(5)? {
                        let layer = choices.octet()?;
                        ladder.push(Layer::new(layer & 7, layer >> 4 & 7));
                    }
                    targets.push((slot, ladder));
                }
                self.call.apply(Command::SetTargets(targets));
                Some(())
            }
            10 => self.set_audio(choices),
            11 => {
                let track = choices.pick(&self.tracks.iter().map(|spec| spec.id).collect::<Vec<_>>())?;
                self.call.apply(match choices.octet()? % 3 {
                    0 => Command::RequestKeyframe(track),
                    octet => Command::SetMuted { track, muted: octet == 1 },
                });
                Some(())
            }
            12 | 13 => self.channel(choices),
            14 => self.remove(choices),
            _ => self.transport(choices),
        }
    }

    fn kind(choices: &mut Octets) -> Option<(Kind, Vec<PayloadType>)> {
        let (kind, all) = if choices.flag()? { (Kind::Video, &VIDEO[..]) } else { (Kind::Audio, &AUDIO[..]) };
        let some = choices.subset(all)?;
        Some((kind, if some.is_empty() { all[..1].to_vec() } else { some }))
    }

    fn encodings(choices: &mut Octets) -> Option<Vec<EncodingSpec>> {
        let mut encodings = Vec::new();
        let (count, named) = (choices.below(8)? + 1, choices.flag()?);
        for _ in 0..count {
            let which = choices.octet()?;
            let rid = ["q", "h", "f", "x", "l4", "l5", "l6", "l7"][usize::from(which & 7)];
            let ssrc = 7_000 + u32::from(which >> 3 & 3);
            encodings.push(EncodingSpec {
                rid: (named || which & 0x80 != 0).then(|| rid.into()),
                ssrc: (!named || which & 0x20 != 0).then_some(ssrc),
                rtx_ssrc: (which & 0x40 != 0).then_some(ssrc + 4),
            });
        }
        if count == 1 && choices.flag()? {
            encodings = vec![EncodingSpec::default()];
        }
        Some(encodings)
    }

    fn add_track(&mut self, choices: &mut Octets) -> Option<()> {
        let (peer, (kind, payload_types)) = (self.peer(choices)?, Self::kind(choices)?);
        let (encodings, flags) = (Self::encodings(choices)?, choices.octet()?);
        if self.tracks.len() >= MOST_TRACKS {
            return Some(());
        }
        let rids: Vec<String> = encodings.iter().filter_map(|encoding| encoding.rid.clone()).collect();
        let rids: Vec<&str> = rids.iter().map(String::as_str).collect();
        let mut declared = None;
        self.call.publish_with(peer, kind, &rids, |spec| {
            *spec = TrackSpec { payload_types, encodings, ..spec.clone() };
            (spec.nack, spec.pli, spec.fir) = (flags & 1 == 1, flags & 2 == 2, flags & 4 == 4);
            declared = Some(spec.clone());
        });
        self.tracks.extend(declared);
        self.hush();
        Some(())
    }

    fn update_track(&mut self, choices: &mut Octets) -> Option<()> {
        let (at, encodings, all) = (choices.below(self.tracks.len())?, Self::encodings(choices)?, choices.flag()?);
        let spec = &mut self.tracks[at];
        spec.encodings = encodings;
        if all {
            spec.payload_types = if spec.kind == Kind::Video { VIDEO.to_vec() } else { AUDIO.to_vec() };
        }
        let spec = spec.clone();
        self.call.apply(Command::UpdateTrack(spec));
        Some(())
    }

    fn add_slot(&mut self, choices: &mut Octets) -> Option<()> {
        let (peer, (kind, payload_types)) = (self.peer(choices)?, Self::kind(choices)?);
        let (flags, which, mid) = (choices.octet()?, choices.short()?, choices.below(32)?);
        if self.slots.len() >= MOST_SLOTS {
            return Some(());
        }
        let slot = self.call.add_slot_with(peer, kind, |spec| {
            let mid = if flags & 8 == 8 { "m".repeat(mid + 1) } else { spec.mid.clone() };
            *spec = SlotSpec { payload_types, mid, ..spec.clone() };
            if flags & 1 == 1 {
                spec.rtx_ssrc = None;
            }
            spec.extensions = extensions(which, flags);
        });
        self.slots.push(slot);
        if flags & 2 == 2 {
            let track = self.tracks[usize::from(flags >> 4) % self.tracks.len()].id;
            self.call.show(slot, Some(track), &[Layer::new(2, 3), Layer::new(1, 3), Layer::new(0, 3)]);
        }
        Some(())
    }

    fn set_audio(&mut self, choices: &mut Octets) -> Option<()> {
        let tracks: Vec<TrackId> = self.tracks.iter().map(|spec| spec.id).collect();
        let policy = AudioPolicy {
            room: RoomId(choices.pick(&ROOMS)?),
            loudest: choices.below(4)?,
            ranked: choices.subset(&tracks)?,
            always: choices.subset(&tracks)?,
            redundancy: choices.below(3)? as u8,
            redundant: choices.subset(&tracks)?,
        };
        self.call.apply(Command::SetAudio(policy));
        Some(())
    }

    fn channel(&mut self, choices: &mut Octets) -> Option<()> {
        let kind = choices.octet()?;
        match kind & 3 {
            0 | 1 => {
                let known = if kind & 8 == 8 { choices.pick(&self.channels) } else { None };
                if known.is_none() && self.channels.len() >= MOST_CHANNELS {
                    return Some(());
                }
                let id = known.unwrap_or_else(|| ChannelId(self.call.id()));
                let spec = ChannelSpec {
                    id,
                    transport: if kind & 4 == 4 { Some(self.call.peers[self.peer(choices)?].transport) } else { None },
                    label: choices.pick(&["chat", "sfu-reliable", "", "lossy"])?.into(),
                    protocol: String::new(),
                    ordered: kind & 16 == 16,
                    reliability: reliability(choices)?,
                    remote: kind & 32 == 32,
                };
                self.channels.push(id);
                self.call.apply(Command::OpenChannel(spec));
            }
            2 => {
                let group = GroupId(choices.pick(&GROUPS)?);
                self.call.apply(Command::AddGroup { id: group, enveloped: kind & 4 == 4 });
                for channel in choices.subset(&self.channels)? {
                    let member = Member { name: choices.pick(&["PA_a", "PA_b"])?.into(), may_send: kind & 8 == 8 };
                    self.call.apply(Command::JoinGroup { group, channel, member });
                }
            }
            _ => {
                let (channels, text) = (choices.subset(&self.channels)?, choices.flag()?);
                let long = if kind & 4 == 4 { 60_000 } else { 0 };
                let payload = [choices.some(255)?, &vec![b'x'; long]].concat();
                self.call.apply(Command::Send { channels, payload, text });
            }
        }
        Some(())
    }

    fn remove(&mut self, choices: &mut Octets) -> Option<()> {
        let id = match choices.octet()? % 8 {
            0..=2 => choices.pick(&self.tracks.iter().map(|spec| spec.id.0).collect::<Vec<_>>())?,
            3 | 4 => choices.pick(&self.slots)?.0,
            5 => choices.pick(&self.channels)?.0,
            6 => choices.pick(&[ROOMS, GROUPS].concat())?,
            _ => choices.pick(&self.transports)?.0,
        };
        self.removed.insert(id);
        self.call.apply(Command::Remove(id));
        Some(())
    }

    /// A participant joins or restarts ICE, or a command names a missing object.
    fn transport(&mut self, choices: &mut Octets) -> Option<()> {
        let kind = choices.octet()?;
        match kind & 7 {
            0 | 1 if self.call.peers.len() < MOST_PEERS => {
                self.join(if kind & 8 == 0 { DtlsRole::Server } else { DtlsRole::Client });
            }
            2..=4 => {
                let peer = self.peer(choices)?;
                self.restarts += 1;
                let local_ufrag = format!("again{}", self.restarts);
                let ice = IceCredentials { local_ufrag, ..self.call.peers[peer].ice() };
                self.call.restart_ice(peer, ice.clone());
                if kind & 8 == 8 {
                    self.call.peers[peer].server_ufrag = ice.local_ufrag;
                }
            }
            5 => {
                let transport = choices.pick(&self.transports)?;
                let spec = SctpSpec { local_port: 5_000, remote_port: 5_000, max_message_size: 0 };
                self.call.apply(Command::OpenSctp { transport, spec });
            }
            _ => {
                let nobody = u64::from(choices.octet()?) + 5_000;
                self.call.apply(Command::SetSource { slots: vec![SlotId(nobody)], track: Some(TrackId(nobody)) });
                self.call.restart_ice(0, IceCredentials { local_ufrag: "again".into(), ..self.call.peers[0].ice() });
                self.call.apply(Command::Remove(TransportId(nobody).0));
            }
        }
        Some(())
    }
}

/// A random subset of the extensions, with the ids of simulated peers or with unknown ids.
fn extensions(which: u16, flags: u8) -> ExtensionMap {
    let (all, mut some) = (Call::extensions(), ExtensionMap::default());
    for (at, extension) in Extension::ALL.into_iter().enumerate() {
        let id = if flags & 4 == 4 { Some(20 + at as u8) } else { all.id(extension) };
        if let Some(id) = id.filter(|_| which >> at & 1 == 1) {
            some.set(extension, id);
        }
    }
    some
}
