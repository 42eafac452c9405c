//! RTCP: reports (RFC 3550), feedback (RFC 4585, 5104), transport-wide feedback, alone or in compounds (RFC 5506).

pub mod compound;
pub mod feedback;
pub mod outgoing;
pub mod report;
pub mod twcc;

use rtcp_types::prelude::RtcpPacketWriter;

pub use outgoing::Compounds;

/// Appends one packet to a compound.
fn append(out: &mut Vec<u8>, packet: &impl RtcpPacketWriter) {
    let size = packet.calculate_size().expect("what we report fits into RTCP's fields");
    let start = out.len();
    out.resize(start + size, 0);
    packet.write_into_unchecked(&mut out[start..]);
}
