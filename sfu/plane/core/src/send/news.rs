//! The events of a slot: the layer that it forwards, and why no better one. Only changes cause an event.

use crate::codec::PayloadType;
use crate::event::Cause;
use crate::layer::Layer;
use crate::send::passing::SlotEvent;
use crate::send::selector::Selector;

#[derive(Debug)]
pub struct News {
    /// Layer and cause at the last update.
    now: (Option<Layer>, Cause),
    /// Layer and cause of the last event.
    reported: (Option<Layer>, Cause),
    /// The selector's version at the last update.
    version: u32,
    /// More packets are missing than can be retransmitted: the slot waits for a keyframe.
    pub lost: bool,
    /// The publisher's payload type for which the subscriber has none.
    refusing: Option<PayloadType>,
    refused: Option<SlotEvent>,
}

impl Default for News {
    fn default() -> Self {
        let paused = (None, Cause::Paused);
        Self { now: paused, reported: paused, version: 0, lost: false, refusing: None, refused: None }
    }
}

impl News {
    /// Called when the slot shows another track. The same layer of the new track is a change.
    pub fn forget_source(&mut self) {
        (self.now.0, self.reported.0) = (None, None);
        self.lost = false;
        self.refusing = None;
    }

    /// Called when layers are renumbered: the current layer is a change even if its numbers are the same.
    pub fn forget_layer(&mut self) {
        self.reported.0 = None;
    }

    pub fn is_refusing(&self) -> bool {
        self.refusing.is_some()
    }

    /// Called when the subscriber has no payload type for the publisher's. Causes one event per source.
    pub fn refuse(&mut self, from: PayloadType) {
        if self.refusing.replace(from).is_none() {
            self.refused = Some(SlotEvent::Refused { reason: "the subscriber has no payload type for this codec" });
        }
    }

    /// Called with the payload type of the next packet. If it changed, the refusal ends.
    pub fn set_payload_type(&mut self, from: &PayloadType) {
        if self.refusing.is_some_and(|refused| refused != *from) {
            self.refusing = None;
        }
    }

    /// True if the selector changed since the last update.
    pub fn is_old(&self, selector: &Selector) -> bool {
        self.version != selector.version()
    }

    /// The layer at the last update.
    pub fn layer(&self) -> Option<Layer> {
        self.now.0
    }

    /// Records the layer and the cause. A change is an event; one that ends before it is polled is none. `paused`: the slot is to forward nothing.
    pub fn update(&mut self, selector: &Selector, paused: bool) {
        self.version = selector.version();
        let cause = if paused { Cause::Paused } else { self.cause(selector) };
        self.now = (selector.leaves(), cause);
    }

    pub fn poll(&mut self) -> Option<SlotEvent> {
        if self.refused.is_some() {
            return self.refused.take();
        }
        let (layer, cause) = self.now;
        (std::mem::replace(&mut self.reported, self.now) != self.now).then_some(SlotEvent::Switched { layer, cause })
    }

    /// Why the slot forwards no better layer.
    fn cause(&self, selector: &Selector) -> Cause {
        match selector.leaves() {
            Some(layer) if selector.is_best(layer.spatial) => Cause::None,
            _ if self.is_refusing() => Cause::Publisher,
            None if self.lost => Cause::Loss,
            _ if !selector.has_alternative() => Cause::Publisher,
            _ if selector.is_fixed() => Cause::Encrypted,
            _ if selector.awaits() => Cause::WaitingForKeyframe,
            _ => Cause::Publisher,
        }
    }
}
