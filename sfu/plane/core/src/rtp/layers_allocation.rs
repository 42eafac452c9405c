//! The header extension `video-layers-allocation00` of libwebrtc: the layers that a sender sends and the target rate of
//! each. It reports a disabled layer before missing packets show it, and sizes and rates without parsing payloads.
//!
//! ```text
//! |RID| NS| sl_bm |  index of this packet's stream, streams minus one, spatial layers of every stream as bits
//! |sl0_bm |sl1_bm |  if sl_bm is 0: spatial layers of each stream; two octets if there are more than two streams
//! |#tl|#tl|#tl|#tl|  number of temporal layers minus one, for each spatial layer that is sent
//! | target rate   |  kbit/s, leb128: of each temporal layer, including the layers that it depends on
//! | width-1, height-1 (16 bits each), frames per second (8): for all spatial layers or for none
//! ```
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use crate::discard::Discard;

/// The maximum number of streams, spatial layers per stream, and temporal layers per spatial layer.
pub const MOST: usize = 4;
/// The maximum length of a rate in octets: a longer one would exceed 32 bits.
const MOST_LEB128: u32 = 5;

/// The target rates and the size of one spatial layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SpatialLayer {
    /// 1..=4.
    pub temporal_layers: u8,
    /// Bits per second of each temporal layer, including the layers that it depends on.
    pub bps: [u64; MOST],
    /// Width and height in pixels, and frames per second of the highest temporal layer, if stated.
    pub picture: Option<(u16, u16, u8)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LayersAllocation {
    /// The index of the stream whose packet had the extension.
    pub stream: u8,
    /// By stream and spatial id. `None`: the layer is not sent.
    layers: [[Option<SpatialLayer>; MOST]; MOST],
}

impl LayersAllocation {
    /// # Errors
    /// `Truncated` if it ends inside a field, `RtpMalformed` if octets follow the last field or a rate is too long.
    pub fn parse(bytes: &[u8]) -> Result<Self, Discard> {
        let mut octets = Octets(bytes);
        let head = octets.next()?;
        let mut allocation = Self { stream: head >> 6, ..Self::default() };
        if head == 0 && octets.0.is_empty() {
            return Ok(allocation);
        }
        let streams = usize::from(head >> 4 & 3).saturating_add(1);
        let mut masks = [head & 0x0F; MOST];
        if head & 0x0F == 0 {
            let first = octets.next()?;
            let second = if streams > 2 { octets.next()? } else { 0 };
            masks = [first >> 4, first & 0x0F, second >> 4, second & 0x0F];
        }
        for (stream, mask) in allocation.layers.iter_mut().zip(masks).take(streams) {
            for (spatial, layer) in stream.iter_mut().enumerate() {
                *layer = (mask >> spatial & 1 != 0).then_some(SpatialLayer::default());
            }
        }
        octets.temporal_layers(allocation.sent())?;
        for layer in allocation.sent() {
            for bps in layer.bps.iter_mut().take(usize::from(layer.temporal_layers)) {
                *bps = octets.leb128()?.saturating_mul(1_000);
            }
        }
        if octets.0.is_empty() {
            return Ok(allocation);
        }
        for layer in allocation.sent() {
            let [width, height] = [octets.length()?, octets.length()?];
            layer.picture = Some((width, height, octets.next()?));
        }
        if octets.0.is_empty() { Ok(allocation) } else { Err(Discard::RtpMalformed) }
    }

    /// One layer; `None` if the sender does not send it.
    pub fn layer(&self, stream: usize, spatial: usize) -> Option<&SpatialLayer> {
        self.layers.get(stream)?.get(spatial)?.as_ref()
    }

    /// The spatial layers that are sent of one stream, lowest first.
    pub fn stream(&self, stream: usize) -> impl Iterator<Item = (u8, &SpatialLayer)> {
        let layers = self.layers.get(stream).into_iter().flatten().enumerate();
        layers.filter_map(|(spatial, layer)| Some((spatial as u8, layer.as_ref()?)))
    }

    /// Copies missing sizes from the allocation before it: senders omit sizes that have not changed.
    pub fn complete_from(&mut self, before: &LayersAllocation) {
        for (layer, before) in self.layers.as_flattened_mut().iter_mut().zip(before.layers.as_flattened()) {
            if let (Some(layer), Some(before)) = (layer, before) {
                layer.picture = layer.picture.or(before.picture);
            }
        }
    }

    fn sent(&mut self) -> impl Iterator<Item = &mut SpatialLayer> {
        self.layers.as_flattened_mut().iter_mut().flatten()
    }
}

/// The octets that remain to be read.
struct Octets<'a>(&'a [u8]);

