//! Maps addresses and user fragments to transports.
//!
//! Both directions are stored, so that only the entries of a changed transport are visited. A peer that checks from one
//! new address after another therefore costs the same in a small and in a large worker.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use std::collections::HashMap;
use std::hash::Hash;

/// A map from keys to owners, and back. See the module.
pub struct Owners<K> {
    /// The transport's key in the slab, for each key.
    owners: HashMap<K, usize>,
    keys: HashMap<usize, Vec<K>>,
}

impl<K: Clone + Eq + Hash> Owners<K> {
    pub fn new() -> Self {
        Self { owners: HashMap::new(), keys: HashMap::new() }
    }

    pub fn get<Q: ?Sized + Eq + Hash>(&self, key: &Q) -> Option<usize>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.owners.get(key).copied()
    }

    /// Sets the owner of a key. Returns the former owner, if there was one.
    pub fn insert(&mut self, key: K, owner: usize) -> Option<usize> {
        let former = self.owners.insert(key.clone(), owner);
        if former == Some(owner) {
            return former;
        }
        if let Some(former) = former {
            self.drop_keys(former, |kept| *kept != key);
        }
        self.keys.entry(owner).or_default().push(key);
        former
    }

    /// Keeps only the keys of one owner for which `keep` is true.
    pub fn retain(&mut self, owner: usize, keep: impl Fn(&K) -> bool) {
        for gone in self.drop_keys(owner, keep) {
            self.owners.remove(&gone);
        }
    }

    pub fn remove(&mut self, owner: usize) {
        self.retain(owner, |_| false);
    }

    pub fn len(&self) -> usize {
        self.owners.len()
    }

    /// Removes the keys that are not kept from the owner's list, and returns them.
    fn drop_keys(&mut self, owner: usize, keep: impl Fn(&K) -> bool) -> Vec<K> {
        let Some(keys) = self.keys.get_mut(&owner) else { return Vec::new() };
        let (kept, gone) = std::mem::take(keys).into_iter().partition(|key| keep(key));
        *keys = kept;
        if keys.is_empty() {
            self.keys.remove(&owner);
        }
        gone
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Compares with a plain map that is searched.
        #[test]
        fn both_directions_agree(steps in proptest::collection::vec((0..4u8, 0..6u8, 0..4usize), 0..60)) {
            let (mut owners, mut plain) = (Owners::new(), HashMap::<u8, usize>::new());
            for (step, key, owner) in steps {
                match step {
                    0 => owners.remove(owner),
                    1 => owners.retain(owner, |&known| known > key),
                    _ => prop_assert_eq!(owners.insert(key, owner), plain.get(&key).copied()),
                }
                match step {
                    0 => plain.retain(|_, &mut of| of != owner),
                    1 => plain.retain(|&known, &mut of| of != owner || known > key),
                    _ => drop(plain.insert(key, owner)),
                }
                prop_assert_eq!(owners.len(), plain.len());
                for key in 0..6 {
                    prop_assert_eq!(owners.get(&key), plain.get(&key).copied());
                }
                let listed: usize = owners.keys.values().map(Vec::len).sum();
                prop_assert_eq!(listed, plain.len());
                prop_assert!(owners.keys.values().all(|keys| !keys.is_empty()));
            }
        }
    }
}
