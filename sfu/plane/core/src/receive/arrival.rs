//! A decrypted packet of an encoding, borrowed from its datagram: an original packet, or one restored from its
//! retransmission (RFC 4588).

use crate::codec::PayloadType;
use crate::discard::Discard;
use crate::rtp::elements::Extensions;
use crate::rtp::header::Header;
use crate::rtp::passed::Passed;
use crate::rtp::rtx;
use crate::time::Instant;

/// What the accounts of an encoding, its cache and its fast start need of a packet.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// As on the wire; of a retransmission, that of the original packet.
    pub sequence: u16,
    /// As on the wire.
    pub timestamp: u32,
    /// As on the wire.
    pub marker: bool,
    /// The publisher's payload type; of a retransmission, that of the original packet.
    pub payload_type: &'a PayloadType,
    /// Without padding; empty if the packet is padding only.
    pub payload: &'a [u8],
    /// The header extensions that are passed to subscribers unchanged.
    pub passed: Passed<'a>,
    /// The dependency descriptor (AV1 RTP specification, appendix A) as on the wire.
    pub dependency_descriptor: Option<&'a [u8]>,
    /// The payload of a packet of parameter sets that a decoder needs before this one ([`ParameterSets::packet`]);
    /// empty if it needs none.
    ///
    /// [`ParameterSets::packet`]: crate::codec::parameters::ParameterSets::packet
    pub parameter_sets: &'a [u8],
    /// The packet arrived by RTX.
    pub retransmitted: bool,
    /// The kernel's timestamp of arrival.
    pub received: Instant,
}

impl<'a> Arrival<'a> {
    /// Reads a packet of the payload type, or one that retransmits it. `payload` has no padding.
    ///
    /// # Errors
    /// `Padding` or `RtxUnmatched` for a retransmission without the number of its original packet.
    pub fn read(
        header: &Header,
        extensions: &Extensions<'a>,
        mut payload: &'a [u8],
        (payload_type, retransmitted): (&'a PayloadType, bool),
        received: Instant,
    ) -> Result<Self, Discard> {
        let mut sequence = header.sequence;
        if retransmitted {
            sequence = rtx::original_sequence(payload)?;
            payload = payload.get(rtx::OSN..).unwrap_or_default();
        }
        Ok(Self {
            sequence,
            timestamp: header.timestamp,
            marker: header.marker,
            payload_type,
            payload,
            passed: extensions.passed,
            dependency_descriptor: extensions.dependency_descriptor,
            parameter_sets: &[],
            retransmitted,
            received,
        })
    }

    /// A packet without extensions, with the first number and timestamp.
    #[cfg(test)]
    pub fn of(payload_type: &'a PayloadType, payload: &'a [u8], received: Instant) -> Self {
        Self {
            sequence: 0,
            timestamp: 0,
            marker: false,
            payload_type,
            payload,
            passed: Passed::default(),
            dependency_descriptor: None,
            parameter_sets: &[],
            retransmitted: false,
            received,
        }
    }
}
