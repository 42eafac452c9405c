//! Collects the requests of one RTCP datagram, each once: a datagram of 2,000 octets can name 8,500 packets, or request
//! the same keyframe 500 times.

/// Cleared for each datagram; its memory is reused.
pub struct Asked {
    /// The slot whose lost packets are in `numbers`, one bit each.
    slot: Option<usize>,
    numbers: Box<[u64; 1024]>,
    /// The slots that need a keyframe.
    pictures: Vec<usize>,
}

impl Default for Asked {
    fn default() -> Self {
        Self { slot: None, numbers: Box::new([0; 1024]), pictures: Vec::new() }
    }
}

impl Asked {
    pub fn clear(&mut self) {
        self.slot = None;
        self.pictures.clear();
    }

    /// The packets that follow are requested for this slot.
    pub fn begin(&mut self, slot: usize) {
        if self.slot != Some(slot) {
            self.slot = Some(slot);
            self.numbers.fill(0);
        }
    }

    /// Returns true the first time.
    pub fn packet(&mut self, number: u16) -> bool {
        let (word, bit) = (usize::from(number >> 6), 1 << (number & 63));
        let first = self.numbers[word] & bit == 0;
        self.numbers[word] |= bit;
        first
    }

    pub fn picture(&mut self, slot: usize) {
        insert(&mut self.pictures, slot);
    }

    /// Returns one of the slots that need a keyframe, each once.
    pub fn poll_picture(&mut self) -> Option<usize> {
        self.pictures.pop()
    }
}

/// Inserts into a sorted list, unless it is there.
fn insert(sorted: &mut Vec<usize>, key: usize) {
    if let Err(place) = sorted.binary_search(&key) {
        sorted.insert(place, key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_asked_for_once() {
        let mut asked = Asked::default();
        asked.begin(3);
        assert_eq!([7, 7, 65_535, 0, 65_535].map(|number| asked.packet(number)), [true, false, true, true, false]);
        asked.begin(3);
        assert!(!asked.packet(7));
        asked.begin(4);
        assert!(asked.packet(7), "another slot's");
        [5, 2, 5, 5].into_iter().for_each(|slot| asked.picture(slot));
        assert_eq!([asked.poll_picture(), asked.poll_picture(), asked.poll_picture()], [Some(5), Some(2), None]);
    }
}
