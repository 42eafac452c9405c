//! The messages that open a data channel: the Data Channel Establishment Protocol (DCEP), RFC 8832.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use crate::command::Reliability;
use crate::discard::Discard;
use crate::limits::CHANNEL_NAME;

const TYPE_ACK: u8 = 0x02;
const TYPE_OPEN: u8 = 0x03;
/// A bit of the channel type of an OPEN, RFC 8832 s8.2.2.
const UNORDERED: u8 = 0x80;

/// DATA_CHANNEL_ACK, RFC 8832 s5.2.
pub const ACK: [u8; 1] = [TYPE_ACK];

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Dcep {
    Open(Open),
    Ack,
}

/// DATA_CHANNEL_OPEN, RFC 8832 s5.1. The priority is ignored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Open {
    pub ordered: bool,
    pub reliability: Reliability,
    pub label: String,
    pub protocol: String,
}

impl Open {
    /// ```text
    ///  0                   1                   2                   3
    /// |  Message Type |  Channel Type |            Priority           |
    /// |                    Reliability Parameter                      |
    /// |         Label Length          |       Protocol Length         |
    /// |                  Label, then Protocol                         |
    /// ```
    /// Returns `None` if the label or the protocol is longer than [`CHANNEL_NAME`].
    pub fn write(&self) -> Option<Vec<u8>> {
        if self.label.len() > CHANNEL_NAME || self.protocol.len() > CHANNEL_NAME {
            return None;
        }
        let (kind, parameter) = match self.reliability {
            Reliability::Reliable => (0, 0),
            Reliability::Retransmits(count) => (1, u32::from(count)),
            Reliability::Lifetime(ms) => (2, u32::from(ms)),
        };
        let kind = if self.ordered { kind } else { kind | UNORDERED };
        /// RFC 8831 s6.4: "normal".
        const PRIORITY: u16 = 256;
        let mut message = vec![TYPE_OPEN, kind];
        message.extend(PRIORITY.to_be_bytes());
        message.extend(parameter.to_be_bytes());
        message.extend(u16::try_from(self.label.len()).ok()?.to_be_bytes());
        message.extend(u16::try_from(self.protocol.len()).ok()?.to_be_bytes());
        message.extend(self.label.as_bytes());
        message.extend(self.protocol.as_bytes());
        Some(message)
    }
}

pub fn parse(message: &[u8]) -> Result<Dcep, Discard> {
    match message.split_first() {
        Some((&TYPE_ACK, [])) => Ok(Dcep::Ack),
        Some((&TYPE_OPEN, rest)) => parse_open(rest).ok_or(Discard::DcepMalformed).map(Dcep::Open),
        _ => Err(Discard::DcepMalformed),
    }
}

fn parse_open(rest: &[u8]) -> Option<Open> {
    let (header, names) = rest.split_at_checked(11)?;
    let &[kind, _, _, p0, p1, p2, p3, l0, l1, q0, q1] = header else { return None };
    // Both parameters have 16 bits in the API of browsers. A larger value is as good as no limit.
    let parameter = u16::try_from(u32::from_be_bytes([p0, p1, p2, p3])).unwrap_or(u16::MAX);
    let reliability = match kind & !UNORDERED {
        0 => Reliability::Reliable,
        1 => Reliability::Retransmits(parameter),
        2 => Reliability::Lifetime(parameter),
        _ => return None,
    };
    let (label, protocol) = names.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))?;
    if protocol.len() != usize::from(u16::from_be_bytes([q0, q1])) || label.len().max(protocol.len()) > CHANNEL_NAME {
        return None;
    }
    Some(Open {
        ordered: kind & UNORDERED == 0,
        reliability,
        label: std::str::from_utf8(label).ok()?.to_owned(),
        protocol: std::str::from_utf8(protocol).ok()?.to_owned(),
    })
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_open_of_a_browser_is_read() {
        // new RTCPeerConnection().createDataChannel("chat", {ordered: false, maxRetransmits: 2, protocol: "p"})
        let bytes = b"\x03\x81\x01\x00\x00\x00\x00\x02\x00\x04\x00\x01chatp";
        let open = Open {
            ordered: false,
            reliability: Reliability::Retransmits(2),
            label: "chat".into(),
            protocol: "p".into(),
        };
        assert_eq!(parse(bytes), Ok(Dcep::Open(open.clone())));
        assert_eq!(open.write().unwrap(), bytes);
    }

    #[test]
    fn a_malformed_message_is_a_discard() {
        let table: [&[u8]; 9] = [
            b"",
            b"\x04",
            b"\x02\x00",
            b"\x03",
            b"\x03\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00",
            b"\x03\x03\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00",
            b"\x03\x00\x01\x00\x00\x00\x00\x00\x00\x05\x00\x00chat",
            b"\x03\x00\x01\x00\x00\x00\x00\x00\x00\x04\x00\x00chats",
            b"\x03\x00\x01\x00\x00\x00\x00\x00\x00\x02\x00\x00\xff\xfe",
        ];
        for (index, bytes) in table.iter().enumerate() {
            assert_eq!(parse(bytes), Err(Discard::DcepMalformed), "row {index}");
        }
    }

    #[test]
    fn a_name_too_long_is_neither_written_nor_read() {
        let label = "x".repeat(CHANNEL_NAME + 1);
        let mut open = Open { ordered: true, reliability: Reliability::Reliable, label, protocol: String::new() };
        assert_eq!(open.write(), None);
        open.label.pop();
        let mut bytes = open.write().unwrap();
        assert_eq!(parse(&bytes), Ok(Dcep::Open(open)));
        bytes[9] += 1;
        bytes.push(b'x');
        assert_eq!(parse(&bytes), Err(Discard::DcepMalformed));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            ordered in any::<bool>(), kind in 0..3, value in any::<u16>(), label in "\\PC{0,40}", protocol in "\\PC{0,9}"
        ) {
            let reliability = match kind {
                0 => Reliability::Reliable,
                1 => Reliability::Retransmits(value),
                _ => Reliability::Lifetime(value),
            };
            let open = Open { ordered, reliability, label, protocol };
            prop_assert_eq!(parse(&open.write().unwrap()), Ok(Dcep::Open(open)));
        }

        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..64), open in any::<bool>()) {
            if open && !bytes.is_empty() {
                bytes[0] = TYPE_OPEN;
            }
            let _ = parse(&bytes);
        }
    }
}
