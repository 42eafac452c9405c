//! Where the application and the workers leave each other letters: commands in, events out. Both sides are woken
//! through a file descriptor, which is written only when the box was empty: a wake costs far more than a letter.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use plane_core::event::ChannelState;
use plane_core::id::{ChannelId, PEER_OPENED, SlotId, TrackId, TransportId};
use plane_core::{Command, Event};

/// What a worker is told.
#[derive(Debug)]
pub enum Note {
    Command(Command),
    /// The messages that filled the ring of this transport have been read.
    Drained(TransportId),
    Close,
}

/// What the application reads.
#[derive(Clone, PartialEq, Debug)]
pub enum News {
    Event(Event),
    /// Its thread panicked: nothing it carried moves any more, and the process should end.
    WorkerFailed {
        worker: usize,
        reason: String,
    },
}

/// The commands of one worker, in order.
pub struct Inbox {
    /// None once the worker has ended: then nobody would ever read them.
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

    /// Swaps what is there with `notes`, which must be empty.
    pub fn take(&self, notes: &mut Vec<Note>) {
        debug_assert!(notes.is_empty());
        self.wake.clear();
        if let Some(waiting) = lock(&self.notes).as_mut() {
            std::mem::swap(waiting, notes);
        }
    }

    /// From now on notes are dropped.
    pub fn close(&self) {
        lock(&self.notes).take();
    }
}

impl AsRawFd for Inbox {
    fn as_raw_fd(&self) -> RawFd {
        self.wake.as_raw_fd()
    }
}

/// The events of all workers. All but messages are state, of which the newest per key is kept: so the box is bounded by
/// the number of things that exist, and a reader that stalled returns to the present.
pub struct Outbox {
    letters: Mutex<Letters>,
    wake: Wake,
    /// Messages per transport that may wait here before it is told to hold them back.
    ring: usize,
}

/// What came of leaving an event in the [`Outbox`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Left {
    /// The reader has to be woken: the box was empty.
    pub wake: bool,
    /// The ring of this transport is full: its messages are to be held back until [`Note::Drained`].
    pub full: Option<TransportId>,
}

#[derive(Default)]
struct Letters {
    /// By number, so that they are read in the order they came in.
    letters: BTreeMap<u64, News>,
    next: u64,
    /// The number of the letter that a newer one with the same key replaces.
    newest: HashMap<Key, u64>,
    messages: HashMap<TransportId, usize>,
}

/// What a piece of state is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Key {
    Transport(TransportId),
    Layers(TrackId),
    Switched(SlotId),
    Refused(SlotId),
    /// Of one worker.
    AudioLevels(usize),
    Channel(ChannelId),
    Buffered(ChannelId),
}

impl Outbox {
    pub fn new(ring: usize) -> io::Result<Outbox> {
        Ok(Outbox { letters: Mutex::default(), wake: Wake::new()?, ring: ring.max(1) })
    }

    /// Leaves an event of a worker. The caller wakes the reader when it has no more to leave, by [`Outbox::wake`].
    pub fn push(&self, worker: usize, event: Event) -> Left {
        let mut letters = lock(&self.letters);
        let wake = letters.letters.is_empty();
        let full = match &event {
            Event::Message { transport, channel, .. } => {
                // What was said of the channel before stays before it: the state that a message follows is pinned.
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

    /// The last thing said of a worker.
    pub fn fail(&self, worker: usize, reason: String) {
        lock(&self.letters).append(None, News::WorkerFailed { worker, reason });
        self.wake();
    }

    pub fn wake(&self) {
        self.wake.set();
    }

    /// Everything, in order, and the transports whose ring was full: they may go on.
    pub fn take(&self) -> (Vec<News>, Vec<TransportId>) {
        // Before the letters: one that comes in between wakes the reader once too often, never once too little.
        self.wake.clear();
        let Letters { letters, messages, .. } = {
            let mut letters = lock(&self.letters);
            let next = letters.next;
            std::mem::replace(&mut *letters, Letters { next, ..Letters::default() })
        };
        let drained = messages.into_iter().filter(|&(_, waiting)| waiting >= self.ring).map(|(transport, _)| transport);
        (letters.into_values().collect(), drained.collect())
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

    /// The peer opened it, and the application has not read so yet. Its id is never used again, so that a peer that
    /// opens and closes channels while the application stalls would else fill the box.
    fn is_unheard_of(&self, channel: ChannelId) -> bool {
        let opened = self.newest.get(&Key::Channel(channel)).and_then(|number| self.letters.get(number));
        let is_open = matches!(opened, Some(News::Event(Event::ChannelState { state: ChannelState::Open, .. })));
        channel.0 & PEER_OPENED != 0 && is_open
    }
}

fn key(worker: usize, event: &Event) -> Option<Key> {
    match event {
        Event::TransportState { transport, .. } => Some(Key::Transport(*transport)),
        Event::Layers { track, .. } => Some(Key::Layers(*track)),
        Event::Switched { slot, .. } => Some(Key::Switched(*slot)),
        Event::Refused { slot, .. } => Some(Key::Refused(*slot)),
        Event::AudioLevels(_) => Some(Key::AudioLevels(worker)),
        Event::ChannelState { channel, .. } => Some(Key::Channel(*channel)),
        Event::Buffered { channel, .. } => Some(Key::Buffered(*channel)),
        Event::Message { .. } => None,
    }
}

/// An eventfd: readable from `set` until `clear`.
struct Wake(OwnedFd);

impl Wake {
    fn new() -> io::Result<Wake> {
        // SAFETY: takes no pointers; the descriptor is new and nobody else's.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(Wake(unsafe { OwnedFd::from_raw_fd(fd) })) }
    }

    /// Fails only if it is set 2^64 times without being cleared, and then it is readable all the same.
    fn set(&self) {
        let one = 1_u64;
        // SAFETY: eight octets, as an eventfd wants them.
        unsafe { libc::write(self.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    /// Fails only if it is not set.
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

/// A panic elsewhere leaves these boxes whole: nothing in here panics half way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
