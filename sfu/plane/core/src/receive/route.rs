//! Routes a packet to its track and encoding (RFC 9143 s9.2, RFC 8852): by its SSRC once that is known, else by MID and
//! RID, else by a payload type that only one m-section has.
//!
//! Chromium's simulcast offers name no SSRC; MID and RID are sent only with the first packets, until an RTCP report
//! arrives. The first packet of an encoding is often padding on its RTX stream, with the repaired RID.
//!
//! A route has one SSRC. Other SSRCs that match it are ignored while that one is heard: of several streams in one
//! section that cannot be distinguished, one is forwarded completely, and a late packet of a replaced stream does not
//! restore that stream.
//!
//! The MID of a packet has priority over what is known of its SSRC: the SSRC moves to that m-section, and a packet
//! whose MID is unknown is dropped. libwebrtc: rtp_demuxer.cc, ResolveSink.

mod names;

use std::collections::{BTreeMap, HashMap};

use crate::command::TrackSpec;
use crate::discard::Discard;
use crate::id::TrackId;
use crate::receive::activity::GONE;
use crate::receive::rung::EncodingId;
use crate::receive::track::{Route, Track, is_rtx};
use crate::rtp::elements::Extensions;
use crate::rtp::header::Header;
use crate::time::{Duration, Instant, ms};
use names::Names;

/// An SSRC that moved to another m-section stays there for this long: a move drops the stored packets of the encoding
/// that it leaves. Packets with another MID are dropped meanwhile. They are late, or their sender alternates.
const BETWEEN_MOVES: Duration = ms(1_000);

#[derive(Clone, Copy, Debug)]
struct Binding {
    route: Route,
    /// Since when another SSRC matches its route while this one was never heard.
    contested: Option<Instant>,
    /// When it came from another m-section.
    moved: Option<Instant>,
}

/// The SSRCs of one transport, at most two for each encoding of its tracks: media and RTX. No packet costs more than
/// the logarithm of their number.
#[derive(Clone, Debug, Default)]
pub struct Router {
    bindings: BTreeMap<u32, Binding>,
    /// The SSRC that has each route.
    ssrcs: HashMap<Route, u32>,
    names: Names,
    /// The encodings that each track had when it was last described.
    encodings: HashMap<TrackId, Vec<EncodingId>>,
    /// SSRCs that no longer have a route.
    dropped: Vec<u32>,
    /// The track of the last `SurplusSsrc`.
    surplus: Option<TrackId>,
    /// The route that the last moved SSRC had.
    left: Option<Route>,
}

impl Router {
    pub fn new() -> Self {
        Self::default()
    }

    /// The route of a known SSRC.
    pub fn lookup(&self, ssrc: u32) -> Option<Route> {
        self.bindings.get(&ssrc).map(|binding| binding.route)
    }

    /// Binds the SSRCs that a track's description declares. Learned SSRCs of encodings that stay are kept.
    pub fn declare(&mut self, track: &Track) {
        let (id, ids) = (track.spec.id, track.ids());
        self.names.insert(&track.spec);
        let before = self.encodings.insert(id, ids.to_vec()).unwrap_or_default();
        for gone in before.into_iter().filter(|encoding| !ids.contains(encoding)) {
            self.drop_encoding(id, gone);
        }
        for (declared, &encoding) in track.spec.encodings.iter().zip(ids) {
            for (ssrc, rtx) in [(declared.ssrc, false), (declared.rtx_ssrc, true)] {
                if let Some(ssrc) = ssrc {
                    self.bind(ssrc, Route { track: id, encoding, rtx });
                }
            }
        }
    }

    pub fn remove(&mut self, track: TrackId) {
        self.names.remove(track);
        for encoding in self.encodings.remove(&track).unwrap_or_default() {
            self.drop_encoding(track, encoding);
        }
    }

    /// Removes an SSRC that sent RTCP BYE, and its RTX SSRC.
    pub fn forget(&mut self, ssrc: u32) -> Option<Route> {
        let route = self.lookup(ssrc)?;
        self.drop_route(&route);
        if !route.rtx {
            self.drop_route(&Route { rtx: true, ..route });
        }
        Some(route)
    }

