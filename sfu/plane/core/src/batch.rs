//! Outgoing datagrams in one buffer, grouped into messages that the socket layer sends with one call each.

use std::ops::Range;

use crate::command::Path;

/// Adjacent datagrams to one peer. Each has `segment` octets, the last may be shorter (UDP_SEGMENT).
#[derive(Clone, Debug)]
pub struct Message {
    /// The destination, and the local address that it is sent from.
    pub path: Path,
    /// Its position in the buffer.
    pub range: Range<usize>,
    /// Octets of each datagram except the last.
    pub segment: usize,
}

impl Message {
    /// The number of datagrams.
    pub fn segments(&self) -> usize {
        self.range.len().div_ceil(self.segment.max(1))
    }
}

/// A buffer that `Plane::poll_transmit` fills. The caller sends it, clears it and passes it again; its memory is
/// reused.
pub struct Batch {
    buffer: Box<[u8]>,
    used: usize,
    datagrams: usize,
    messages: Vec<Message>,
}

/// The batch has no space for the datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// Room for sixteen datagrams of 1,200 octets to eight subscribers; more gains nothing.
const CAPACITY: usize = 192 * 1024;
/// The kernel takes 64 segments and 65,507 octets a message (UDP_MAX_SEGMENTS); half of the segments keep bursts short.
const MAX_SEGMENTS: usize = 32;
const MAX_MESSAGE: usize = 60_000;

impl Default for Batch {
    fn default() -> Self {
        Self { buffer: vec![0; CAPACITY].into_boxed_slice(), used: 0, datagrams: 0, messages: Vec::new() }
    }
}

impl Batch {
    /// True if `octets` more fit.
    pub fn has_room(&self, octets: usize) -> bool {
        self.buffer.len() - self.used >= octets
    }

    /// The free space. The next datagram is written to its front, then added by [`Batch::push`].
    pub fn space(&mut self) -> &mut [u8] {
        &mut self.buffer[self.used..]
    }

    /// Adds the first `length` octets of the space as a datagram for `path`, to the last message if possible. An empty
    /// datagram is ignored.
    ///
    /// # Errors
    /// `Full` if the space is shorter. Nothing is added then.
    pub fn push(&mut self, path: Path, length: usize) -> Result<(), Full> {
        if !self.has_room(length) {
            return Err(Full);
        }
        if length == 0 {
            return Ok(());
        }
        let start = self.used;
        self.used += length;
        self.datagrams += 1;
        if let Some(last) = self.messages.last_mut()
            && last.path == path
            && length <= last.segment
            && last.range.len() % last.segment == 0
            && last.segments() < MAX_SEGMENTS
            && last.range.len() + length <= MAX_MESSAGE
        {
            last.range.end = self.used;
            return Ok(());
        }
        self.messages.push(Message { path, range: start..self.used, segment: length });
        Ok(())
    }

    /// Adds a datagram that was written elsewhere.
    ///
    /// # Errors
    /// `Full` if there is no space for it. Nothing is added then.
    pub fn copy(&mut self, path: Path, datagram: &[u8]) -> Result<(), Full> {
        self.space().get_mut(..datagram.len()).ok_or(Full)?.copy_from_slice(datagram);
        self.push(path, datagram.len())
    }

    /// The messages, each with its adjacent datagrams.
    pub fn messages(&self) -> impl Iterator<Item = (&Message, &[u8])> {
        self.messages.iter().map(|message| (message, &self.buffer[message.range.clone()]))
    }

    /// The number of datagrams, and their octets.
    pub fn totals(&self) -> (usize, usize) {
        (self.datagrams, self.used)
    }

    /// True if it holds no datagram.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Empties the batch after it was sent.
    pub fn clear(&mut self) {
        self.used = 0;
        self.datagrams = 0;
        self.messages.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> Path {
        Path::udp(([127, 0, 0, 1], 7882).into(), ([127, 0, 0, 1], port).into())
    }

    fn shape(batch: &Batch) -> Vec<(u16, usize, usize)> {
        batch.messages().map(|(m, _)| (m.path.remote.port(), m.segments(), m.range.len())).collect()
    }

    #[test]
    fn equal_datagrams_to_one_peer_become_one_message_that_a_shorter_one_ends() {
        let mut batch = Batch::default();
        for (port, length) in [(1, 100), (1, 100), (1, 60), (1, 60), (2, 60), (1, 60), (1, 61)] {
            batch.push(path(port), length).unwrap();
        }
        assert_eq!(shape(&batch), [(1, 3, 260), (1, 1, 60), (2, 1, 60), (1, 1, 60), (1, 1, 61)]);
    }

    #[test]
    fn a_message_holds_no_more_than_the_kernel_takes_at_once() {
        let mut batch = Batch::default();
        for _ in 0..40 {
            batch.push(path(1), 1_200).unwrap();
        }
        assert_eq!(shape(&batch), [(1, 32, 38_400), (1, 8, 9_600)]);
    }

    #[test]
    fn what_does_not_fit_is_refused_and_what_is_there_stays() {
        let mut batch = Batch::default();
        while batch.has_room(1_000) {
            batch.copy(path(1), &[7; 1_000]).unwrap();
        }
        let left = batch.space().len();
        let before = shape(&batch);
        assert_eq!(batch.copy(path(2), &vec![8; left + 1]), Err(Full));
        assert_eq!(batch.push(path(2), left + 1), Err(Full));
        assert_eq!(shape(&batch), before);
        assert_eq!(batch.copy(path(2), &vec![8; left]), Ok(()));
        assert_eq!(batch.copy(path(2), &[8]), Err(Full));
        assert!(batch.messages().all(|(message, bytes)| bytes.len() == message.range.len()));
    }

    #[test]
    fn an_empty_datagram_is_none() {
        let mut batch = Batch::default();
        batch.push(path(1), 0).unwrap();
        batch.copy(path(1), &[]).unwrap();
        assert!(batch.is_empty());
    }
}
