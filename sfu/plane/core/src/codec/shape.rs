//! How packets of a stream can be dropped without harm to the rest of it: by their layers, where the stream states them.

use super::{DependencyDescriptor, Description, vp9};

/// The layer information of a packet, by which packets can be dropped.
#[derive(Clone, Copy, Debug)]
pub enum Shape<'a> {
    /// No layer information: nothing can be dropped.
    Whole,
    /// VP8 with numbers that can be rewritten so that receivers see no gap.
    Vp8,
    Vp9(&'a vp9::Numbers),
    Dependency(&'a DependencyDescriptor),
}

impl<'a> Shape<'a> {
    /// The shape of a packet with this description.
    pub fn of(description: &'a Description) -> Self {
        if let Some(numbers) = &description.vp8
            && numbers.picture_id.is_some()
            && numbers.tl0_picture_index.is_some()
        {
            return Shape::Vp8;
        }
        if let Some(numbers) = &description.vp9
            && numbers.picture_id.is_some()
            && numbers.has_layers
        {
            return Shape::Vp9(numbers);
        }
        description.dependency.as_ref().map_or(Shape::Whole, Shape::Dependency)
    }
}

/// True for the packets that remain when all temporal layers that can be dropped are dropped.
pub fn is_lowest(description: &Description) -> bool {
    description.temporal == 0 || matches!(Shape::of(description), Shape::Whole)
}
