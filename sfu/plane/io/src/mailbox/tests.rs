//! Events of a few workers, and a reader that is sometimes slow.

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
        other => panic!("not an event: {other:?}"),
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
