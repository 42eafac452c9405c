//! Finds tracks by what a packet says of its track: MID, payload type, RID, or an SSRC that it repairs by SDP. The cost
//! of a search does not depend on the number of tracks.

use std::collections::{BTreeSet, HashMap};

use super::{rid_of, takes_any_rid};
use crate::command::TrackSpec;
use crate::id::TrackId;
use crate::receive::track::is_rtx;
use crate::rtp::elements::Extensions;

/// A payload type of a track, and whether it is for retransmissions.
type Number = (u8, bool);

/// How many tracks match, and which one if it is the only one.
#[derive(Clone, Copy, Debug, Default)]
struct Matches {
    count: u32,
    /// The exclusive or of their ids.
    ids: u64,
}

impl Matches {
    fn only(self) -> Option<TrackId> {
        (self.count == 1).then_some(TrackId(self.ids))
    }

    fn with(self, other: Option<&Self>) -> Self {
        let other = other.copied().unwrap_or_default();
        Self { count: self.count + other.count, ids: self.ids ^ other.ids }
    }
}

/// The tracks that have each payload type.
#[derive(Clone, Debug, Default)]
struct Numbers(HashMap<Number, Matches>);

impl Numbers {
    fn change(&mut self, numbers: &BTreeSet<Number>, track: TrackId, is_added: bool) {
        for number in numbers {
            let matches = self.0.entry(*number).or_default();
            matches.count = if is_added { matches.count + 1 } else { matches.count - 1 };
            matches.ids ^= track.0;
            if matches.count == 0 {
                self.0.remove(number);
            }
        }
    }
}

/// The names of one track.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    mid: String,
    numbers: BTreeSet<Number>,
    /// None: its only encoding has no RID, and takes packets with any.
    rids: Option<BTreeSet<String>>,
    repairs: Vec<(u32, u32)>,
}

impl Known {
    fn of(spec: &TrackSpec) -> Self {
        let types = spec.payload_types.iter();
        let numbers = types.flat_map(|known| [Some(known.number), known.rtx]).flatten();
        Self {
            mid: spec.mid.clone(),
            numbers: numbers.filter_map(|number| Some((number, is_rtx(spec, number)?))).collect(),
            rids: (!takes_any_rid(spec))
                .then(|| spec.encodings.iter().filter_map(|encoding| encoding.rid.clone()).collect()),
            repairs: spec.repairs.clone(),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Names {
    known: HashMap<TrackId, Known>,
    mids: HashMap<String, Vec<TrackId>>,
    /// All tracks; those that take any RID; those that declare a RID.
    all: Numbers,
    unnamed: Numbers,
    rids: HashMap<String, Numbers>,
    /// By the repairing SSRC: the track, and the SSRC that is repaired.
    repairs: HashMap<u32, Vec<(TrackId, u32)>>,
}

impl Names {
    pub fn insert(&mut self, spec: &TrackSpec) {
        let known = Known::of(spec);
        if self.known.get(&spec.id) == Some(&known) {
            return;
        }
        self.remove(spec.id);
        self.mids.entry(known.mid.clone()).or_default().push(spec.id);
        self.change(&known, spec.id, true);
        for &(primary, repair) in &known.repairs {
            self.repairs.entry(repair).or_default().push((spec.id, primary));
        }
        self.known.insert(spec.id, known);
    }

    pub fn remove(&mut self, track: TrackId) {
        let Some(known) = self.known.remove(&track) else { return };
        self.change(&known, track, false);
        let tracks = self.mids.get_mut(&known.mid);
        if tracks.is_some_and(|tracks| {
            tracks.retain(|&other| other != track);
            tracks.is_empty()
        }) {
            self.mids.remove(&known.mid);
        }
        for (_, repair) in known.repairs {
            let pairs = self.repairs.get_mut(&repair);
            if pairs.is_some_and(|pairs| {
                pairs.retain(|pair| pair.0 != track);
                pairs.is_empty()
            }) {
                self.repairs.remove(&repair);
            }
        }
    }

    /// The tracks of an m-section: one, unless it was described twice.
    pub fn of_mid(&self, mid: &str) -> &[TrackId] {
        self.mids.get(mid).map_or(&[], Vec::as_slice)
    }

    /// The only track with this payload type and the packet's RID, if it has one.
    pub fn only(&self, number: u8, extensions: &Extensions<'_>) -> Option<TrackId> {
        let matches = [false, true].into_iter().fold(Matches::default(), |matches, rtx| {
            let number = (number, rtx);
            match rid_of(rtx, extensions) {
                None => matches.with(self.all.0.get(&number)),
                Some(rid) => {
                    let declared = self.rids.get(rid).and_then(|numbers| numbers.0.get(&number));
                    matches.with(self.unnamed.0.get(&number)).with(declared)
                }
            }
        });
        matches.only()
    }

    /// The media stream that an SSRC repairs, as declared in SDP (`a=ssrc-group:FID`), and its track.
    pub fn repaired(&self, ssrc: u32) -> Option<(TrackId, u32)> {
        self.repairs.get(&ssrc)?.first().copied()
    }

    fn change(&mut self, known: &Known, track: TrackId, is_added: bool) {
        let numbers = &known.numbers;
        self.all.change(numbers, track, is_added);
        let Some(rids) = &known.rids else { return self.unnamed.change(numbers, track, is_added) };
        for rid in rids {
            let of_rid = self.rids.entry(rid.clone()).or_default();
            of_rid.change(numbers, track, is_added);
            if of_rid.0.is_empty() {
                self.rids.remove(rid);
            }
        }
    }
}

#[cfg(test)]
impl Names {
    pub fn knows(&self, track: TrackId) -> bool {
        self.known.contains_key(&track)
    }

    pub fn is_empty(&self) -> bool {
        let Self { known, mids, all, unnamed, rids, repairs } = self;
        let tracks = known.is_empty() && mids.is_empty() && repairs.is_empty();
        tracks && all.0.is_empty() && unnamed.0.is_empty() && rids.is_empty()
    }
}
