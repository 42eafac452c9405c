//! Measures each layer of an encoding over the last second: bit rate, frame rate and picture size.

use crate::codec::Description;
use crate::event::LayerRate;
use crate::layer::Layer;
use crate::rtp::layers_allocation::{LayersAllocation, SpatialLayer};
use crate::time::{Duration, Instant, ms};

/// One second in tenths.
const BUCKETS: usize = 10;
const BUCKET: Duration = ms(100);
/// Until the measurement covers this time, the sender's layers allocation is more accurate.
const MEASURED: Duration = ms(1_000);
/// A rate over less time is not meaningful.
const SHORTEST: Duration = ms(200);
/// The number of spatial and temporal layers that are counted separately. Higher ids count as the highest.
const SPATIAL: usize = 4;
const TEMPORAL: usize = 4;

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    octets: u32,
    frames: u32,
}

type Counts = [[Count; TEMPORAL]; SPATIAL];

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// The index of the tenth of a second since `Rates::since`.
    number: u64,
    counts: Counts,
}

#[derive(Clone, Debug, Default)]
pub struct Rates {
    /// The time of the first packet, from which buckets are counted.
    since: Option<Instant>,
    buckets: [Bucket; BUCKETS],
    sizes: [Option<(u16, u16)>; SPATIAL],
}

impl Rates {
    /// Counts a packet with `octets` of payload. `frame` is true if it is the first packet of its frame.
    pub fn handle_packet(&mut self, description: &Description, octets: usize, frame: bool, now: Instant) {
        let spatial = usize::from(description.spatial).min(SPATIAL - 1);
        let temporal = usize::from(description.temporal).min(TEMPORAL - 1);
        for (spatial, size) in description.sizes().filter(|(spatial, _)| *spatial < SPATIAL) {
            self.sizes[spatial] = Some(size);
        }
        let number = self.number(now);
        let bucket = &mut self.buckets[(number % BUCKETS as u64) as usize];
        if bucket.number != number {
            *bucket = Bucket { number, counts: Counts::default() };
        }
        let count = &mut bucket.counts[spatial][temporal];
        count.octets = count.octets.saturating_add(octets as u32);
        count.frames += u32::from(frame);
    }

    /// The layers that arrived within the last second, lowest first, each with the rate of all layers it needs. A rate
    /// that is not measured yet is taken from the allocation of `stream`.
    pub fn layers(&mut self, allocated: Option<&LayersAllocation>, stream: usize, now: Instant) -> Vec<LayerRate> {
        let (own, span) = self.sum(now);
        let is_young = self.since.is_none_or(|since| now < since + MEASURED);
        let mut layers = Vec::new();
        for spatial in 0..SPATIAL {
            let promised = allocated.and_then(|allocated| allocated.layer(stream, spatial));
            let arrives = own[spatial].iter().any(|count| count.octets > 0);
            if let Some(promised) = promised.filter(|_| is_young && arrives) {
                layers.extend(self.promised(spatial, promised));
                continue;
            }
            for temporal in (0..TEMPORAL).filter(|&temporal| own[spatial][temporal].octets > 0) {
                let below =
                    |row: &[Count; TEMPORAL]| row[..=temporal].iter().map(|count| u64::from(count.octets)).sum::<u64>();
                let octets: u64 = own[..=spatial].iter().map(below).sum();
                let frames: u32 = own[spatial][..=temporal].iter().map(|count| count.frames).sum();
                let (width, height) = self.size(spatial, promised);
                layers.push(LayerRate {
                    layer: Layer::new(spatial as u8, temporal as u8),
                    bps: (octets as f64 * 8.0 / span.as_secs_f64()) as u64,
                    width,
                    height,
                    fps: frames as f32 / span.as_secs_f32(),
                });
            }
        }
        layers
    }

    /// The temporal layers of a spatial layer, by the sender's allocation.
    fn promised(&self, spatial: usize, promised: &SpatialLayer) -> impl Iterator<Item = LayerRate> {
        let (width, height) = self.size(spatial, Some(promised));
        let count = promised.temporal_layers;
        let rates = promised.bps.into_iter().enumerate().take(usize::from(count));
        let fps = promised.picture.map_or(0, |(_, _, fps)| fps);
        rates.map(move |(temporal, bps)| LayerRate {
            layer: Layer::new(spatial as u8, temporal as u8),
            bps,
            width,
            height,
            // The allocation has the frame rate of the highest layer. Each lower one has half of that above it, in all
            // usual modes.
            fps: f32::from(fps) / f32::from(1_u8 << (count - 1 - temporal as u8)),
        })
    }

    /// The picture size by the payload, else by the allocation; zero if neither has it.
    fn size(&self, spatial: usize, promised: Option<&SpatialLayer>) -> (u16, u16) {
        let announced = || promised?.picture.map(|(width, height, _)| (width, height));
        self.sizes[spatial].or_else(announced).unwrap_or_default()
    }

    /// The sum of the buckets of the last second, and the time that they cover.
    fn sum(&mut self, now: Instant) -> (Counts, Duration) {
        let number = self.number(now);
        let oldest = (number + 1).saturating_sub(BUCKETS as u64);
        let mut total = Counts::default();
        for bucket in self.buckets.iter().filter(|bucket| bucket.number >= oldest) {
            for (sum, count) in total.as_flattened_mut().iter_mut().zip(bucket.counts.as_flattened()) {
                sum.octets = sum.octets.saturating_add(count.octets);
                sum.frames += count.frames;
            }
        }
        let elapsed = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let span = elapsed.saturating_sub(BUCKET * oldest.min(u64::from(u32::MAX)) as u32);
        (total, span.max(SHORTEST))
    }

