//! The sent packets of a subscriber without RTX, so that they can be retransmitted as identical datagrams. SRTP may
//! encrypt only one plaintext under one index (RFC 3711 s9.1), so the values that vary between transmissions must stay
//! the same.

use crate::limits::REPEATED;
use crate::rtp::sequence::ExtendedSeq;
use crate::srtp::context::Proof;

/// The values of a packet that are neither in its [`Outgoing`](super::Outgoing) nor in the cache nor in the slot's
/// spec.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Varied {
    pub transport_sequence: Option<u16>,
    /// 24 bits, 6.18 fixed point seconds.
    pub abs_send_time: u32,
    /// Octets of padding, including the octet that counts them; at most 255.
    pub padding: u8,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    seq: ExtendedSeq,
    varied: Varied,
    proof: Proof,
}

/// A ring, indexed by the sent sequence number. It allocates its memory at the first packet.
#[derive(Debug, Default)]
pub struct Repeats {
    ring: Vec<Option<Sent>>,
    highest: ExtendedSeq,
}

const _: () = assert!(size_of::<Option<Sent>>() <= 40, "2.5 KB per slot without RTX");

impl Repeats {
    /// Octets of one ring entry.
    pub const PLACE: usize = size_of::<Option<Sent>>();

    /// Octets allocated for the ring.
    pub fn memory(&self) -> usize {
        self.ring.capacity() * Self::PLACE
    }

    /// Records a sent packet.
    pub fn insert(&mut self, seq: ExtendedSeq, varied: Varied, proof: Proof) {
        if self.ring.is_empty() {
            self.ring.resize(REPEATED as usize, None);
        }
        self.highest = self.highest.max(seq);
        if self.reaches(seq) {
            self.ring[Self::place(seq)] = Some(Sent { seq, varied, proof });
        }
    }

    /// The varying values of a sent packet, and the proof by which a retransmission is recognised as identical.
    pub fn get(&self, seq: ExtendedSeq) -> Option<(Varied, Proof)> {
        let sent = self.ring.get(Self::place(seq))?.filter(|sent| sent.seq == seq && self.reaches(seq))?;
        Some((sent.varied, sent.proof))
    }

    fn reaches(&self, seq: ExtendedSeq) -> bool {
        self.highest.0.saturating_sub(seq.0) < REPEATED
    }

    fn place(seq: ExtendedSeq) -> usize {
        (seq.0 % REPEATED) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varied(n: u64) -> Varied {
        Varied { transport_sequence: Some(n as u16), abs_send_time: n as u32 * 3, padding: n as u8 % 16 }
    }

    #[test]
    fn what_left_is_remembered_for_64_numbers() {
        let mut repeats = Repeats::default();
        assert_eq!(repeats.get(ExtendedSeq(0)), None, "nothing left");
        // Out of order, and with numbers that were never used.
        for n in [100, 103, 101, 130, 129] {
            repeats.insert(ExtendedSeq(n), varied(n), Proof::default());
        }
        let known = |repeats: &Repeats, n| repeats.get(ExtendedSeq(n)).map(|(varied, _)| varied);
        for n in [100, 101, 103, 129, 130] {
            assert_eq!(known(&repeats, n), Some(varied(n)));
        }
        assert_eq!(known(&repeats, 102), None);
        repeats.insert(ExtendedSeq(166), varied(166), Proof::default());
        assert_eq!(known(&repeats, 103), Some(varied(103)), "63 back");
        repeats.insert(ExtendedSeq(193), varied(193), Proof::default());
        assert_eq!(known(&repeats, 129), None, "64 back, and its place is free");
        repeats.insert(ExtendedSeq(129), varied(129), Proof::default());
        assert_eq!(known(&repeats, 193), Some(varied(193)), "what is too late takes nobody's place");
    }
}
