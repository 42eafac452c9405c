//! Which encoding of which track a packet belongs to (RFC 9143 s9.2, RFC 8852): by its SSRC once that is known, else by
//! MID and RID, else by a payload type that only one m-section has.
//!
//! Chromium's simulcast offers name no SSRC; MID and RID come with the first packets only, until a report answers them.
//! The first packet of an encoding is often padding on its RTX stream, with the repaired RID.
//!
//! A route has one SSRC. Others that lead to it are ignored for as long as that one is heard: of several streams in one
//! section that nothing tells apart one is shown whole, and a late packet of a stream that was replaced brings nothing
//! back.

use crate::command::TrackSpec;
use crate::discard::Discard;
use crate::id::TrackId;
use crate::receive::activity::GONE;
use crate::receive::track::{Route, Track, is_rtx};
use crate::rtp::elements::Extensions;
use crate::rtp::header::Header;
use crate::time::Instant;

#[derive(Clone, Copy, Debug)]
struct Binding {
    ssrc: u32,
    route: Route,
    /// Since when others lead to its route, while it was never heard.
    contested: Option<Instant>,
}

/// The SSRCs of one transport, sorted: as many as its tracks have encodings, and their retransmissions, at most.
#[derive(Clone, Debug, Default)]
pub struct Router {
    bindings: Vec<Binding>,
    /// SSRCs that lead nowhere any more.
    dropped: Vec<u32>,
    /// Of the last packet that was surplus.
    surplus: Option<TrackId>,
}

impl Router {
    pub fn new() -> Self {
        Self::default()
    }

    /// Where packets of a known SSRC go.
    pub fn lookup(&self, ssrc: u32) -> Option<Route> {
        self.find(ssrc).ok().map(|place| self.bindings[place].route)
    }

    /// Takes in the SSRCs that a track's description names. What was learned of an encoding that stays is kept.
    pub fn declare(&mut self, track: &Track) {
        let (id, places) = (track.spec.id, track.places());
        self.drop_routes(|known| known.track == id && !places.contains(&known.encoding));
        for (declared, &encoding) in track.spec.encodings.iter().zip(places) {
            for (ssrc, rtx) in [(declared.ssrc, false), (declared.rtx_ssrc, true)] {
                if let Some(ssrc) = ssrc {
                    self.bind(ssrc, Route { track: id, encoding, rtx });
                }
            }
        }
    }

    pub fn remove(&mut self, track: TrackId) {
        self.drop_routes(|route| route.track == track);
    }

    /// The SSRC has said goodbye (RTCP BYE).
    pub fn forget(&mut self, ssrc: u32) -> Option<Route> {
        let place = self.find(ssrc).ok()?;
        self.dropped.push(ssrc);
        let route = self.bindings.remove(place).route;
        if !route.rtx {
            self.drop_routes(|known| known == Route { rtx: true, ..route });
        }
        Some(route)
    }

    /// The track in which the last packet was `SurplusSsrc`.
    pub fn poll_surplus(&mut self) -> Option<TrackId> {
        self.surplus.take()
    }

    /// An SSRC that has come to lead nowhere: its track or encoding is gone, or another SSRC took its place.
    pub fn poll_dropped(&mut self) -> Option<u32> {
        self.dropped.pop()
    }

    /// Finds the route of a packet among the transport's `tracks`, and keeps it for the packets that follow.
    ///
    /// # Errors
    /// `UnknownPayloadType` if its track has not negotiated it. `RtxUnmatched` for a retransmission that does not tell
    /// of which encoding, or is of a stream that is not taken; `SurplusSsrc` if another stream of the same route flows;
    /// `UnknownSsrc` for any other packet that leads nowhere.
    pub fn route(
        &mut self,
        header: &Header,
        extensions: &Extensions,
        tracks: &[&Track],
        now: Instant,
    ) -> Result<Route, Discard> {
        if let Some(route) = self.lookup(header.ssrc) {
            // An SSRC may move to another m-section, and says so by its MID.
            let track = tracks.iter().find(|track| track.spec.id == route.track);
            if extensions.mid.is_none_or(|mid| track.is_some_and(|track| track.spec.mid == mid)) {
                return Ok(route);
            }
        }
        // A packet that says itself what it repairs knows best.
        let unnamed = extensions.repaired_rid.or(extensions.rid).is_none();
        let route = match repaired(header.ssrc, tracks).filter(|_| unnamed) {
            Some((track, primary)) => self.repair_of(primary, header.payload_type, track)?,
            None => {
                let (track, rtx) = track_of(header.payload_type, extensions, tracks)?;
                let route = Route { track: track.spec.id, encoding: encoding_of(track, rtx, extensions)?, rtx };
                self.contest(&route, header.ssrc, track, now)?;
                route
            }
        };
        self.bind(header.ssrc, route);
        Ok(route)
    }