    fn number(&mut self, now: Instant) -> u64 {
        let since = *self.since.get_or_insert(now);
        (now.saturating_duration_since(since).as_millis() / BUCKET.as_millis()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::vp9;

    /// 30 frames a second of two packets each, temporal layers 0 2 1 2: 250, 125 and 250 octets a packet.
    fn play(rates: &mut Rates, start: Instant, frames: std::ops::Range<u64>) -> Instant {
        let last = start + ms(1_000) * frames.end as u32 / 30;
        for frame in frames {
            let (temporal, octets) = [(0, 250), (2, 250), (1, 125), (2, 250)][(frame % 4) as usize];
            let now = start + ms(1_000) * frame as u32 / 30;
            for packet in 0..2 {
                let size = (temporal == 0).then_some((320, 180));
                let description = Description { temporal, size, ..Description::default() };
                rates.handle_packet(&description, octets, packet == 0, now);
            }
        }
        last
    }

    fn near(value: f64, expected: f64) -> bool {
        (value / expected - 1.0).abs() < 0.1
    }

    #[test]
    fn temporal_layers_are_counted_with_those_they_need() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        for seconds in [1, 5] {
            let now = play(&mut rates, start, (seconds - 1) * 30..seconds * 30);
            let layers = rates.layers(None, 0, now);
            let expected = [(0, 30_000.0, 7.5), (1, 45_000.0, 15.0), (2, 105_000.0, 30.0)];
            assert_eq!(layers.len(), 3);
            for (layer, (temporal, bps, fps)) in layers.iter().zip(expected) {
                assert_eq!(layer.layer, Layer::new(0, temporal));
                assert!(near(layer.bps as f64, bps) && near(f64::from(layer.fps), fps), "{layer:?}");
                assert_eq!((layer.width, layer.height), (320, 180));
            }
        }
    }

    #[test]
    fn a_spatial_layer_needs_those_below_it_but_frames_are_its_own() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        for frame in 0..10 {
            for (spatial, octets, size) in [(0, 100, (320, 180)), (1, 300, (640, 360))] {
                let description = Description { spatial, size: Some(size), ..Description::default() };
                rates.handle_packet(&description, octets, true, start + ms(100 * frame));
            }
        }
        let layers = rates.layers(None, 0, start + ms(999));
        assert!(near(layers[0].bps as f64, 8_000.0) && near(layers[1].bps as f64, 32_000.0), "{layers:?}");
        assert!(layers.iter().all(|layer| near(f64::from(layer.fps), 10.0)));
        assert_eq!((layers[1].width, layers[1].height), (640, 360));
    }

    #[test]
    fn a_keyframe_of_several_spatial_layers_tells_the_size_of_each() {
        let (mut rates, now) = (Rates::default(), Instant::now());
        let sizes = [(240, 135), (480, 270), (0, 0), (0, 0)];
        let numbers = vp9::Numbers { spatial_layers: 2, sizes, ..vp9::Numbers::default() };
        let keyframe = Description { size: Some((480, 270)), vp9: Some(numbers), ..Description::default() };
        rates.handle_packet(&keyframe, 100, true, now);
        rates.handle_packet(&Description { spatial: 1, ..Description::default() }, 100, true, now);
        let seen: Vec<_> = rates.layers(None, 0, now).iter().map(|layer| (layer.width, layer.height)).collect();
        assert_eq!(seen, sizes[..2]);
    }

    #[test]
    fn the_first_rate_is_told_early_and_the_last_one_falls_out_in_a_second() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        let now = play(&mut rates, start, 0..12);
        assert!(near(rates.layers(None, 0, now)[2].bps as f64, 105_000.0));
        assert_eq!(rates.layers(None, 0, now + ms(1_100)), []);
    }

    #[test]
    fn ids_beyond_the_table_count_as_the_highest() {
        let (mut rates, now) = (Rates::default(), Instant::now());
        let description = Description { spatial: 7, temporal: 7, ..Description::default() };
        rates.handle_packet(&description, 10, true, now);
        assert_eq!(rates.layers(None, 0, now)[0].layer, Layer::new(3, 3));
    }

    /// One stream of 320x180 at 25 frames a second: two temporal layers of 100 and 150 kbit/s.
    const ALLOCATED: [u8; 9] = [0x01, 0b0100_0000, 100, 0x96, 0x01, 0x01, 0x3F, 0x00, 0xB3];

    #[test]
    fn what_is_not_measured_yet_is_as_the_sender_says() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        let allocated = LayersAllocation::parse(&[&ALLOCATED[..], &[25]].concat()).unwrap();
        let send = |rates: &mut Rates, at: u64| {
            rates.handle_packet(&Description::default(), 250, true, start + ms(at));
            rates.layers(Some(&allocated), 0, start + ms(at))
        };
        let layers = send(&mut rates, 0);
        let seen: Vec<_> = layers.iter().map(|rate| (rate.layer.temporal, rate.bps, rate.fps)).collect();
        assert_eq!(seen, [(0, 100_000, 12.5), (1, 150_000, 25.0)]);
        let layers = (1..50).map(|n| send(&mut rates, 40 * n)).last().unwrap();
        assert_eq!(layers.len(), 1, "no temporal layers are told apart");
        assert!(near(layers[0].bps as f64, 50_000.0) && near(f64::from(layers[0].fps), 25.0), "{layers:?}");
        assert_eq!((layers[0].width, layers[0].height), (320, 180), "its payload tells no size");
    }
}
