//! Names encodings for the life of their track, and the layers that a slot may show by those names.

use crate::layer::Layer;
use crate::limits::SDP_ENCODINGS;

/// Names one encoding of a track. An encoding keeps its id for as long as a spec names it, wherever it is in the spec's
/// list; whatever refers to a removed encoding finds nothing.
///
/// The id is a place, by which slots index what they know of a track's encodings, and how many encodings had the place
/// before. A place that has changed hands 32 times begins again; its numbers are then still above all before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EncodingId(u8);

const PLACES: u8 = SDP_ENCODINGS as u8;
const _: () = assert!(PLACES.is_power_of_two());

impl EncodingId {
    /// The id of the first encoding at a place.
    pub const fn first(place: u8) -> Self {
        Self(place % PLACES)
    }

    /// Its index among the encodings that a track has at a time, below [`SDP_ENCODINGS`].
    pub const fn place(self) -> usize {
        (self.0 % PLACES) as usize
    }

    /// The bit of its place.
    pub const fn bit(self) -> u8 {
        1 << self.place()
    }

    /// The id of the next encoding at the same place.
    pub const fn successor(self) -> Self {
        Self(self.0.wrapping_add(PLACES))
    }
}

impl std::fmt::Debug for EncodingId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}.{}", self.place(), self.0 / PLACES)
    }
}

/// One of the layers that a slot may show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rung {
    /// The encoding that has it.
    pub encoding: EncodingId,
    /// Numbered as in [`Lives`](crate::layer::Lives): `spatial` is the encoding's place, or a spatial layer of the
    /// track's only encoding.
    pub layer: Layer,
}

/// The rung of a layer of a track whose encodings have their first ids.
impl From<Layer> for Rung {
    fn from(layer: Layer) -> Self {
        Self { encoding: EncodingId::first(layer.spatial), layer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_keeps_its_place_and_is_given_once() {
        let mut ids: Vec<EncodingId> = Vec::new();
        for place in 0..PLACES {
            let mut id = EncodingId::first(place);
            for _ in 0..32 {
                assert!(!ids.contains(&id));
                assert_eq!((id.place(), id.bit()), (usize::from(place), 1 << place));
                ids.push(id);
                id = id.successor();
            }
        }
    }
}