    /// The track of the last packet that was dropped as `SurplusSsrc`.
    pub fn poll_surplus(&mut self) -> Option<TrackId> {
        self.surplus.take()
    }

    /// The route of media that the SSRC of the last packet had before it moved to another m-section.
    pub fn poll_left(&mut self) -> Option<Route> {
        self.left.take()
    }

    /// The next SSRC that lost its route: its track or encoding was removed, or another SSRC replaced it.
    pub fn poll_dropped(&mut self) -> Option<u32> {
        self.dropped.pop()
    }

    /// Finds the route of a packet, and binds its SSRC to it. `track` looks up a track of the transport.
    ///
    /// # Errors
    /// `UnknownPayloadType` if its track has not negotiated it. `RtxUnmatched` for a retransmission whose encoding is
    /// unknown or whose stream is not accepted. `SurplusSsrc` if another stream of the same route flows. `UnknownSsrc`
    /// for any other packet without a route, and if its SSRC came from another m-section less than a second ago.
    pub fn route<'a>(
        &mut self,
        header: &Header,
        extensions: &Extensions,
        track: impl Fn(TrackId) -> Option<&'a Track>,
        now: Instant,
    ) -> Result<Route, Discard> {
        let is_of = |id| extensions.mid.is_none_or(|mid| track(id).is_some_and(|track| track.spec.mid == mid));
        let known = self.bindings.get(&header.ssrc).copied();
        if let Some(known) = known {
            if is_of(known.route.track) {
                return Ok(known.route);
            }
            if known.moved.is_some_and(|at| now < at + BETWEEN_MOVES) {
                return Err(Discard::UnknownSsrc);
            }
        }
        // A MID or a (repaired) RID in the packet has priority over SDP.
        let unnamed = extensions.repaired_rid.or(extensions.rid).is_none();
        let repaired = self.names.repaired(header.ssrc).filter(|&(id, _)| unnamed && is_of(id));
        let route = match repaired.and_then(|(id, primary)| Some((track(id)?, primary))) {
            Some((track, primary)) => self.repair_of(primary, header.payload_type, track)?,
            None => {
                let (track, rtx) = self.track_of(header.payload_type, extensions, &track)?;
                let route = Route { track: track.spec.id, encoding: encoding_of(track, rtx, extensions)?, rtx };
                self.contest(&route, header.ssrc, track, now)?;
                route
            }
        };
        self.bind(header.ssrc, route);
        if let Some(former) = known {
            self.leave(header.ssrc, former.route, now);
        }
        Ok(route)
    }

    /// The only track that matches the packet, and whether its payload type there is for retransmissions.
    fn track_of<'a>(
        &self,
        number: u8,
        extensions: &Extensions,
        track: impl Fn(TrackId) -> Option<&'a Track>,
    ) -> Result<(&'a Track, bool), Discard> {
        let Some(mid) = extensions.mid else {
            let only = self.names.only(number, extensions).and_then(track).ok_or(Discard::UnknownSsrc)?;
            return Ok((only, is_rtx(&only.spec, number).ok_or(Discard::UnknownSsrc)?));
        };
        let of_mid = self.names.of_mid(mid);
        let mut candidates = of_mid
            .iter()
            .filter_map(|&id| track(id))
            .filter_map(|track| Some((track, is_rtx(&track.spec, number)?)))
            .filter(|&(track, rtx)| rid_of(rtx, extensions).is_none_or(|rid| has_rid(&track.spec, rid)));
        match (candidates.next(), candidates.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => {
                let first = of_mid.first().and_then(|&id| track(id)).ok_or(Discard::UnknownSsrc)?;
                Err(is_rtx(&first.spec, number).map_or(Discard::UnknownPayloadType, |_| Discard::UnknownSsrc))
            }
            _ => Err(Discard::UnknownSsrc),
        }
    }

    /// The route of the RTX stream that SDP pairs with `primary`: that of `primary`, or an error while `primary` has
    /// none.
    fn repair_of(&self, primary: u32, number: u8, track: &Track) -> Result<Route, Discard> {
        if is_rtx(&track.spec, number) != Some(true) {
            return Err(Discard::UnknownPayloadType);
        }
        let route = self.lookup(primary).filter(|route| !route.rtx && route.track == track.spec.id);
        Ok(Route { rtx: true, ..route.ok_or(Discard::RtxUnmatched)? })
    }

    /// Checks whether `ssrc` may take a route: an error while another SSRC has it and is heard, or may be heard soon.
    fn contest(&mut self, route: &Route, ssrc: u32, track: &Track, now: Instant) -> Result<(), Discard> {
        let present = self.ssrcs.get(route).filter(|&&known| known != ssrc);
        let Some(present) = present.and_then(|known| self.bindings.get_mut(known)) else { return Ok(()) };
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

    /// Binds an SSRC to a route, one to one. If the media SSRC of an encoding changes, its RTX SSRC is dropped.
    fn bind(&mut self, ssrc: u32, route: Route) {
        if self.ssrcs.get(&route).is_some_and(|&known| known != ssrc) {
            self.drop_route(&route);
            if !route.rtx {
                self.drop_route(&Route { rtx: true, ..route });
            }
        }
        self.dropped.retain(|&dropped| dropped != ssrc);
        if let Some(former) = self.bindings.insert(ssrc, Binding { route, contested: None, moved: None }) {
            self.ssrcs.remove(&former.route);
        }
        self.ssrcs.insert(route, ssrc);
    }

    /// Notes that an SSRC has left a route for another one. The SSRC of its retransmissions follows by its own MID.
    fn leave(&mut self, ssrc: u32, former: Route, now: Instant) {
        if let Some(binding) = self.bindings.get_mut(&ssrc) {
            binding.moved = Some(now);
        }
        if !former.rtx {
            self.drop_route(&Route { rtx: true, ..former });
            self.left = Some(former);
        }
    }

    fn drop_encoding(&mut self, track: TrackId, encoding: EncodingId) {
        for rtx in [false, true] {
            self.drop_route(&Route { track, encoding, rtx });
        }
    }

    fn drop_route(&mut self, route: &Route) {
        if let Some(ssrc) = self.ssrcs.remove(route) {
            self.bindings.remove(&ssrc);
            self.dropped.push(ssrc);
        }
    }
}

