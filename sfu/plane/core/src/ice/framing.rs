//! Datagrams in the octets of a TCP connection: each follows its length in two octets (RFC 4571 s2, RFC 6544 s3). The
//! first one must be a connectivity check, because its username names the transport that the connection is for.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use super::binding;
use crate::discard::Discard;
use crate::limits::{ANY_DATAGRAM, FIRST_FRAME};

/// Octets of the length before each frame.
pub const HEADER: usize = 2;

/// Appends a frame with this datagram. A datagram that is longer than the length field can say is ignored.
pub fn write(out: &mut Vec<u8>, datagram: &[u8]) {
    if let Ok(length) = u16::try_from(datagram.len()) {
        out.extend(length.to_be_bytes());
        out.extend(datagram);
    }
}

/// Splits the octets of one connection into datagrams, however they were divided on the way. It keeps at most one
/// incomplete frame.
#[derive(Debug, Default)]
pub struct Deframer {
    kept: Vec<u8>,
}

impl Deframer {
    /// Reads the next octets of the connection, and passes each completed datagram to `handle`. Empty frames are
    /// ignored.
    ///
    /// # Errors
    /// `TcpFraming` if a frame is longer than [`ANY_DATAGRAM`]. Nothing after it can be read.
    pub fn read(&mut self, octets: &mut [u8], mut handle: impl FnMut(&mut [u8])) -> Result<(), Discard> {
        let mut rest = octets;
        while !rest.is_empty() {
            let needed = match total(&self.kept)? {
                // Usually all of the frame is there, and is not copied.
                None if self.kept.is_empty() => {
                    let Some(total) = total(rest)?.filter(|&total| total <= rest.len()) else {
                        self.kept.extend_from_slice(rest);
                        return Ok(());
                    };
                    let (frame, behind) = rest.split_at_mut(total);
                    if let Some((_, datagram)) = frame.split_first_chunk_mut::<HEADER>()
                        && !datagram.is_empty()
                    {
                        handle(datagram);
                    }
                    rest = behind;
                    continue;
                }
                None => HEADER,
                Some(total) => total,
            };
            let missing = needed.saturating_sub(self.kept.len()).min(rest.len());
            let (taken, behind) = rest.split_at_mut(missing);
            self.kept.extend_from_slice(taken);
            rest = behind;
            if total(&self.kept)?.is_some_and(|total| total <= self.kept.len()) {
                if let Some((_, datagram)) = self.kept.split_first_chunk_mut::<HEADER>()
                    && !datagram.is_empty()
                {
                    handle(datagram);
                }
                self.kept.clear();
            }
        }
        Ok(())
    }
}

/// The octets of the frame that begins here, with its length field. None: the field is not complete.
fn total(octets: &[u8]) -> Result<Option<usize>, Discard> {
    let Some((header, _)) = octets.split_first_chunk::<HEADER>() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes(*header));
    if length > ANY_DATAGRAM { Err(Discard::TcpFraming) } else { Ok(Some(length.saturating_add(HEADER))) }
}

/// Reads the local ufrag of the connectivity check with which a connection must begin. `octets` are all that have
/// arrived so far. None: the check is not complete. It is not authenticated.
///
/// # Errors
/// If the connection begins with anything else, or with a check longer than [`FIRST_FRAME`].
pub fn first_ufrag(octets: &[u8]) -> Result<Option<&str>, Discard> {
    let Some((header, rest)) = octets.split_first_chunk::<HEADER>() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes(*header));
    if !(binding::HEADER..=FIRST_FRAME).contains(&length) {
        return Err(Discard::TcpFraming);
    }
    // A connection of another protocol is refused by its first octets.
    if !matches!(rest, [] | [0] | [0, 1, ..]) {
        return Err(Discard::StunMalformed);
    }
    let Some(check) = rest.get(..length) else { return Ok(None) };
    binding::check(check).map(Some)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(datagrams: &[Vec<u8>]) -> Vec<u8> {
        let mut octets = Vec::new();
        datagrams.iter().for_each(|datagram| write(&mut octets, datagram));
        octets
    }

    fn read(deframer: &mut Deframer, octets: &[u8]) -> Result<Vec<Vec<u8>>, Discard> {
        let mut datagrams = Vec::new();
        deframer.read(&mut octets.to_vec(), |datagram| datagrams.push(datagram.to_vec()))?;
        Ok(datagrams)
    }

    proptest! {
        #[test]
        fn datagrams_are_the_same_wherever_the_stream_is_split(
            datagrams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 0..12),
            cuts in proptest::collection::vec(1..200usize, 1..60),
        ) {
            let octets = framed(&datagrams);
            let (mut deframer, mut found, mut rest) = (Deframer::default(), Vec::new(), &octets[..]);
            for cut in cuts.iter().cycle() {
                let (piece, behind) = rest.split_at((*cut).min(rest.len()));
                found.extend(read(&mut deframer, piece).unwrap());
                rest = behind;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(found, datagrams);
        }
    }

    #[test]
    fn an_empty_frame_is_ignored_and_the_longest_is_read() {
        let longest = vec![7; ANY_DATAGRAM];
        let octets = framed(&[vec![], longest.clone(), vec![], vec![1]]);
        assert_eq!(read(&mut Deframer::default(), &octets), Ok(vec![longest.clone(), vec![1]]));
        let (mut deframer, mut found) = (Deframer::default(), Vec::new());
        for octet in octets {
            found.extend(read(&mut deframer, &[octet]).unwrap());
        }
        assert_eq!(found, [longest, vec![1]]);
    }

    #[test]
    fn a_frame_that_is_too_long_ends_the_connection_before_it_has_arrived() {
        let length = (ANY_DATAGRAM as u16 + 1).to_be_bytes();
        assert_eq!(read(&mut Deframer::default(), &length), Err(Discard::TcpFraming));
        let mut deframer = Deframer::default();
        assert_eq!(read(&mut deframer, &length[..1]), Ok(vec![]));
        assert_eq!(read(&mut deframer, &length[1..]), Err(Discard::TcpFraming));
        assert!(deframer.kept.len() <= HEADER);
    }

    #[test]
    fn a_connection_begins_with_a_whole_check_or_ends() {
        let check = include_bytes!("../../tests/corpora/stun/check_of_chromium");
        let octets = framed(&[check.to_vec(), vec![1; 40]]);
        let whole = HEADER + check.len();
        for end in 0..whole {
            assert_eq!(first_ufrag(&octets[..end]), Ok(None), "after {end}");
        }
        for end in whole..octets.len() {
            assert_eq!(first_ufrag(&octets[..end]), Ok(Some("server0")));
        }
        let http = b"GET / HTTP/1.1\r\n\r\n";
        let tls = [22, 3, 1, 0, 200];
        for (octets, why) in [
            (&http[..], Discard::TcpFraming),
            (&tls, Discard::TcpFraming),
            (&[0, 0], Discard::TcpFraming),
            (&(FIRST_FRAME as u16 + 1).to_be_bytes(), Discard::TcpFraming),
            (&[0, 100, 0x80], Discard::StunMalformed),
        ] {
            assert_eq!(first_ufrag(octets), Err(why), "{octets:?}");
        }
        let mut damaged = framed(&[check.to_vec()]);
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(first_ufrag(&damaged), Err(Discard::StunFingerprint));
    }
}
