//! Ends a transport with a broken invariant: its peer and the application are informed, and all other transports
//! continue.

use super::Plane;
use crate::broken::Broken;
use crate::discard::Discard;
use crate::event::TransportState;

impl Plane {
    /// Ends a transport permanently, with a reason. Its SRTP keys are removed: only a close_notify leaves.
    pub(super) fn break_transport<R>(&mut self, key: usize, why: &'static str) -> Result<R, Discard> {
        let transport = &mut self.transports[key];
        if let Some(ended) = transport.enter(TransportState::Failed, why) {
            self.events.push_back(ended);
            transport.srtp = None;
            transport.dtls.close();
            if let Some(path) = transport.agent.selected() {
                transport.flush_dtls(path);
            }
            self.hold(key);
        }
        Err(Discard::InvariantBroken)
    }

    /// Ends a transport if its keys can encrypt no more.
    pub(super) fn end_if_broken(&mut self, key: usize) {
        let broken = self.transports.get(key).and_then(|transport| transport.srtp.as_ref()?.outbound.broken());
        if let Some(Broken(why)) = broken
            && let Err(why) = self.break_transport::<()>(key, why)
        {
            self.discard(key, why, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Event;
    use crate::batch::Batch;
    use crate::plane::fixture::{keys, path, plane};
    use crate::rtcp::report;
    use crate::send::Class;
    use crate::srtp::{Inbound, Outbound};
    use crate::time::Instant;
    use crate::transport::{Queued, Srtp};

    fn report() -> Vec<u8> {
        let mut compound = Vec::new();
        report::write_receiver_report(&mut compound, 1, &[]);
        compound
    }

    /// Sends everything. Returns the number of datagrams to each peer, and the ended transports with reasons.
    fn settle(plane: &mut Plane, now: Instant) -> ([usize; 2], Vec<(u64, &'static str)>) {
        let mut batch = Batch::default();
        let mut sent = [0; 2];
        while plane.poll_transmit(&mut batch, now) {
            for (message, _) in batch.messages() {
                sent[usize::from(message.path.remote.port()) - 4_001] += message.segments();
            }
            batch.clear();
        }
        let ended = std::iter::from_fn(|| plane.poll_event()).filter_map(|event| match event {
            Event::TransportState { transport, state: TransportState::Failed, reason } => Some((transport.0, reason)),
            _ => None,
        });
        (sent, ended.collect())
    }

    #[test]
    fn indexes_that_are_used_up_end_one_transport_with_a_reason_and_no_other() {
        let now = Instant::now();
        let (mut plane, [worn, other]) = plane(now);
        plane.transports[worn].srtp =
            Some(Srtp { inbound: Inbound::new(&keys()), outbound: Outbound::worn_out(&keys()) });
        for key in [worn, other] {
            plane.transports[key].rtcp.extend([report(), report()]);
        }
        assert_eq!(settle(&mut plane, now), ([0, 2], vec![(1, "the SRTCP indexes are used up")]));
        assert_eq!(plane.stats().discarded(Discard::InvariantBroken), 1);
        for key in [worn, other] {
            plane.transports[key].rtcp.push_back(report());
        }
        assert_eq!(settle(&mut plane, now), ([0, 1], vec![]), "nothing of it leaves any more");
    }

    #[test]
    fn a_panic_while_a_transport_is_written_ends_that_transport_alone() {
        let now = Instant::now();
        let (mut plane, [faulty, other]) = plane(now);
        plane.transports[faulty].faulty = true;
        for key in [faulty, other] {
            let transport = &mut plane.transports[key];
            transport.pacer.push(Class::Audio, 20, Queued::Sctp(vec![1; 20]), now);
            transport.rtcp.push_back(report());
        }
        let (sent, ended) = settle(&mut plane, now);
        assert_eq!((sent[1], ended), (1, vec![(1, "an internal error, which is in the log")]));
    }

    #[test]
    fn a_panic_while_a_datagram_is_taken_in_ends_its_transport_alone() {
        let now = Instant::now();
        let (mut plane, [faulty, _]) = plane(now);
        plane.transports[faulty].faulty = true;
        let mut media = [0x80; 40];
        media[1] = 111;
        for (peer, why) in [(1, Discard::InvariantBroken), (2, Discard::SrtpAuth), (1, Discard::SrtpNoKeys)] {
            assert_eq!(plane.handle_datagram(&mut media.clone(), path(peer), now, now), Err(why));
            plane.transports[faulty].faulty = false;
        }
        assert_eq!(settle(&mut plane, now).1, [(1, "an internal error, which is in the log")]);
    }
}
