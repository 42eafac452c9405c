//! Which encoding of which track a packet belongs to (RFC 9143 s9.2, RFC 8852): by its SSRC once that is known, else by
//! MID and RID, else by a payload type that only one m-section has.
//!
//! Chromium's simulcast offers name no SSRC; MID and RID come with the first packets only, until a report answers them.
//! The first packet of an encoding is often padding on its RTX stream, with the repaired RID.

use crate::command::{EncodingSpec, TrackSpec};
use crate::discard::Discard;
use crate::id::TrackId;
use crate::rtp::elements::Extensions;
use crate::rtp::header::Header;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    pub track: TrackId,
    /// Index into the encodings of the track's spec.
    pub encoding: usize,
    /// It carries retransmissions (RFC 4588).
    pub rtx: bool,
}

#[derive(Clone, Copy, Debug)]
struct Binding {
    ssrc: u32,
    route: Route,
}

/// The SSRCs of one transport, sorted: as many as its tracks have encodings, and their retransmissions, at most.
#[derive(Clone, Debug, Default)]
pub struct Router {
    bindings: Vec<Binding>,
    /// SSRCs that lead nowhere any more.
    dropped: Vec<u32>,
}

impl Router {
    pub fn new() -> Self {
        Self::default()
    }

    /// Where packets of a known SSRC go.
    pub fn lookup(&self, ssrc: u32) -> Option<Route> {
        self.find(ssrc).ok().map(|place| self.bindings[place].route)
    }

