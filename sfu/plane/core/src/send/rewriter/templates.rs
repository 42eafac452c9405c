//! Rewrites the template ids of frames (AV1 RTP specification, A.8): each structure gets the ids after those of the
//! last one.
//!
//! Sources do not coordinate their ids, and most begin at 0. Without rewriting, a receiver that misses the packet with
//! a new structure would read its frames by the old one. With rewriting, the frames refer to templates that the
//! receiver does not know, and it waits. A sender does the same with its own structures.
//!
//! ```text
//! source   0···4   0·········11   12··16   0···4        ids wrap at 64
//! added      0          5            5       22
//! output   0···4   5·········16   17··21   22··26
//! ```
//!
//! A receiver that misses several structures in a row is safe until 64 ids have passed.

use std::sync::Arc;

use crate::codec::dependency::{DependencyDescriptor, Structure};

const ID_MASK: u8 = 0x3F;

/// The structure of the newest sent packet, and the offset that was added to its ids.
#[derive(Debug, Default)]
pub(super) struct Templates {
    last: Option<(Arc<Structure>, u8)>,
}

impl Templates {
    pub fn are_of(&self, structure: &Arc<Structure>) -> bool {
        self.last.as_ref().is_some_and(|(last, _)| Arc::ptr_eq(last, structure))
    }

    /// The offset for the ids of `structure`, with which a source begins. An equal structure keeps its ids.
    pub fn begin(&mut self, structure: &Arc<Structure>) -> u8 {
        let added = match &self.last {
            None => 0,
            Some((last, added)) if last == structure => *added,
            Some((last, added)) => {
                let next = last.first_id().wrapping_add(last.id_count()).wrapping_add(*added);
                next.wrapping_sub(structure.first_id()) & ID_MASK
            }
        };
        self.last = Some((structure.clone(), added));
        added
    }

    /// The offset when a source with offset `added` changes to another structure. Mostly the offset stays, because the
    /// sender advances its own ids in the same way. It changes if a structure was not forwarded, or if the sender was
    /// recreated and begins at 0 again (libwebrtc does so after another codec).
    pub fn go_on(&mut self, frame: &DependencyDescriptor, added: u8) -> u8 {
        if frame.structure_attached {
            return self.begin(&frame.structure);
        }
        // The packet with the structure is sent late, as part of the run.
        self.last = Some((frame.structure.clone(), added));
        added
    }
}
