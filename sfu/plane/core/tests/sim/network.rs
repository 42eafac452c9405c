//! The network of a call: two links for each participant, links that several share, and what is in flight.
//!
//! ```text
//! the plane -> shared link, if any -> down[participant] -> participant
//! the plane <-  up[participant]   <- shared link, if any <- participant
//! ```

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use plane_core::time::{Duration, Instant};

use super::link::{Arrival, Dropped, Link, Pipe};
use super::random::Random;
use super::tcp::{Ack, Receiver, SEGMENT, Segment, Sender};

/// More than the datagrams of these handshakes have.
const HANDSHAKE: usize = 1_200;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    Up,
    Down,
}

/// A datagram on its way to or from a participant.
#[derive(Clone, Debug)]
pub struct Traveller {
    pub way: Way,
    pub participant: usize,
    pub datagram: Vec<u8>,
}

/// A link of several participants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SharedId(usize);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowId(usize);

pub struct Network {
    seed: u64,
    up: Vec<Path>,
    down: Vec<Path>,
    shared: Vec<(Link, Pipe)>,
    pub flows: Vec<Flow>,
    flights: BinaryHeap<Flight>,
    launched: u64,
    /// What became of each datagram at each link, if `traces` is set.
    pub trace: Vec<Traced>,
    pub traces: bool,
}

/// Time, way, participant, octets, outcome.
pub type Traced = (Instant, Way, usize, usize, Result<Arrival, Dropped>);

struct Path {
    pipe: Pipe,
    shared: Option<SharedId>,
}

/// Where a datagram in flight arrives.
#[derive(Clone)]
enum Place {
    /// At the participant's own link, behind the shared one.
    Link(Traveller),
    End(Traveller),
    /// At the receiver of a flow.
    Segment(FlowId, Segment),
    /// At the sender of a flow.
    Ack(FlowId, Ack),
}

/// A TCP flow through a shared link. Its acknowledgements are never lost.
pub struct Flow {
    pub sender: Sender,
    pub receiver: Receiver,
    shared: SharedId,
    /// From the receiver to the sender.
    ack_delay: Duration,
}

struct Flight {
    at: Instant,
    number: u64,
    place: Place,
}

