//! What is said of a slot: what leaves through it, and why nothing better does; once, when it is other than before.

use crate::codec::PayloadType;
use crate::event::Cause;
use crate::layer::Layer;
use crate::send::passing::SlotEvent;
use crate::send::selector::Selector;

#[derive(Debug)]
pub struct News {
    /// What was said last, so that only changes are.
    told: (Option<Layer>, Cause),
    /// The selector's version at that time.
    version: u32,
    /// The slot lost its place: more is missing than can be sent again.
    pub lost: bool,
    /// The publisher's payload type for which the subscriber has none.
    refusing: Option<PayloadType>,
    switched: Option<SlotEvent>,
    refused: Option<SlotEvent>,
}

impl Default for News {
    fn default() -> Self {
        Self { told: (None, Cause::Paused), version: 0, lost: false, refusing: None, switched: None, refused: None }
    }
}

impl News {
    /// Another track is shown from now on: the same layer of it is news.
    pub fn forget_source(&mut self) {
        self.told.0 = None;
        self.lost = false;
        self.refusing = None;
    }

    /// The same layer is called otherwise from now on.
    pub fn forget_layer(&mut self) {
        self.told.0 = None;
    }

    pub fn is_refusing(&self) -> bool {
        self.refusing.is_some()
    }

    /// The subscriber has no payload type for the publisher's, and says so once per source.
    pub fn refuse(&mut self, from: PayloadType) {
        if self.refusing.replace(from).is_none() {
            self.refused = Some(SlotEvent::Refused { reason: "the subscriber has no payload type for this codec" });
        }
    }

    /// A packet comes under this payload type: one that was refused may be over.
    pub fn set_payload_type(&mut self, from: &PayloadType) {
        if self.refusing.is_some_and(|refused| refused != *from) {
            self.refusing = None;
        }
    }

    /// What was said may not hold any more.
    pub fn is_old(&self, selector: &Selector) -> bool {
        self.version != selector.version()
    }

    /// What was said to leave.
    pub fn layer(&self) -> Option<Layer> {
        self.told.0
    }

    /// What leaves and why, if it is other than was said last. `paused`: nothing is to leave.
    pub fn update(&mut self, selector: &Selector, paused: bool) {
        self.version = selector.version();
        let cause = if paused { Cause::Paused } else { self.cause(selector) };
        let (layer, cause) = (selector.leaves(), cause);
        if std::mem::replace(&mut self.told, (layer, cause)) != (layer, cause) {
            self.switched = Some(SlotEvent::Switched { layer, cause });
        }
    }

    pub fn poll(&mut self) -> Option<SlotEvent> {
        self.refused.take().or_else(|| self.switched.take())
    }

    /// Why nothing better leaves.
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
