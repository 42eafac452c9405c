//! Which worker owns the ICE user fragment of a connectivity check: kept from the commands of the application, for TCP
//! connections, which arrive at one port for all workers.

use std::collections::HashMap;

use plane_core::Command;

/// The last user fragments of a transport that lead to it: the current one, and the one before a restart, which a plane
/// accepts until the restart is done.
const KEPT: usize = 2;

/// The user fragments of all transports. Bounded by the number of transports.
#[derive(Debug, Default)]
pub struct Ufrags {
    /// The worker of each.
    workers: HashMap<String, usize>,
    /// Those of each transport, oldest first.
    of_transports: HashMap<u64, Vec<String>>,
}

impl Ufrags {
    /// The worker that owns a user fragment.
    pub fn worker(&self, ufrag: &str) -> Option<usize> {
        self.workers.get(ufrag).copied()
    }

    /// Follows a command for this worker.
    pub fn follow(&mut self, change: Change, worker: usize) {
        match change {
            Change::Add(transport, ufrag) => {
                let ufrags = self.of_transports.entry(transport).or_default();
                ufrags.retain(|known| *known != ufrag);
                ufrags.push(ufrag.clone());
                if ufrags.len() > KEPT {
                    self.workers.remove(&ufrags.remove(0));
                }
                self.workers.insert(ufrag, worker);
            }
            Change::Remove(id) => {
                for ufrag in self.of_transports.remove(&id).unwrap_or_default() {
                    self.workers.remove(&ufrag);
                }
            }
        }
    }
}

/// What a command changes for the user fragments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A transport has this one from now on.
    Add(u64, String),
    /// The object with this id is removed, perhaps a transport.
    Remove(u64),
}

impl Change {
    pub fn of(command: &Command) -> Option<Change> {
        match command {
            Command::AddTransport(spec) => Some(Change::Add(spec.id.0, spec.ice.local_ufrag.clone())),
            Command::RestartIce { transport, ice } => Some(Change::Add(transport.0, ice.local_ufrag.clone())),
            Command::Remove(id) => Some(Change::Remove(*id)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(ufrags: &mut Ufrags, transport: u64, ufrag: &str, worker: usize) {
        ufrags.follow(Change::Add(transport, ufrag.to_owned()), worker);
    }

    #[test]
    fn a_restart_keeps_the_fragment_before_and_no_older_one() {
        let mut ufrags = Ufrags::default();
        for ufrag in ["a", "b", "c", "c"] {
            add(&mut ufrags, 1, ufrag, 3);
        }
        let found = ["a", "b", "c"].map(|ufrag| ufrags.worker(ufrag));
        assert_eq!(found, [None, Some(3), Some(3)]);
    }

    #[test]
    fn nothing_is_left_of_a_removed_transport() {
        let mut ufrags = Ufrags::default();
        add(&mut ufrags, 1, "a", 0);
        add(&mut ufrags, 1, "b", 0);
        add(&mut ufrags, 2, "x", 1);
        ufrags.follow(Change::Remove(9), 0);
        ufrags.follow(Change::Remove(1), 0);
        assert_eq!((ufrags.worker("a"), ufrags.worker("b"), ufrags.worker("x")), (None, None, Some(1)));
        ufrags.follow(Change::Remove(2), 1);
        assert!(ufrags.workers.is_empty() && ufrags.of_transports.is_empty());
    }
}