impl Network {
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            up: Vec::new(),
            down: Vec::new(),
            shared: Vec::new(),
            flows: Vec::new(),
            flights: BinaryHeap::new(),
            launched: 0,
            trace: Vec::new(),
            traces: false,
        }
    }

    /// Adds the two links of a participant.
    pub fn add_participant(&mut self) {
        let index = self.up.len() as u64;
        let path = |number| Path { pipe: Pipe::new(Random::stream(self.seed, number)), shared: None };
        let (up, down) = (path(2 * index), path(2 * index + 1));
        self.up.push(up);
        self.down.push(down);
    }

    /// Adds a link for several participants.
    pub fn add_shared(&mut self, link: Link) -> SharedId {
        let number = u64::MAX - self.shared.len() as u64;
        self.shared.push((link, Pipe::new(Random::stream(self.seed, number))));
        SharedId(self.shared.len() - 1)
    }

    pub fn shared_mut(&mut self, id: SharedId) -> &mut Link {
        &mut self.shared[id.0].0
    }

    /// A participant's datagrams of one way go through this shared link, too.
    pub fn share(&mut self, way: Way, participant: usize, shared: SharedId) {
        self.path(way, participant).shared = Some(shared);
    }

    /// The state of a participant's own link.
    pub fn pipe(&self, way: Way, participant: usize) -> &Pipe {
        match way {
            Way::Up => &self.up[participant].pipe,
            Way::Down => &self.down[participant].pipe,
        }
    }

    /// The state of a shared link.
    pub fn shared_pipe(&self, id: SharedId) -> &Pipe {
        &self.shared[id.0].1
    }

    /// How long a datagram to or from a participant waits now in the queues before it.
    pub fn queue_delay(&self, way: Way, participant: usize, now: Instant) -> Duration {
        let path = if way == Way::Up { &self.up[participant] } else { &self.down[participant] };
        let shared = path.shared.map_or(Duration::ZERO, |shared| self.shared_pipe(shared).queue_delay(now));
        shared + path.pipe.queue_delay(now)
    }

    /// Sends a datagram. `link` is the participant's own one. False: it does not arrive.
    pub fn send(&mut self, traveller: Traveller, link: &Link, now: Instant) -> bool {
        let Some(shared) = self.path(traveller.way, traveller.participant).shared else {
            return self.pass(traveller, link, now);
        };
        let (link, pipe) = &mut self.shared[shared.0];
        let outcome = pipe.send(link, octets(&traveller.datagram), now);
        self.note(&traveller, outcome, now);
        self.launch(outcome, Place::Link(traveller), now)
    }

    /// Begins a bulk transfer through a shared link.
    pub fn add_flow(&mut self, shared: SharedId, ack_delay: Duration, now: Instant) -> FlowId {
        let (sender, receiver) = (Sender::new(), Receiver::default());
        self.flows.push(Flow { sender, receiver, shared, ack_delay });
        let id = FlowId(self.flows.len() - 1);
        self.transmit(id, now);
        id
    }

    pub fn flow(&self, id: FlowId) -> &Flow {
        &self.flows[id.0]
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let timers = self.flows.iter().filter_map(|flow| flow.sender.poll_timeout());
        timers.chain(self.flights.peek().map(|flight| flight.at)).min()
    }

    /// The next datagram that has arrived by now. `link` is the participant's own link of a way.
    pub fn poll_arrival(&mut self, link: impl Fn(Way, usize) -> Link, now: Instant) -> Option<Traveller> {
        for id in (0..self.flows.len()).map(FlowId) {
            if self.flows[id.0].sender.poll_timeout().is_some_and(|due| due <= now) {
                self.flows[id.0].sender.handle_timeout(now);
                self.transmit(id, now);
            }
        }
        while self.flights.peek().is_some_and(|flight| flight.at <= now) {
            let flight = self.flights.pop()?;
            match flight.place {
                Place::End(traveller) => return Some(traveller),
                Place::Link(traveller) => {
                    let link = link(traveller.way, traveller.participant);
                    self.pass(traveller, &link, flight.at);
                }
                Place::Segment(id, segment) => {
                    let flow = &mut self.flows[id.0];
                    let (ack, delay) = (flow.receiver.handle_segment(segment), flow.ack_delay);
                    self.fly(flight.at + delay, Place::Ack(id, ack));
                }
                Place::Ack(id, ack) => {
                    self.flows[id.0].sender.handle_ack(ack, flight.at);
                    self.transmit(id, flight.at);
                }
            }
        }
        None
    }

    /// Sends a datagram over the participant's own link.
    fn pass(&mut self, traveller: Traveller, link: &Link, now: Instant) -> bool {
        let pipe = &mut self.path(traveller.way, traveller.participant).pipe;
        let outcome = pipe.send(link, octets(&traveller.datagram), now);
        self.note(&traveller, outcome, now);
        self.launch(outcome, Place::End(traveller), now)
    }

    /// Sends what the window of a flow allows.
    fn transmit(&mut self, id: FlowId, now: Instant) {
        while let Some(segment) = self.flows[id.0].sender.poll_transmit(now) {
            let shared = self.flows[id.0].shared;
            let (link, pipe) = &mut self.shared[shared.0];
            let outcome = pipe.send(link, SEGMENT, now);
            self.launch(outcome, Place::Segment(id, segment), now);
        }
    }

    fn path(&mut self, way: Way, participant: usize) -> &mut Path {
        match way {
            Way::Up => &mut self.up[participant],
            Way::Down => &mut self.down[participant],
        }
    }

    fn note(&mut self, traveller: &Traveller, outcome: Result<Arrival, Dropped>, now: Instant) {
        if self.traces {
            self.trace.push((now, traveller.way, traveller.participant, traveller.datagram.len(), outcome));
        }
    }

    fn launch(&mut self, outcome: Result<Arrival, Dropped>, place: Place, now: Instant) -> bool {
        let Ok(arrival) = outcome else { return false };
        if let Some(at) = arrival.duplicate {
            self.fly(at.max(now), place.clone());
        }
        self.fly(arrival.at.max(now), place);
        true
    }

    fn fly(&mut self, at: Instant, place: Place) {
        self.launched += 1;
        self.flights.push(Flight { at, number: self.launched, place });
    }
}

/// The octets that a datagram takes on a link. Certificates and signatures have random lengths: with them a seed would not
/// decide when later datagrams arrive, so each datagram that may have one takes the same.
fn octets(datagram: &[u8]) -> usize {
    let is_handshake = datagram.first().is_some_and(|first| (20..=63).contains(first)) && datagram.len() > 256;
    if is_handshake { datagram.len().max(HANDSHAKE) } else { datagram.len() }
}

/// The greatest of a heap is the one that arrives first; of those, the one that was sent first.
impl Ord for Flight {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Flight {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Flight {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Flight {}
