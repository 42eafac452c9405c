//! Under which template ids frames leave (AV1 RTP specification, A.8): each structure takes those after the last one's.
//!
//! Sources know nothing of one another, and most begin at 0. Left so, whoever misses the packet that brings another
//! structure would read its frames by the one before; as it is, they refer to templates that it does not know, and it
//! waits. A sender does the same with each structure of its own.
//!
//! ```text
//! source   0···4   0·········11   12··16   0···4        ids go round at 64
//! added      0          5            5       22
//! leaves   0···4   5·········16   17··21   22··26
//! ```
//!
//! Who misses several in a row is safe until 64 ids have gone by.

use std::sync::Arc;

use crate::codec::dependency::{DependencyDescriptor, Structure};

const ID_MASK: u8 = 0x3F;

/// The structure of the newest packet that left, and what was added to its ids.
#[derive(Debug, Default)]
pub(super) struct Templates {
    last: Option<(Arc<Structure>, u8)>,
}

impl Templates {
    pub fn are_of(&self, structure: &Arc<Structure>) -> bool {
        self.last.as_ref().is_some_and(|(last, _)| Arc::ptr_eq(last, structure))
    }

    /// What is added to the ids of `structure`, with which a source begins. What means the same keeps its ids.
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

    /// The same where a source, to whose ids `added` is added, goes on with another structure. Mostly that stays, as its
    /// sender moves its ids on just so; not if a structure of it did not leave, or if the sender was made anew and begins
    /// at 0 again (libwebrtc's does after another codec).
    pub fn go_on(&mut self, frame: &DependencyDescriptor, added: u8) -> u8 {
        if frame.structure_attached {
            return self.begin(&frame.structure);
        }
        // The packet that brings it leaves late, as part of the run.
        self.last = Some((frame.structure.clone(), added));
        added
    }
}