    /// The route of what repairs `primary`, by SDP: that of `primary`, or none while that is not taken.
    fn repair_of(&self, primary: u32, number: u8, track: &Track) -> Result<Route, Discard> {
        if is_rtx(&track.spec, number) != Some(true) {
            return Err(Discard::UnknownPayloadType);
        }
        let route = self.lookup(primary).filter(|route| !route.rtx && route.track == track.spec.id);
        Ok(Route { rtx: true, ..route.ok_or(Discard::RtxUnmatched)? })
    }

    /// Whether `ssrc` may have a route: not while another has it that is heard, or may be soon.
    fn contest(&mut self, route: &Route, ssrc: u32, track: &Track, now: Instant) -> Result<(), Discard> {
        let present = self.bindings.iter_mut().find(|known| known.route == *route && known.ssrc != ssrc);
        let Some(present) = present else { return Ok(()) };
        let gone = match track.is_gone(route, now) {
            Some(gone) => gone,
            None => now >= *present.contested.get_or_insert(now) + GONE,
        };
        if gone {
            return Ok(());
        }
        if route.rtx {
            return Err(Discard::RtxUnmatched);
        }
        self.surplus = Some(route.track);
        Err(Discard::SurplusSsrc)
    }

    /// One SSRC has one route, and one route has one SSRC. What repaired another stream of an encoding repairs this one
    /// no more.
    fn bind(&mut self, ssrc: u32, route: Route) {
        let moved = !route.rtx && self.bindings.iter().any(|known| known.route == route && known.ssrc != ssrc);
        let repair = Route { rtx: true, ..route };
        self.drop_routes(|known| known == route || (moved && known == repair));
        self.dropped.retain(|&dropped| dropped != ssrc);
        let binding = Binding { ssrc, route, contested: None };
        match self.find(ssrc) {
            Ok(place) => self.bindings[place] = binding,
            Err(place) => self.bindings.insert(place, binding),
        }
    }

    fn drop_routes(&mut self, gone: impl Fn(Route) -> bool) {
        let Self { bindings, dropped, .. } = self;
        dropped.extend(bindings.iter().filter(|known| gone(known.route)).map(|known| known.ssrc));
        bindings.retain(|known| !gone(known.route));
    }

    fn find(&self, ssrc: u32) -> Result<usize, usize> {
        self.bindings.binary_search_by_key(&ssrc, |binding| binding.ssrc)
    }
}

/// The stream that an SSRC repairs, where SDP says so (`a=ssrc-group:FID`).
fn repaired<'a>(ssrc: u32, tracks: &[&'a Track]) -> Option<(&'a Track, u32)> {
    tracks.iter().find_map(|&track| {
        let pair = track.spec.repairs.iter().find(|&&(_, repair)| repair == ssrc)?;
        Some((track, pair.0))
    })
}

/// The only track that the packet can be of, and whether its payload type there is one of retransmission.
fn track_of<'a>(number: u8, extensions: &Extensions, tracks: &[&'a Track]) -> Result<(&'a Track, bool), Discard> {
    let named = |track: &&&'a Track| extensions.mid.is_none_or(|mid| track.spec.mid == mid);
    let mut candidates = tracks
        .iter()
        .filter(named)
        .filter_map(|track| Some((*track, is_rtx(&track.spec, number)?)))
        .filter(|&(track, rtx)| rid_of(rtx, extensions).is_none_or(|rid| has_rid(&track.spec, rid)));
    match (candidates.next(), candidates.next()) {
        (Some(only), None) => Ok(only),
        (None, _) if extensions.mid.is_some() => {
            let track = tracks.iter().find(named).ok_or(Discard::UnknownSsrc)?;
            Err(is_rtx(&track.spec, number).map_or(Discard::UnknownPayloadType, |_| Discard::UnknownSsrc))
        }
        _ => Err(Discard::UnknownSsrc),
    }
}

fn encoding_of(track: &Track, rtx: bool, extensions: &Extensions) -> Result<usize, Discard> {
    let encodings = track.spec.encodings.iter().zip(track.places());
    // The RID of an only encoding need not be said, nor need it have one.
    if let [only] = track.spec.encodings.as_slice()
        && (only.rid.is_none() || rid_of(rtx, extensions).is_none())
    {
        return Ok(track.places()[0]);
    }
    let unknown = if rtx { Discard::RtxUnmatched } else { Discard::UnknownSsrc };
    let rid = rid_of(rtx, extensions).ok_or(unknown)?;
    let mut named = encodings.filter(|(encoding, _)| encoding.rid.as_deref() == Some(rid));
    named.next().map(|(_, &place)| place).ok_or(unknown)
}

/// What names the encoding: on an RTX stream the repaired RID (RFC 8852 s3.2), some senders repeat the RID instead.
fn rid_of<'a>(rtx: bool, extensions: &Extensions<'a>) -> Option<&'a str> {
    if rtx { extensions.repaired_rid.or(extensions.rid) } else { extensions.rid }
}

fn has_rid(track: &TrackSpec, rid: &str) -> bool {
    let unnamed_only = track.encodings.len() == 1 && track.encodings.iter().all(|only| only.rid.is_none());
    unnamed_only || track.encodings.iter().any(|encoding| encoding.rid.as_deref() == Some(rid))
}

#[cfg(test)]
mod tests;
