//! The stream received from a slot, merged from first transmissions and retransmissions.

use plane_core::id::SlotId;

use super::Call;

/// Sequence number, timestamp, payload.
pub type Packet = (u16, u32, Vec<u8>);

pub fn ssrc(slot: SlotId) -> u32 {
    0x5000_0000 + slot.0 as u32 * 2
}

/// First transmissions and retransmissions of a slot, by their original sequence number.
pub fn whole(call: &Call, peer: usize, slot: SlotId) -> Vec<Packet> {
    let mut packets: Vec<_> =
        call.peers[peer].stream(ssrc(slot)).iter().map(|p| (p.sequence, p.timestamp, p.payload.clone())).collect();
    for rtx in call.peers[peer].stream(ssrc(slot) + 1) {
        let original = u16::from_be_bytes([rtx.payload[0], rtx.payload[1]]);
        packets.push((original, rtx.timestamp, rtx.payload[2..].to_vec()));
    }
    packets.sort();
    packets.dedup();
    packets
}

pub fn contiguous(packets: &[Packet]) -> bool {
    packets.windows(2).all(|pair| pair[1].0 == pair[0].0.wrapping_add(1))
}

/// The source of a payload, and its number there: every simulated payload ends with both.
pub fn origin(payload: &[u8]) -> (u32, u16) {
    let end = payload.len();
    let ssrc = u32::from_be_bytes(payload[end - 6..end - 2].try_into().expect("four octets"));
    (ssrc, u16::from_be_bytes([payload[end - 2], payload[end - 1]]))
}
