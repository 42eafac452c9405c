//! The send queues of a transport: STUN and DTLS, each with its path, RTCP, and media in the pacer.

use super::{Queued, Transport};
use crate::command::{Kind, Path};
use crate::discard::Discard;
use crate::limits;
use crate::rtcp::Compounds;
use crate::send::{Class, Outgoing};
use crate::time::Instant;

impl Transport {
    /// Hands a DTLS datagram to the association; the answer returns by the same path.
    pub fn handle_dtls(&mut self, datagram: &[u8], path: Path, now: Instant) -> Result<(), Discard> {
        self.agent.paths_mut().pay(&path, datagram.len());
        let result = self.dtls.handle_datagram(datagram, now);
        if self.flush_dtls(path) && !self.dtls.is_connected() {
            self.round_trip.handshake(false, now);
        }
        result
    }

    /// Queues the DTLS datagrams of the association, up to the limit of queued control datagrams. Returns true if there
    /// were any.
    pub fn flush_dtls(&mut self, path: Path) -> bool {
        let before = self.control.len();
        while let Some(datagram) = self.dtls.poll_transmit() {
            self.control.push_back((path, datagram));
        }
        let has_more = self.control.len() > before;
        let excess = self.control.len().saturating_sub(limits::WAITING_CONTROL);
        self.control.drain(..excess);
        has_more
    }

    /// Returns the next STUN or DTLS datagram whose address is proven, or has sent enough octets to be sent this one.
    pub fn poll_control(&mut self, now: Instant) -> Option<(Path, Vec<u8>)> {
        // A request beyond the address's budget is dropped: it is made again.
        while let Some((path, request)) = self.agent.poll_request(now) {
            if self.agent.paths_mut().spend(&path, request.len()) {
                self.round_trip.asked(path, now);
                return Some((path, request));
            }
        }
        if let Some(request) = self.agent.poll_measurement(now) {
            return Some(request);
        }
        let mut index = 0;
        while let Some((path, datagram)) = self.control.get(index) {
            // The first octet of a response (RFC 8489 s5).
            let is_answer = datagram.first() == Some(&1);
            if self.agent.is_valid(path) {
                if self.agent.paths_mut().spend(path, datagram.len()) {
                    return self.control.remove(index);
                }
                index += 1;
                continue;
            }
            // An address without a valid check gets only responses, which its requests have paid for.
            let datagram = self.control.remove(index);
            if is_answer {
                return datagram;
            }
        }
        None
    }

    /// Sends a check to the address of the first queued datagram, which waits for its proof. Returns false if nothing
    /// waits.
    pub fn ask_for_what_waits(&mut self, now: Instant) -> bool {
        let Some(&(path, _)) = self.control.front() else { return false };
        self.agent.ask(&path, now);
        true
    }

    /// Retransmits a DTLS flight or gives up, if that is due.
    pub fn handle_dtls_timeout(&mut self, now: Instant) {
        self.dtls.handle_timeout(now);
        if let Some(path) = self.agent.selected()
            && self.flush_dtls(path)
            && !self.dtls.is_connected()
        {
            self.round_trip.handshake(true, now);
        }
    }

    /// Queues a media packet, unless media cannot be sent.
    pub fn send(&mut self, slot: usize, track: usize, outgoing: Outgoing, octets: usize, now: Instant) {
        if !self.sends_media() {
            return;
        }
        let class = match (outgoing.transmission.is_first(), outgoing.kind) {
            (false, _) => Class::Retransmission,
            (true, Kind::Audio) => Class::Audio,
            (true, Kind::Video) => Class::Video,
        };
        if class == Class::Retransmission && !self.sends(Kind::Video) {
            return;
        }
        match outgoing.transmission.is_first() {
            true => self.repairs.earn(octets + limits::MEDIA_OVERHEAD, now),
            false => self.repairs.take(octets + limits::MEDIA_OVERHEAD),
        }
        self.pacer.push(class, octets + limits::MEDIA_OVERHEAD, Queued::Media { slot, track, outgoing }, now);
    }

    /// Octets of the queued datagrams.
    pub fn waiting(&self) -> usize {
        let control: usize = self.control.iter().map(|(_, datagram)| datagram.len()).sum();
        control + self.rtcp.iter().map(Vec::len).sum::<usize>() + self.pacer.queued()
    }

    /// Queues RTCP compounds up to the limit. Returns how many were dropped.
    pub fn queue_rtcp(&mut self, compounds: &Compounds) -> usize {
        let mut refused = 0;
        for compound in compounds.iter() {
            if self.rtcp.len() < limits::COMPOUNDS_WAITING {
                self.rtcp.push_back(compound.to_vec());
            } else {
                refused += 1;
            }
        }
        refused
    }
}
