//! A layer is a point of a track: which encoding or spatial layer, which temporal layer.

/// Spatial first, so that layers within one encoding sort from the least to the best picture.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Layer {
    /// Simulcast: the place of the encoding in its track's spec; which is better, ladders say. SVC: the spatial id within
    /// the one encoding.
    pub spatial: u8,
    /// Which temporal layer: more frames a second with each.
    pub temporal: u8,
}

impl Layer {
    /// By its two numbers.
    pub const fn new(spatial: u8, temporal: u8) -> Self {
        Self { spatial, temporal }
    }
}

/// The layers a slot may show, best first. The plane steps down it by itself and never off it; empty pauses the slot.
pub type Ladder = Vec<Layer>;

/// Which encodings of a track arrive, or which spatial layers of its only one; as bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Lives {
    /// They do now.
    pub flowing: u8,
    /// They flowed, and do not now.
    pub stopped: u8,
}