    /// Takes in the SSRCs that a track's description names; `before` is the spec that this one replaces. What was
    /// learned of an encoding that stays is kept.
    pub fn declare(&mut self, before: Option<&TrackSpec>, spec: &TrackSpec) {
        let Self { bindings, dropped } = self;
        bindings.retain_mut(|binding| {
            if binding.route.track != spec.id {
                return true;
            }
            let old = before.and_then(|before| before.encodings.get(binding.route.encoding));
            let place = old.and_then(|old| spec.encodings.iter().position(|new| is_same(old, new)));
            binding.route.encoding = place.unwrap_or(0);
            if place.is_none() {
                dropped.push(binding.ssrc);
            }
            place.is_some()
        });
        for (encoding, declared) in spec.encodings.iter().enumerate() {
            for (ssrc, rtx) in [(declared.ssrc, false), (declared.rtx_ssrc, true)] {
                if let Some(ssrc) = ssrc {
                    self.bind(ssrc, Route { track: spec.id, encoding, rtx });
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
        Some(self.bindings.remove(place).route)
    }

    /// An SSRC that has come to lead nowhere: its track or encoding is gone, or another SSRC took its place.
    pub fn poll_dropped(&mut self) -> Option<u32> {
        self.dropped.pop()
    }

    /// Finds the route of a packet among the transport's `tracks`, and keeps it for the packets that follow.
    ///
    /// # Errors
    /// `UnknownPayloadType` if its track has not negotiated it. `RtxUnmatched` for a retransmission that does not tell
    /// of which encoding; `UnknownSsrc` for any other packet that leads nowhere.
    pub fn route(&mut self, header: &Header, extensions: &Extensions, tracks: &[&TrackSpec]) -> Result<Route, Discard> {
        if let Some(route) = self.lookup(header.ssrc) {
            // An SSRC may move to another m-section, and says so by its MID.
            let track = tracks.iter().find(|track| track.id == route.track);
            if extensions.mid.is_none_or(|mid| track.is_some_and(|track| track.mid == mid)) {
                return Ok(route);
            }
        }
        let (track, rtx) = track_of(header.payload_type, extensions, tracks)?;
        let encoding = encoding_of(track, rtx, extensions)?;
        let route = Route { track: track.id, encoding, rtx };
        self.bind(header.ssrc, route);
        Ok(route)
    }

    /// One SSRC has one route, and one route has one SSRC: the newest.
    fn bind(&mut self, ssrc: u32, route: Route) {
        self.drop_routes(|known| known == route);
        self.dropped.retain(|&dropped| dropped != ssrc);
        let binding = Binding { ssrc, route };
        match self.find(ssrc) {
            Ok(place) => self.bindings[place] = binding,
            Err(place) => self.bindings.insert(place, binding),
        }
    }

    fn drop_routes(&mut self, gone: impl Fn(Route) -> bool) {
        let Self { bindings, dropped } = self;
        dropped.extend(bindings.iter().filter(|known| gone(known.route)).map(|known| known.ssrc));
        bindings.retain(|known| !gone(known.route));
    }

    fn find(&self, ssrc: u32) -> Result<usize, usize> {
        self.bindings.binary_search_by_key(&ssrc, |binding| binding.ssrc)
    }
}

/// Whether an updated spec means the same encoding: the same RID, or else the same SSRC as far as both tell.
pub fn is_same(old: &EncodingSpec, new: &EncodingSpec) -> bool {
    match (&old.rid, &new.rid) {
        (Some(old), Some(new)) => old == new,
        (None, None) => old.ssrc.is_none() || new.ssrc.is_none() || old.ssrc == new.ssrc,
        _ => false,
    }
}

/// The only track that the packet can be of, and whether its payload type there is one of retransmission.
fn track_of<'a>(
    number: u8,
    extensions: &Extensions,
    tracks: &[&'a TrackSpec],
) -> Result<(&'a TrackSpec, bool), Discard> {
    let named = |track: &&&'a TrackSpec| extensions.mid.is_none_or(|mid| track.mid == mid);
    let mut candidates = tracks
        .iter()
        .filter(named)
        .filter_map(|track| Some((*track, is_rtx(track, number)?)))
        .filter(|&(track, rtx)| rid_of(rtx, extensions).is_none_or(|rid| has_rid(track, rid)));
    match (candidates.next(), candidates.next()) {
        (Some(only), None) => Ok(only),
        (None, _) if extensions.mid.is_some() => {
            let track = tracks.iter().find(named).ok_or(Discard::UnknownSsrc)?;
            Err(is_rtx(track, number).map_or(Discard::UnknownPayloadType, |_| Discard::UnknownSsrc))
        }
        _ => Err(Discard::UnknownSsrc),
    }
}

fn encoding_of(track: &TrackSpec, rtx: bool, extensions: &Extensions) -> Result<usize, Discard> {
    // The RID of an only encoding need not be said, nor need it have one.
    if let [only] = track.encodings.as_slice()
        && (only.rid.is_none() || rid_of(rtx, extensions).is_none())
    {
        return Ok(0);
    }
    let unknown = if rtx { Discard::RtxUnmatched } else { Discard::UnknownSsrc };
    let rid = rid_of(rtx, extensions).ok_or(unknown)?;
    track.encodings.iter().position(|encoding| encoding.rid.as_deref() == Some(rid)).ok_or(unknown)
}

/// Whether a payload type of the track is one of retransmission; none: it has not negotiated it.
pub fn is_rtx(track: &TrackSpec, number: u8) -> Option<bool> {
    if track.payload_types.iter().any(|known| known.number == number) {
        return Some(false);
    }
    track.payload_types.iter().any(|known| known.rtx == Some(number)).then_some(true)
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
mod tests {
    use super::*;
    use crate::codec::{Codec, PayloadType};
    use crate::command::Kind;
    use crate::id::TransportId;
    use crate::limits::{SDP_ENCODINGS, SSRCS, TRACKS};
    use crate::rtp::extension::ExtensionMap;
    use proptest::prelude::*;

    const VP8: u8 = 96;
    const VP8_RTX: u8 = 97;
    const OPUS: u8 = 111;

    fn payload_type(number: u8, codec: Codec, clock_rate: u32, rtx: Option<u8>) -> PayloadType {
        PayloadType { number, codec, format: 0, clock_rate, rtx }
    }

    fn track(id: u64, kind: Kind, encodings: Vec<EncodingSpec>) -> TrackSpec {
        let payload_types = match kind {
            Kind::Audio => vec![payload_type(OPUS, Codec::Opus, 48_000, None)],
            Kind::Video => vec![payload_type(VP8, Codec::Vp8, 90_000, Some(VP8_RTX))],
        };
        let (extensions, transport) = (ExtensionMap::default(), TransportId(1));
        let mid = id.to_string();
        TrackSpec {
            id: TrackId(id),
            transport,
            kind,
            mid,
            payload_types,
            encodings,
            extensions,
            nack: true,
            pli: true,
            fir: false,
        }
    }

    fn simulcast(id: u64) -> TrackSpec {
        let rid = |rid: &str| EncodingSpec { rid: Some(rid.into()), ..EncodingSpec::default() };
        track(id, Kind::Video, vec![rid("q"), rid("h"), rid("f")])
    }

    fn single(id: u64, kind: Kind) -> TrackSpec {
        track(id, kind, vec![EncodingSpec::default()])
    }

    fn declared(id: u64, ssrcs: &[(u32, u32)]) -> TrackSpec {
        let spec = |&(ssrc, rtx): &(u32, u32)| EncodingSpec { rid: None, ssrc: Some(ssrc), rtx_ssrc: Some(rtx) };
        track(id, Kind::Video, ssrcs.iter().map(spec).collect())
    }

    fn header(ssrc: u32, payload_type: u8) -> Header {
        Header {
            marker: false,
            payload_type,
            sequence: 1,
            timestamp: 1,
            ssrc,
            padding: false,
            length: 12,
            extension: None,
        }
    }

    fn names<'a>(mid: &'a str, rid: &'a str, repaired_rid: &'a str) -> Extensions<'a> {
        let some = |name: &'a str| (!name.is_empty()).then_some(name);
        Extensions { mid: some(mid), rid: some(rid), repaired_rid: some(repaired_rid), ..Extensions::default() }
    }

    fn to(track: u64, encoding: usize, rtx: bool) -> Result<Route, Discard> {
        Ok(Route { track: TrackId(track), encoding, rtx })
    }

    #[test]
    fn the_first_packet_of_an_encoding_may_be_rtx_padding_with_the_repaired_rid() {
        let (audio, video) = (single(1, Kind::Audio), simulcast(2));
        let tracks = [&audio, &video];
        let mut router = Router::new();
        assert_eq!(router.route(&header(20, VP8_RTX), &names("2", "", "f"), &tracks), to(2, 2, true));
        assert_eq!(router.route(&header(10, VP8), &names("2", "f", ""), &tracks), to(2, 2, false));
        assert_eq!(router.route(&header(21, VP8_RTX), &names("2", "q", ""), &tracks), to(2, 0, true));
        // Once a report has answered them, packets have neither.
        assert_eq!(router.route(&header(20, VP8_RTX), &names("", "", ""), &tracks), to(2, 2, true));
        assert_eq!(router.lookup(10), to(2, 2, false).ok());
    }

    #[test]
    fn a_table_of_packets_and_where_they_lead() {
        let (audio, single, simulcast) = (single(1, Kind::Audio), single(2, Kind::Video), simulcast(3));
        let tracks = [&audio, &single, &simulcast];
        for (payload_type, (mid, rid, repaired), expected) in [
            // The only encoding of a MID, and its retransmissions.
            (VP8, ("2", "", ""), to(2, 0, false)),
            (VP8_RTX, ("2", "", ""), to(2, 0, true)),
            (VP8, ("2", "x", ""), to(2, 0, false)),
            // Only one m-section has this payload type.
            (OPUS, ("", "", ""), to(1, 0, false)),
            // Two have this one; the RID decides, or nothing does.
            (VP8, ("", "", ""), Err(Discard::UnknownSsrc)),
            (VP8, ("3", "h", ""), to(3, 1, false)),
            (VP8, ("3", "", ""), Err(Discard::UnknownSsrc)),
            (VP8, ("3", "x", ""), Err(Discard::UnknownSsrc)),
            (VP8, ("3", "", "h"), Err(Discard::UnknownSsrc)),
            (VP8_RTX, ("3", "", ""), Err(Discard::RtxUnmatched)),
            (OPUS, ("3", "h", ""), Err(Discard::UnknownPayloadType)),
            (100, ("", "", ""), Err(Discard::UnknownSsrc)),
            (VP8, ("9", "h", ""), Err(Discard::UnknownSsrc)),
        ] {
            let found = Router::new().route(&header(5, payload_type), &names(mid, rid, repaired), &tracks);
            assert_eq!(found, expected, "{payload_type} {mid:?} {rid:?} {repaired:?}");
        }
    }

    #[test]
    fn a_rid_that_only_one_track_has_needs_no_mid() {
        let (audio, video) = (single(1, Kind::Audio), simulcast(2));
        let found = Router::new().route(&header(5, VP8), &names("", "h", ""), &[&audio, &video]);
        assert_eq!(found, to(2, 1, false));
    }

    #[test]
    fn a_simulcast_of_one_need_not_say_its_rid() {
        let mut video = simulcast(2);
        video.encodings.truncate(1);
        assert_eq!(Router::new().route(&header(5, VP8), &names("2", "", ""), &[&video]), to(2, 0, false));
        assert_eq!(Router::new().route(&header(5, VP8), &names("2", "f", ""), &[&video]), Err(Discard::UnknownSsrc));
    }

    #[test]
    fn declared_ssrcs_need_no_names() {
        let mut router = Router::new();
        router.declare(None, &declared(4, &[(1, 2), (3, 4)]));
        let routes: Vec<_> = [1, 2, 3, 4].map(|ssrc| router.lookup(ssrc).ok_or(Discard::UnknownSsrc)).into();
        assert_eq!(routes, [to(4, 0, false), to(4, 0, true), to(4, 1, false), to(4, 1, true)]);
    }

    #[test]
    fn an_update_keeps_what_was_learned_of_encodings_that_stay() {
        let before = simulcast(3);
        let mut router = Router::new();
        for (ssrc, rid) in [(1, "q"), (2, "h"), (3, "f")] {
            router.route(&header(ssrc, VP8), &names("3", rid, ""), &[&before]).unwrap();
        }
        let mut after = before.clone();
        after.encodings.remove(1);
        router.declare(Some(&before), &after);
        assert_eq!([1, 2, 3].map(|ssrc| router.lookup(ssrc)), [to(3, 0, false).ok(), None, to(3, 1, false).ok()]);
        router.remove(TrackId(3));
        assert_eq!(router.lookup(1), None);
    }

    #[test]
    fn the_newest_ssrc_of_an_encoding_replaces_the_one_before() {
        let (video, mut router) = (single(2, Kind::Video), Router::new());
        for ssrc in 0..1_000 {
            assert_eq!(router.route(&header(ssrc, VP8), &names("2", "", ""), &[&video]), to(2, 0, false));
        }
        assert_eq!((router.lookup(998), router.lookup(999)), (None, to(2, 0, false).ok()));
        assert_eq!(router.forget(999), to(2, 0, false).ok());
        assert_eq!(router.lookup(999), None);
    }

    #[test]
    fn an_ssrc_may_move_to_another_m_section() {
        let (first, second) = (single(1, Kind::Video), single(2, Kind::Video));
        let (tracks, mut router) = ([&first, &second], Router::new());
        for (mid, expected) in [("1", 1), ("", 1), ("2", 2), ("", 2)] {
            assert_eq!(router.route(&header(7, VP8), &names(mid, "", ""), &tracks), to(expected, 0, false));
        }
    }

    #[test]
    fn every_track_and_encoding_that_is_allowed_gets_a_route() {
        let rids: Vec<String> = (0..SDP_ENCODINGS).map(|rid| format!("r{rid}")).collect();
        let specs: Vec<TrackSpec> = (0..TRACKS as u64)
            .map(|id| {
                let encodings =
                    rids.iter().map(|rid| EncodingSpec { rid: Some(rid.clone()), ..EncodingSpec::default() });
                TrackSpec { encodings: encodings.collect(), mid: format!("{id}"), ..simulcast(id) }
            })
            .collect();
        let tracks: Vec<&TrackSpec> = specs.iter().collect();
        let (mut router, mut ssrc) = (Router::new(), 0);
        for track in &tracks {
            for rid in &rids {
                for (number, names) in [(VP8, names(&track.mid, rid, "")), (VP8_RTX, names(&track.mid, "", rid))] {
                    ssrc += 1;
                    assert!(router.route(&header(ssrc, number), &names, &tracks).is_ok(), "{} {rid}", track.mid);
                }
            }
        }
        assert_eq!((ssrc as usize, router.bindings.len()), (SSRCS, SSRCS), "and SRTP keeps state for all of them");
        assert_eq!(router.poll_dropped(), None);
    }

    #[test]
    fn ssrcs_are_dropped_with_what_they_led_to() {
        let (before, track) = (declared(1, &[(10, 11), (20, 21)]), single(2, Kind::Video));
        let mut router = Router::new();
        router.declare(None, &before);
        let dropped = |router: &mut Router| {
            let mut all: Vec<u32> = std::iter::from_fn(|| router.poll_dropped()).collect();
            all.sort();
            all
        };
        let after = declared(1, &[(20, 21), (30, 31)]);
        router.declare(Some(&before), &after);
        assert_eq!(dropped(&mut router), [10, 11], "an encoding that its offer no longer names");
        for (ssrc, gone) in [(7, &[][..]), (8, &[7])] {
            router.route(&header(ssrc, VP8), &names(&track.mid, "", ""), &[&track]).expect("it is its only track");
            assert_eq!(dropped(&mut router), gone, "{ssrc} takes the place of the one before");
        }
        router.remove(TrackId(2));
        assert_eq!(dropped(&mut router), [8]);
        router.forget(20);
        assert_eq!(dropped(&mut router), [20], "BYE");
    }

    proptest! {
        #[test]
        fn whatever_arrives_routes_are_valid_and_kept(
            packets in prop::collection::vec((0_u32..12, 95_u8..99, 0_usize..5, 0_usize..5, 0_usize..5), 1..100),
        ) {
            let (single, simulcast, declared) = (single(1, Kind::Video), simulcast(2), declared(3, &[(1, 2), (3, 4)]));
            let tracks = [&single, &simulcast, &declared];
            let mut router = Router::new();
            router.declare(None, &declared);
            for (ssrc, number, mid, rid, repaired) in packets {
                let rids = ["", "q", "h", "f", "x"];
                let extensions = names(["", "1", "2", "3", "9"][mid], rids[rid], rids[repaired]);
                let known = router.lookup(ssrc);
                match router.route(&header(ssrc, number), &extensions, &tracks) {
                    Ok(route) => {
                        prop_assert_eq!(router.lookup(ssrc), Some(route));
                        let track = tracks.iter().find(|track| track.id == route.track).unwrap();
                        prop_assert!(route.encoding < track.encodings.len());
                        prop_assert!(extensions.mid.is_none_or(|mid| mid == track.mid));
                    }
                    Err(_) => prop_assert_eq!(router.lookup(ssrc), known),
                }
            }
        }
    }
}
