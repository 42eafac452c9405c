//! The mailboxes between the application and the workers: commands in, events out. Each side is woken through a file
//! descriptor, which is written only if the box was empty, because a wake-up costs far more than an entry.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use plane_core::event::ChannelState;
use plane_core::id::{ChannelId, PEER_OPENED, SlotId, TrackId, TransportId};
use plane_core::{Command, Event};

use crate::tcp::links::Accepted;
use crate::trace::Line;

/// An entry in the inbox of a worker.
#[derive(Debug)]
pub enum Note {
    Command(Command),
    /// The application has read the messages that filled the ring of this transport.
    Drained(TransportId),
    /// A TCP connection that begins with a check for a transport of this worker.
    Connection(Accepted),
    Close,
}

/// An entry in the outbox, for the application.
#[derive(Clone, PartialEq, Debug)]
pub enum News {
    Event(Event),
    /// A line for the log.
    Trace(Line),
    /// The number of lines that exceeded a limit since the last report.
    TraceDropped(u64),
    /// The worker's thread panicked or failed. It no longer forwards anything, and the process should end.
    WorkerFailed {
        worker: usize,
        reason: String,
    },
}

/// The inbox of one worker: its commands, in order.
pub struct Inbox {
    /// `None` once the worker has ended, because nobody would read the entries.
    notes: Mutex<Option<Vec<Note>>>,
    wake: Wake,
}

impl Inbox {
    pub fn new() -> io::Result<Inbox> {
        Ok(Inbox { notes: Mutex::new(Some(Vec::new())), wake: Wake::new()? })
    }

    pub fn push(&self, note: Note) {
        let was_empty = match lock(&self.notes).as_mut() {
            None => return,
            Some(notes) => {
                notes.push(note);
                notes.len() == 1
            }
        };
        if was_empty {
            self.wake.set();
        }
    }

    /// Swaps the waiting notes with `notes`, which must be empty.
    pub fn take(&self, notes: &mut Vec<Note>) {
        debug_assert!(notes.is_empty());
        self.wake.clear();
        if let Some(waiting) = lock(&self.notes).as_mut() {
            std::mem::swap(waiting, notes);
        }
    }

    /// Drops all notes from now on.
    pub fn close(&self) {
        lock(&self.notes).take();
    }
}

impl AsRawFd for Inbox {
    fn as_raw_fd(&self) -> RawFd {
        self.wake.as_raw_fd()
    }
}

/// The events of all workers. Except for messages, only the newest event per key is kept. So the number of existing
/// transports, tracks, slots and channels bounds the box, and a reader that stalled gets the present state.
pub struct Outbox {
    letters: Mutex<Letters>,
    wake: Wake,
    /// Messages per transport that may wait here before the worker holds them back.
    ring: usize,
}

/// The result of adding an event to the [`Outbox`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Left {
    /// The box was empty, so the reader must be woken.
    pub wake: bool,
    /// The ring of this transport is full: the worker holds its messages back until [`Note::Drained`].
    pub full: Option<TransportId>,
}

#[derive(Default)]
struct Letters {
    /// Keyed by number, so that they are read in order of arrival.
    letters: BTreeMap<u64, News>,
    next: u64,
    /// The newest entry of each key. A newer entry with the same key replaces it.
    newest: HashMap<Key, u64>,
    messages: HashMap<TransportId, usize>,
    /// Lines for the log that wait, and the number that was dropped.
    lines: usize,
    dropped_lines: u64,
}

/// Identifies the state that an event describes. A newer event with the same key replaces it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Key {
    Transport(TransportId),
    Estimate(TransportId),
    Layers(TrackId),
    Switched(SlotId),
    Refused(SlotId),
    /// The levels that one worker reports.
    AudioLevels(usize),
    Channel(ChannelId),
    Buffered(ChannelId),
}

impl Outbox {
    pub fn new(ring: usize) -> io::Result<Outbox> {
        Ok(Outbox { letters: Mutex::default(), wake: Wake::new()?, ring: ring.max(1) })
    }

    /// Adds an event of a worker. The caller calls [`Outbox::wake`] after its last event if the reader must be woken.
    pub fn push(&self, worker: usize, event: Event) -> Left {
        let mut letters = lock(&self.letters);
        let wake = letters.letters.is_empty();
        let full = match &event {
            Event::Message { transport, channel, .. } => {
                // Earlier channel events must stay before this message, so the last state is no longer replaced.
                letters.newest.remove(&Key::Channel(*channel));
                let waiting = letters.messages.entry(*transport).or_default();
                *waiting += 1;
                let full = (*waiting >= self.ring).then_some(*transport);
                letters.append(None, News::Event(event));
                full
            }
            Event::ChannelState { channel, state: ChannelState::Closed, .. } if letters.is_unheard_of(*channel) => {
                letters.forget(Key::Channel(*channel));
                letters.forget(Key::Buffered(*channel));
                None
            }
            _ => {
                letters.append(key(worker, &event), News::Event(event));
                None
            }
        };
        Left { wake: wake && !letters.letters.is_empty(), full }
    }

