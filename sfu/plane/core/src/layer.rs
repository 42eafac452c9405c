//! A layer of a track: its encoding or spatial layer, and its temporal layer.

/// Ordered by `spatial` first, so that layers within one encoding sort from the least to the best picture.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Layer {
    /// Simulcast: the index of the encoding in its track's spec; ladders define which one is better. SVC: the spatial
    /// id within the one encoding.
    pub spatial: u8,
    /// The temporal layer. Each higher one adds frames per second.
    pub temporal: u8,
}

impl Layer {
    /// Makes a layer of its two numbers.
    pub const fn new(spatial: u8, temporal: u8) -> Self {
        Self { spatial, temporal }
    }
}

/// The layers that a slot may show, best first. The plane shows only these, and steps down by itself. An empty ladder
/// pauses the slot.
pub type Ladder = Vec<Layer>;

/// The encodings of a track that arrive, or the spatial layers of its only one, as bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Lives {
    /// Those that arrive now.
    pub flowing: u8,
    /// Those that arrived before and do not arrive now.
    pub stopped: u8,
}
