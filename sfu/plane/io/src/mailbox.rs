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
mod tests {
    use plane_core::event::TransportState;

    use super::*;

    const RING: usize = 3;

    fn outbox() -> Outbox {
        Outbox::new(RING).unwrap()
    }

    fn is_readable(fd: &impl AsRawFd) -> bool {
        let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        unsafe { libc::poll(&mut poll, 1, 0) == 1 }
    }

    fn state(transport: u64, state: TransportState) -> Event {
        Event::TransportState { transport: TransportId(transport), state, reason: "" }
    }

    fn message(transport: u64, channel: u64, text: &str) -> Event {
        let (transport, channel) = (TransportId(transport), ChannelId(channel));
        Event::Message { transport, channel, payload: text.into(), text: true }
    }

    fn channel(channel: u64, state: ChannelState) -> Event {
        let (transport, channel) = (TransportId(1), ChannelId(channel));
        Event::ChannelState { transport, channel, state, label: "chat".into(), protocol: String::new(), reason: "" }
    }

    fn events(outbox: &Outbox) -> Vec<Event> {
        let event = |news| match news {
            News::Event(event) => event,
            News::WorkerFailed { .. } => panic!("no worker failed"),
        };
        outbox.take().0.into_iter().map(event).collect()
    }

    #[test]
    fn of_state_the_newest_per_key_is_read_in_the_order_of_its_coming() {
        let outbox = outbox();
        outbox.push(0, state(1, TransportState::Connected));
        outbox.push(0, state(2, TransportState::Connected));
        outbox.push(0, state(1, TransportState::Disconnected));
        outbox.push(0, Event::AudioLevels(vec![(TrackId(1), [30; 5])]));
        outbox.push(1, Event::AudioLevels(vec![(TrackId(2), [40; 5])]));
        outbox.push(0, Event::AudioLevels(vec![(TrackId(1), [20; 5])]));
        let expected = [
            state(2, TransportState::Connected),
            state(1, TransportState::Disconnected),
            Event::AudioLevels(vec![(TrackId(2), [40; 5])]),
            Event::AudioLevels(vec![(TrackId(1), [20; 5])]),
        ];
        assert_eq!(events(&outbox), expected);
        assert_eq!(events(&outbox), []);
    }

    #[test]
    fn a_stalled_reader_costs_no_memory_for_state() {
        let outbox = outbox();
        for i in 0..10_000 {
            outbox.push(0, state(i % 7, TransportState::Connected));
        }
        assert_eq!(lock(&outbox.letters).newest.len(), 7);
        assert_eq!(events(&outbox).len(), 7);
    }

    #[test]
    fn every_message_is_kept_and_stands_behind_the_opening_of_its_channel() {
        let outbox = outbox();
        let expected =
            [channel(5, ChannelState::Open), message(1, 5, "a"), message(1, 5, "b"), channel(5, ChannelState::Closed)];
        for event in expected.clone() {
            outbox.push(0, event);
        }
        assert_eq!(events(&outbox), expected);
    }

    #[test]
    fn a_channel_that_a_peer_opened_and_closed_unseen_is_not_spoken_of() {
        let outbox = outbox();
        outbox.push(0, channel(PEER_OPENED | 1, ChannelState::Open));
        outbox.push(0, Event::Buffered { channel: ChannelId(PEER_OPENED | 1), octets: 9 });
        outbox.push(0, channel(PEER_OPENED | 1, ChannelState::Closed));
        outbox.push(0, channel(5, ChannelState::Open));
        outbox.push(0, channel(5, ChannelState::Closed));
        assert_eq!(events(&outbox), [channel(5, ChannelState::Closed)]);

        outbox.push(0, channel(PEER_OPENED | 2, ChannelState::Open));
        events(&outbox);
        outbox.push(0, channel(PEER_OPENED | 2, ChannelState::Closed));
        assert_eq!(events(&outbox), [channel(PEER_OPENED | 2, ChannelState::Closed)]);
    }

    #[test]
    fn a_full_ring_holds_its_transport_until_it_is_read() {
        let outbox = outbox();
        let full: Vec<_> = (0..4).map(|_| outbox.push(0, message(1, 5, "x")).full).collect();
        assert_eq!(full, [None, None, Some(TransportId(1)), Some(TransportId(1))]);
        assert_eq!(outbox.push(0, message(2, 6, "y")).full, None);
        let (news, drained) = outbox.take();
        assert_eq!((news.len(), drained), (5, vec![TransportId(1)]));
        assert_eq!(outbox.push(0, message(1, 5, "x")).full, None);
        assert_eq!(outbox.take().1, []);
    }

    #[test]
    fn the_reader_is_woken_only_when_the_box_was_empty() {
        let outbox = outbox();
        assert!(outbox.push(0, state(1, TransportState::Connected)).wake);
        assert!(!outbox.push(0, state(1, TransportState::Disconnected)).wake);
        assert!(!outbox.push(0, state(2, TransportState::Connected)).wake);
        assert!(!is_readable(&outbox));
        outbox.wake();
        assert!(is_readable(&outbox));
        outbox.take();
        assert!(!is_readable(&outbox));
        assert!(outbox.push(0, state(1, TransportState::Connected)).wake);
    }

    #[test]
    fn a_failure_is_read_last_and_wakes() {
        let outbox = outbox();
        outbox.push(1, state(1, TransportState::Connected));
        outbox.fail(1, "index out of bounds".into());
        assert!(is_readable(&outbox));
        let (news, _) = outbox.take();
        assert_eq!(news[1], News::WorkerFailed { worker: 1, reason: "index out of bounds".into() });
    }

    #[test]
    fn commands_come_in_order_and_wake_the_worker_once() {
        let inbox = Inbox::new().unwrap();
        for id in 0..3 {
            inbox.push(Note::Command(Command::Remove(id)));
        }
        let mut count = 0_u64;
        unsafe { libc::read(inbox.as_raw_fd(), (&raw mut count).cast(), 8) };
        assert_eq!(count, 1);
        let mut notes = Vec::new();
        inbox.take(&mut notes);
        let ids: Vec<_> =
            notes.drain(..).map(|note| matches!(note, Note::Command(Command::Remove(id)) if id < 3)).collect();
        assert_eq!(ids, [true, true, true]);
        inbox.push(Note::Close);
        assert!(is_readable(&inbox));
    }

    #[test]
    fn nothing_piles_up_for_a_worker_that_has_ended() {
        let inbox = Inbox::new().unwrap();
        inbox.push(Note::Close);
        inbox.close();
        inbox.push(Note::Close);
        let mut notes = Vec::new();
        inbox.take(&mut notes);
        assert!(notes.is_empty());
    }
}