    /// Adds the failure of a worker, which is its last event, and wakes the reader.
    pub fn fail(&self, worker: usize, reason: String) {
        lock(&self.letters).append(None, News::WorkerFailed { worker, reason });
        self.wake();
    }

    /// Adds a line for the log, unless `most` wait, and wakes the reader if it must be woken.
    pub fn push_line(&self, line: Line, most: usize) {
        let mut letters = lock(&self.letters);
        if letters.lines >= most {
            letters.dropped_lines += 1;
            return;
        }
        let wake = letters.letters.is_empty();
        letters.lines += 1;
        letters.append(None, News::Trace(line));
        drop(letters);
        if wake {
            self.wake();
        }
    }

    /// Counts a line that was dropped before it was made.
    pub fn drop_line(&self) {
        lock(&self.letters).dropped_lines += 1;
    }

    pub fn wake(&self) {
        self.wake.set();
    }

    /// Takes all events, in order, and the transports whose ring was full, which may continue.
    pub fn take(&self) -> (Vec<News>, Vec<TransportId>) {
        // Clear before reading: an event that arrives in between then wakes the reader once too often, never once too
        // few.
        self.wake.clear();
        let Letters { letters, messages, dropped_lines, .. } = {
            let mut letters = lock(&self.letters);
            let next = letters.next;
            std::mem::replace(&mut *letters, Letters { next, ..Letters::default() })
        };
        let drained = messages.into_iter().filter(|&(_, waiting)| waiting >= self.ring).map(|(transport, _)| transport);
        let dropped = (dropped_lines > 0).then_some(News::TraceDropped(dropped_lines));
        (letters.into_values().chain(dropped).collect(), drained.collect())
    }
}

impl AsRawFd for Outbox {
    fn as_raw_fd(&self) -> RawFd {
        self.wake.as_raw_fd()
    }
}

impl Letters {
    fn append(&mut self, key: Option<Key>, news: News) {
        let number = self.next;
        self.next += 1;
        self.letters.insert(number, news);
        if let Some(key) = key
            && let Some(older) = self.newest.insert(key, number)
        {
            self.letters.remove(&older);
        }
    }

    fn forget(&mut self, key: Key) {
        if let Some(number) = self.newest.remove(&key) {
            self.letters.remove(&number);
        }
    }

    /// True if the peer opened the channel and the application has not read that event yet. Channel ids are never
    /// reused, so otherwise a peer that opens and closes channels while the application stalls would fill the box.
    fn is_unheard_of(&self, channel: ChannelId) -> bool {
        let opened = self.newest.get(&Key::Channel(channel)).and_then(|number| self.letters.get(number));
        let is_open = matches!(opened, Some(News::Event(Event::ChannelState { state: ChannelState::Open, .. })));
        channel.0 & PEER_OPENED != 0 && is_open
    }
}

fn key(worker: usize, event: &Event) -> Option<Key> {
    match event {
        Event::TransportState { transport, .. } => Some(Key::Transport(*transport)),
        Event::Estimate { transport, .. } => Some(Key::Estimate(*transport)),
        Event::Layers { track, .. } => Some(Key::Layers(*track)),
        Event::Switched { slot, .. } => Some(Key::Switched(*slot)),
        Event::Refused { slot, .. } => Some(Key::Refused(*slot)),
        Event::AudioLevels(_) => Some(Key::AudioLevels(worker)),
        Event::ChannelState { channel, .. } => Some(Key::Channel(*channel)),
        Event::Buffered { channel, .. } => Some(Key::Buffered(*channel)),
        Event::Message { .. } | Event::Captured { .. } => None,
    }
}

/// An eventfd: readable from `set` until `clear`.
struct Wake(OwnedFd);

impl Wake {
    fn new() -> io::Result<Wake> {
        // SAFETY: takes no pointers; the descriptor is new and has no other owner.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(Wake(unsafe { OwnedFd::from_raw_fd(fd) })) }
    }

    /// Makes the descriptor readable. Fails only after 2^64 calls without `clear`; it is readable then anyway.
    fn set(&self) {
        let one = 1_u64;
        // SAFETY: eight octets, as an eventfd wants them.
        unsafe { libc::write(self.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    /// Makes the descriptor not readable. Fails only if it is not set.
    fn clear(&self) {
        let mut count = 0_u64;
        // SAFETY: eight octets, as an eventfd wants them.
        unsafe { libc::read(self.as_raw_fd(), (&raw mut count).cast(), 8) };
    }
}

impl AsRawFd for Wake {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Ignores poisoning: no code that holds the lock can panic halfway through a change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
