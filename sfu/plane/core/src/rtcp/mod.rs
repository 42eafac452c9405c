//! RTCP: reports (RFC 3550, 3611), feedback (RFC 4585, 5104), congestion control feedback (RFC 8888) and transport-wide
//! feedback, as single packets (RFC 5506) or compounds.

pub mod ccfb;
pub mod compound;
pub mod feedback;
pub mod outgoing;
pub mod report;
pub mod twcc;
pub mod xr;

use rtcp_types::prelude::RtcpPacketWriter;

pub use outgoing::Compounds;

/// The packet type of transport layer feedback (RFC 4585 s6.1).
const TRANSPORT_FEEDBACK: u8 = 205;

/// Appends one packet to a compound.
fn append(out: &mut Vec<u8>, packet: &impl RtcpPacketWriter) {
    let size = packet.calculate_size().expect("what we report fits into RTCP's fields");
    let start = out.len();
    out.resize(start + size, 0);
    packet.write_into_unchecked(&mut out[start..]);
}
