//! The format of a message in its stream: payload and payload protocol identifier (PPID, RFC 8831 s8).

use crate::discard::Discard;

pub const DCEP: u32 = 50;
const TEXT: u32 = 51;
const BINARY: u32 = 53;
/// Parts of a message whose last part is TEXT or BINARY. Deprecated: no implementation of RFC 8831 sends them.
const TEXT_PART: u32 = 54;
const BINARY_PART: u32 = 52;
/// An empty message is sent as one zero octet with its own PPID.
const TEXT_EMPTY: u32 = 56;
const BINARY_EMPTY: u32 = 57;

#[derive(PartialEq, Eq, Debug)]
pub enum Content {
    /// A DCEP message (RFC 8832).
    Dcep(Vec<u8>),
    Message {
        payload: Vec<u8>,
        text: bool,
    },
    /// A part of a message that continues in the next one.
    Part,
}

/// Interprets a received message by its PPID.
pub fn read(ppid: u32, mut payload: Vec<u8>) -> Result<Content, Discard> {
    let text = match ppid {
        DCEP => return Ok(Content::Dcep(payload)),
        TEXT | TEXT_EMPTY => true,
        BINARY | BINARY_EMPTY => false,
        TEXT_PART | BINARY_PART => return Ok(Content::Part),
        _ => return Err(Discard::SctpMalformed),
    };
    if matches!(ppid, TEXT_EMPTY | BINARY_EMPTY) {
        payload.clear();
    }
    Ok(Content::Message { payload, text })
}

/// Returns the PPID and the octets to send for a message.
pub fn write(mut payload: Vec<u8>, text: bool) -> (u32, Vec<u8>) {
    let ppid = match (text, payload.is_empty()) {
        (true, false) => TEXT,
        (false, false) => BINARY,
        (true, true) => TEXT_EMPTY,
        (false, true) => BINARY_EMPTY,
    };
    if payload.is_empty() {
        payload.push(0);
    }
    (ppid, payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_message_travels_as_one_octet_and_is_empty_again() {
        for (octets, text, ppid, travels) in
            [("hi", true, 51, "hi"), ("hi", false, 53, "hi"), ("", true, 56, "\0"), ("", false, 57, "\0")]
        {
            let payload = octets.as_bytes().to_vec();
            let written = write(payload.clone(), text);
            assert_eq!(written, (ppid, travels.as_bytes().to_vec()));
            assert_eq!(read(written.0, written.1), Ok(Content::Message { payload, text }));
        }
    }

    #[test]
    fn an_identifier_that_no_channel_has_is_malformed() {
        assert_eq!(read(DCEP, vec![2]), Ok(Content::Dcep(vec![2])));
        for ppid in [0, 49, 55, 58, u32::MAX] {
            assert_eq!(read(ppid, vec![2]), Err(Discard::SctpMalformed), "{ppid}");
        }
    }
}
