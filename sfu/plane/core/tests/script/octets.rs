//! Choices, read from the input of a fuzzer. Any octets are valid; None: they are used up.

pub struct Octets<'a>(pub &'a [u8]);

impl<'a> Octets<'a> {
    pub fn octet(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    pub fn short(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.octet()?, self.octet()?]))
    }

    pub fn long(&mut self) -> Option<u32> {
        Some(u32::from(self.short()?) << 16 | u32::from(self.short()?))
    }

    /// Below `limit`, which is above 0.
    pub fn below(&mut self, limit: usize) -> Option<usize> {
        Some(usize::from(self.octet()?) % limit)
    }

    pub fn flag(&mut self) -> Option<bool> {
        Some(self.octet()? & 1 == 1)
    }

    pub fn pick<T: Copy>(&mut self, among: &[T]) -> Option<T> {
        if among.is_empty() {
            return None;
        }
        Some(among[self.below(among.len())?])
    }

    /// Up to `most` octets, after their number.
    pub fn some(&mut self, most: usize) -> Option<&'a [u8]> {
        let length = usize::from(self.octet()?).min(most).min(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(taken)
    }

    /// The items whose bit is set.
    pub fn subset<T: Copy>(&mut self, all: &[T]) -> Option<Vec<T>> {
        let bits = self.short()?;
        Some(all.iter().enumerate().filter(|(at, _)| bits >> (at & 15) & 1 == 1).map(|(_, &one)| one).collect())
    }
}