fn encoding_of(track: &Track, rtx: bool, extensions: &Extensions) -> Result<EncodingId, Discard> {
    let encodings = track.spec.encodings.iter().zip(track.ids());
    // A single encoding needs no RID, neither in its spec nor in its packets.
    if let [only] = track.spec.encodings.as_slice()
        && (only.rid.is_none() || rid_of(rtx, extensions).is_none())
    {
        return Ok(track.ids()[0]);
    }
    let unknown = if rtx { Discard::RtxUnmatched } else { Discard::UnknownSsrc };
    let rid = rid_of(rtx, extensions).ok_or(unknown)?;
    let mut named = encodings.filter(|(encoding, _)| encoding.rid.as_deref() == Some(rid));
    named.next().map(|(_, &id)| id).ok_or(unknown)
}

/// The RID of the encoding: on an RTX stream the repaired RID (RFC 8852 s3.2); some senders repeat the RID instead.
fn rid_of<'a>(rtx: bool, extensions: &Extensions<'a>) -> Option<&'a str> {
    if rtx { extensions.repaired_rid.or(extensions.rid) } else { extensions.rid }
}

fn has_rid(track: &TrackSpec, rid: &str) -> bool {
    takes_any_rid(track) || track.encodings.iter().any(|encoding| encoding.rid.as_deref() == Some(rid))
}

/// True if its only encoding has no RID.
fn takes_any_rid(track: &TrackSpec) -> bool {
    track.encodings.len() == 1 && track.encodings.iter().all(|only| only.rid.is_none())
}

#[cfg(test)]
mod tests;
