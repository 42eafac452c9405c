//! Two ends of an association in virtual time, joined by a seeded link that loses, delays and reorders.

mod channels;
mod hostile;
mod messages;

use std::collections::BTreeMap;

use super::{Data, Event, PeerIds};
use crate::command::{ChannelSpec, DtlsRole, Reliability, SctpSpec};
use crate::config::DataLimits;
use crate::discard::Discard;
use crate::id::{ChannelId, PEER_OPENED, TransportId};
use crate::time::{Duration, Instant, ms};

const PEER: usize = 0;
const SERVER: usize = 1;
const KINDS: [Reliability; 3] = [Reliability::Reliable, Reliability::Retransmits(3), Reliability::Lifetime(900)];

/// A linear congruential generator: the upper half of its state is random enough for a link.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

struct Pair {
    now: Instant,
    ends: [Data; 2],
    /// Packets in flight to each end, by arrival.
    wires: [BTreeMap<(Instant, u64), Vec<u8>>; 2],
    /// Percent.
    loss: u64,
    random: Random,
    packets: u64,
    events: [Vec<Event>; 2],
    discards: [Vec<Discard>; 2],
}

impl Pair {
    /// The peer is a browser with its own limits.
    fn new(loss: u64, seed: u64) -> Self {
        let start = Instant::now();
        let browser = DataLimits {
            channels: 1_000,
            message: 256 * 1024,
            messages_per_second: 1_000_000,
            message_burst: 1_000_000,
            buffered: 16 << 20,
            ..DataLimits::default()
        };
        let spec = SctpSpec { local_port: 5_000, remote_port: 5_000, max_message_size: 0 };
        let end = |role, limits, worker| Data::new(spec, role, limits, PeerIds::new(worker), start);
        let mut pair = Self {
            now: start,
            ends: [end(DtlsRole::Client, &browser, 8), end(DtlsRole::Server, &DataLimits::default(), 9)],
            wires: Default::default(),
            loss,
            random: Random(seed),
            packets: 0,
            events: Default::default(),
            discards: Default::default(),
        };
        for end in &mut pair.ends {
            end.connect(start);
        }
        pair
    }

    fn connected() -> Self {
        let mut pair = Self::new(0, 1);
        pair.run(ms(500));
        pair
    }

    fn open(&mut self, end: usize, id: u64, label: &str) -> ChannelId {
        self.open_as(end, id, label, true, Reliability::Reliable, false)
    }

    fn open_as(
        &mut self,
        end: usize,
        id: u64,
        label: &str,
        ordered: bool,
        reliability: Reliability,
        remote: bool,
    ) -> ChannelId {
        let spec = ChannelSpec {
            id: ChannelId(id),
            transport: Some(TransportId(1)),
            label: label.into(),
            protocol: "p".into(),
            ordered,
            reliability,
            remote,
        };
        self.ends[end].open(&spec, None, self.now);
        spec.id
    }

    fn send(&mut self, end: usize, channel: ChannelId, payload: &[u8]) -> Result<(), Discard> {
        self.ends[end].send(channel, payload, false, self.now)
    }

    fn run(&mut self, duration: Duration) {
        let until = self.now + duration;
        loop {
            for end in [PEER, SERVER] {
                while let Some(packet) = self.ends[end].poll_transmit() {
                    self.packets += 1;
                    let arrival = self.now + ms(20 + self.random.below(5));
                    if self.random.below(100) >= self.loss {
                        self.wires[1 - end].insert((arrival, self.packets), packet);
                    }
                }
                self.events[end].extend(std::iter::from_fn(|| self.ends[end].poll_event()));
                self.discards[end].extend(std::iter::from_fn(|| self.ends[end].poll_discard()));
            }
            let arrivals = self.wires.iter().filter_map(|wire| wire.keys().next().map(|(at, _)| *at));
            let next = arrivals.chain(self.ends.iter().filter_map(Data::poll_timeout)).min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            for end in [PEER, SERVER] {
                while let Some(entry) = self.wires[end].first_entry().filter(|entry| entry.key().0 <= self.now) {
                    let _ = self.ends[end].handle_packet(&entry.remove(), self.now);
                }
                if self.ends[end].poll_timeout().is_some_and(|timeout| timeout <= self.now) {
                    self.ends[end].handle_timeout(self.now);
                }
            }
        }
        self.now = until;
    }

    fn events(&mut self, end: usize) -> Vec<Event> {
        std::mem::take(&mut self.events[end])
    }

    fn opened(&mut self, end: usize) -> Vec<ChannelId> {
        let opened = |event| if let Event::Opened { channel, .. } = event { Some(channel) } else { None };
        self.events(end).into_iter().filter_map(opened).collect()
    }

    fn payloads(&mut self, end: usize) -> Vec<Vec<u8>> {
        let payload = |event| if let Event::Message { payload, .. } = event { Some(payload) } else { None };
        self.events(end).into_iter().filter_map(payload).collect()
    }

    fn closed(&mut self, end: usize) -> Vec<(ChannelId, &'static str)> {
        let closed =
            |event| if let Event::Closed { channel, reason, .. } = event { Some((channel, reason)) } else { None };
        self.events(end).into_iter().filter_map(closed).collect()
    }

    /// A channel that the peer opened: its id at each end.
    fn channel(&mut self, ordered: bool, reliability: Reliability) -> [ChannelId; 2] {
        let peer = self.open_as(PEER, 1, "chat", ordered, reliability, false);
        self.run(ms(3_000));
        let server = self.opened(SERVER);
        self.events(PEER);
        [peer, server[0]]
    }

    /// Returns the closed channels, without advancing time or delivering packets.
    fn closed_now(&mut self, end: usize) -> Vec<(ChannelId, &'static str)> {
        self.events[end].extend(std::iter::from_fn(|| self.ends[end].poll_event()));
        self.closed(end)
    }
}