impl Octets<'_> {
    fn next(&mut self) -> Result<u8, Discard> {
        let (&octet, rest) = self.0.split_first().ok_or(Discard::Truncated)?;
        self.0 = rest;
        Ok(octet)
    }

    /// Reads four counts per octet, from the most significant bits.
    fn temporal_layers<'a>(&mut self, layers: impl Iterator<Item = &'a mut SpatialLayer>) -> Result<(), Discard> {
        let mut counts = 0;
        for (n, layer) in layers.enumerate() {
            if n & 3 == 0 {
                counts = self.next()?;
            }
            layer.temporal_layers = (counts >> 6).saturating_add(1);
            counts <<= 2;
        }
        Ok(())
    }

    /// Reads leb128() of AV1 s4.10.5.
    fn leb128(&mut self) -> Result<u64, Discard> {
        let mut value = 0;
        for n in 0..MOST_LEB128 {
            let octet = self.next()?;
            value |= u64::from(octet & 0x7F) << n.saturating_mul(7);
            if octet & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Discard::RtpMalformed)
    }

    /// Reads a width or height in pixels, which is coded minus one.
    fn length(&mut self) -> Result<u16, Discard> {
        Ok(u16::from_be_bytes([self.next()?, self.next()?]).saturating_add(1))
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Three streams of one spatial layer with two temporal layers each, sent on the last: 320x180 at 100/150 kbit/s,
    /// 640x360 at 300/500, 1280x720 at 900/1500.
    pub const SIMULCAST: &[u8] = &[
        0xA1,
        0b0101_0100,
        100,
        0x96,
        0x01,
        0xAC,
        0x02,
        0xF4,
        0x03,
        0x84,
        0x07,
        0xDC,
        0x0B,
        0x01,
        0x3F,
        0x00,
        0xB3,
        30,
        0x02,
        0x7F,
        0x01,
        0x67,
        30,
        0x04,
        0xFF,
        0x02,
        0xCF,
        30,
    ];

    #[test]
    fn streams_alike_share_one_mask_of_spatial_layers() {
        let allocation = LayersAllocation::parse(SIMULCAST).unwrap();
        assert_eq!(allocation.stream, 2);
        let seen: Vec<_> = (0..4)
            .filter_map(|stream| allocation.layer(stream, 0))
            .map(|layer| (layer.temporal_layers, layer.bps[0], layer.bps[1], layer.picture))
            .collect();
        let expected = [
            (2, 100_000, 150_000, Some((320, 180, 30))),
            (2, 300_000, 500_000, Some((640, 360, 30))),
            (2, 900_000, 1_500_000, Some((1280, 720, 30))),
        ];
        assert_eq!(seen, expected);
        assert_eq!(allocation.layer(0, 1), None);
    }

    #[test]
    fn a_stream_that_is_off_has_no_layers_and_no_rates() {
        // Streams 0 and 2 of three, without pictures.
        let bytes = [0x20, 0b0001_0000, 0b0001_0000, 0, 100, 0x84, 0x07];
        let allocation = LayersAllocation::parse(&bytes).unwrap();
        let sent: Vec<u64> = (0..3).map(|n| allocation.layer(n, 0).map_or(0, |layer| layer.bps[0])).collect();
        assert_eq!(sent, [100_000, 0, 900_000]);
        assert!(allocation.stream(0).all(|(_, layer)| layer.picture.is_none()));
    }

    #[test]
    fn spatial_layers_of_one_stream_are_told_apart() {
        // L3T1: five temporal counts would take a second octet, three do not.
        let allocation = LayersAllocation::parse(&[0x07, 0, 10, 20, 30]).unwrap();
        let rates: Vec<_> = allocation.stream(0).map(|(spatial, layer)| (spatial, layer.bps[0])).collect();
        assert_eq!(rates, [(0, 10_000), (1, 20_000), (2, 30_000)]);
        // L4 on two streams: eight counts in two octets.
        let allocation = LayersAllocation::parse(&[0x1F, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
        assert_eq!(allocation.layer(1, 3).unwrap().bps[0], 8_000);
    }

    #[test]
    fn one_octet_of_zero_says_that_nothing_is_sent() {
        let allocation = LayersAllocation::parse(&[0]).unwrap();
        assert_eq!((0..4).flat_map(|stream| allocation.stream(stream)).count(), 0);
    }

    #[test]
    fn sizes_stay_known_where_they_are_not_repeated() {
        let before = LayersAllocation::parse(SIMULCAST).unwrap();
        let mut after = LayersAllocation::parse(&[0x20, 0b0001_0000, 0b0001_0000, 0, 100, 0x84, 0x07]).unwrap();
        after.complete_from(&before);
        let pictures = [0, 1, 2].map(|stream| after.layer(stream, 0).and_then(|layer| layer.picture));
        assert_eq!(pictures, [Some((320, 180, 30)), None, Some((1280, 720, 30))]);
    }

    #[test]
    fn one_cut_short_or_with_something_behind_it_is_refused() {
        for length in 0..SIMULCAST.len() {
            // Without its pictures it is whole.
            let whole = length == 13;
            assert_eq!(LayersAllocation::parse(&SIMULCAST[..length]).is_ok(), whole, "{length} octets");
        }
        let longer = [SIMULCAST, &[0]].concat();
        assert_eq!(LayersAllocation::parse(&longer), Err(Discard::RtpMalformed));
        assert_eq!(LayersAllocation::parse(&[1, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1]), Err(Discard::RtpMalformed));
    }

    proptest! {
        #[test]
        fn hostile_allocations_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            if let Ok(allocation) = LayersAllocation::parse(&bytes) {
                let layers = (0..MOST).flat_map(|stream| allocation.stream(stream));
                prop_assert!(layers.into_iter().all(|(_, layer)| (1..=4).contains(&layer.temporal_layers)));
            }
        }
    }
}
