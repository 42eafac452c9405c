//! Determines whether an encoding and its spatial layers flow: from its packets, from other streams of the transport
//! that are heard meanwhile, and from the sender's `video-layers-allocation`.

use super::activity::{Activity, Voucher};
use super::pulse::Pulse;
use crate::layer::Lives;
use crate::rtp::layers_allocation::MOST;
use crate::time::Instant;

/// The activity of one encoding and of its spatial layers.
#[derive(Clone, Debug)]
pub struct Life {
    whole: Activity,
    layers: [Activity; MOST],
}

impl Life {
    pub fn new(video: bool) -> Self {
        Self { whole: Activity::new(video), layers: std::array::from_fn(|_| Activity::new(video)) }
    }

    /// Handles a packet with a payload. `late` is true if newer packets arrived before.
    pub fn handle_packet(&mut self, spatial: u8, timestamp: u32, late: bool, now: Instant) {
        self.whole.handle_packet(timestamp, late, now);
        self.layers[usize::from(spatial).min(MOST - 1)].handle_packet(timestamp, late, now);
    }

    pub fn is_flowing(&self) -> bool {
        self.whole.is_flowing()
    }

    /// True if this spatial layer flows.
    pub fn has_layer(&self, spatial: u8) -> bool {
        self.layers[usize::from(spatial).min(MOST - 1)].is_flowing()
    }

    pub fn pulse(&self) -> Option<Pulse> {
        self.whole.pulse()
    }

    /// It flowed in every silence that began before this.
    pub fn evidence(&self) -> Option<Instant> {
        self.whole.pulse().as_ref().and_then(Pulse::evidence)
    }

    /// Applies a change of the sender's layers allocation: `before` and `now` have a bit for each spatial layer that is
    /// sent.
    pub fn allocate(&mut self, before: u8, now: u8) {
        turn(&mut self.whole, before != 0, now != 0);
        for (spatial, layer) in self.layers.iter_mut().enumerate() {
            turn(layer, before >> spatial & 1 != 0, now >> spatial & 1 != 0);
        }
    }

    /// A subscriber wants the encoding and its spatial `layers` (bits) now. Where they stopped, possibly because nobody
    /// wanted them, the first packet is enough to flow again.
    pub fn expect(&mut self, layers: u8) {
        let wanted = self.layers.iter_mut().enumerate().filter(|(spatial, _)| layers >> spatial & 1 != 0);
        let wanted = wanted.map(|(_, layer)| layer).chain(std::iter::once(&mut self.whole));
        wanted.filter(|activity| activity.has_stopped()).for_each(Activity::expect);
    }

    /// When the newest packet arrived.
    pub fn last(&self) -> Option<Instant> {
        self.whole.last()
    }

    /// True if no packets of the encoding arrive.
    pub fn is_silent(&self, now: Instant) -> bool {
        self.whole.is_silent(now)
    }

    /// True if another stream may take its place. None: no packet has arrived yet.
    pub fn is_gone(&self, now: Instant) -> Option<bool> {
        self.whole.is_gone(now)
    }

    /// Decides whether silences mean a stop. `siblings` are all encodings of the track; other media of the transport
    /// flowed in every silence that began before `elsewhere`.
    pub fn handle_silence(&mut self, siblings: &[Pulse], elsewhere: Option<Instant>, now: Instant) {
        let layers = self.layers.each_ref().map(Activity::pulse);
        for layer in &mut self.layers {
            if let Some(silence) = layer.overdue(now) {
                let elsewhere = siblings.iter().filter_map(Pulse::evidence).max().max(elsewhere);
                layer.handle_silence(vouch(silence, layers.iter().flatten(), elsewhere), now);
            }
        }
        if let Some(silence) = self.whole.overdue(now) {
            self.whole.handle_silence(vouch(silence, siblings.iter(), elsewhere), now);
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.all().filter_map(Activity::poll_timeout).min()
    }

    /// Which spatial layers flow and which have stopped.
    pub fn lives(&self) -> Lives {
        let bits = |is: fn(&Activity) -> bool| {
            self.layers.iter().rev().fold(0, |bits, activity| bits << 1 | u8::from(is(activity)))
        };
        Lives { flowing: bits(Activity::is_flowing), stopped: bits(Activity::has_stopped) }
    }

    pub fn has_stopped(&self) -> bool {
        self.whole.has_stopped()
    }

    fn all(&self) -> impl Iterator<Item = &Activity> {
        std::iter::once(&self.whole).chain(&self.layers)
    }
}

/// Which other streams flowed since `silence` began.
fn vouch<'a>(silence: Instant, mut siblings: impl Iterator<Item = &'a Pulse>, elsewhere: Option<Instant>) -> Voucher {
    if siblings.any(|pulse| pulse.vouches(silence)) {
        Voucher::Sibling
    } else if elsewhere.is_some_and(|until| silence < until) {
        Voucher::Transport
    } else {
        Voucher::Nobody
    }
}

fn turn(activity: &mut Activity, before: bool, now: bool) {
    match (before, now) {
        (true, false) => activity.stop(),
        (false, true) if activity.has_stopped() => activity.expect(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ms;

    #[test]
    fn a_spatial_layer_stops_beside_those_below_it() {
        let (mut life, start) = (Life::new(true), Instant::now());
        for frame in 0..60 {
            let at = start + ms(33) * frame;
            for spatial in 0..if frame < 30 { 3 } else { 2 } {
                life.handle_packet(spatial, frame, false, at);
            }
            life.handle_silence(&[], None, at);
        }
        assert_eq!(life.lives(), Lives { flowing: 0b011, stopped: 0b100 });
        assert!(life.is_flowing());
    }

    #[test]
    fn what_the_sender_says_counts_at_once_and_once() {
        let (mut life, now) = (Life::new(true), Instant::now());
        (0..3).for_each(|spatial| life.handle_packet(spatial, 0, false, now));
        life.allocate(0xF, 0b011);
        assert_eq!(life.lives(), Lives { flowing: 0b011, stopped: 0b100 });
        life.allocate(0b011, 0b111);
        life.handle_packet(2, 1, false, now + ms(20));
        assert_eq!(life.lives(), Lives { flowing: 0b111, stopped: 0 });
        life.allocate(0b111, 0);
        assert!(life.has_stopped());
    }
}
