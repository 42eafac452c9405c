//! Which packet has which number, for feedback that names packets by SSRC and sequence number (RFC 8888).

use std::collections::{HashMap, VecDeque};

use crate::limits::SENT_NUMBERS;

/// SSRC and sequence number.
type Name = (u32, u16);

/// The names of the last packets.
#[derive(Clone, Debug, Default)]
pub struct Names {
    numbers: HashMap<Name, u16>,
    /// In the order in which they were sent.
    names: VecDeque<(Name, u16)>,
}

impl Names {
    /// Octets of the names.
    pub fn memory(&self) -> usize {
        self.names.capacity() * size_of::<(Name, u16)>() + self.numbers.capacity() * (size_of::<(Name, u16)>() + 1)
    }

    /// Records the name of a packet. `kept`: of so many packets, this one included, the numbers are remembered.
    pub fn insert(&mut self, name: Name, number: u16, kept: usize) {
        self.names.push_back((name, number));
        self.numbers.insert(name, number);
        while self.names.len() > kept.min(SENT_NUMBERS) {
            let Some((name, number)) = self.names.pop_front() else { return };
            if self.numbers.get(&name) == Some(&number) {
                self.numbers.remove(&name);
            }
        }
    }

    /// The number of a packet, if it is remembered.
    pub fn number(&self, name: Name) -> Option<u16> {
        self.numbers.get(&name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_names_are_remembered_and_a_name_may_return() {
        let mut names = Names::default();
        for number in 0..10 {
            names.insert((7, 100 + number), number, 4);
        }
        let found: Vec<_> = (100..110).map(|sequence| names.number((7, sequence))).collect();
        assert_eq!(found[..6], [None; 6]);
        assert_eq!(found[6..], [Some(6), Some(7), Some(8), Some(9)]);
        assert_eq!(names.number((8, 109)), None, "another SSRC");
        // 2^16 packets later.
        names.insert((7, 107), 10, 4);
        names.insert((7, 110), 11, 3);
        assert_eq!((names.number((7, 107)), names.number((7, 108))), (Some(10), None));
        assert!(names.names.len() <= 4 && names.numbers.len() <= 4);
    }
}
