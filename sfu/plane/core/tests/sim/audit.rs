//! Checks every SRTP packet that the plane sends, by its SSRC and packet index (RFC 3711 s3.3.1). One index that
//! encrypts two packets fails the test: under GCM it would reveal the key. Only the identical datagram may be sent
//! again (equal ciphertext and tag under one key and index mean equal plaintext), at most 63 numbers back.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use plane_core::command::Path;
use plane_core::demux::{Protocol, protocol};
use plane_core::limits::REPEATED;

#[derive(Default)]
struct Stream {
    highest: u64,
    /// The hash of the datagram, by index.
    used: HashMap<u64, u64>,
    repeats: usize,
}

/// Off by default, because it stores every packet.
#[derive(Default)]
pub struct Audit {
    pub watches: bool,
    /// By the peer's local port, which identifies its keys, and SSRC.
    streams: HashMap<(u16, u32), Stream>,
}

impl Audit {
    pub fn note(&mut self, path: Path, datagram: &[u8]) {
        if !self.watches || protocol(datagram) != Ok(Protocol::Rtp) {
            return;
        }
        let sequence = u16::from_be_bytes([datagram[2], datagram[3]]);
        let ssrc = u32::from_be_bytes(datagram[8..12].try_into().expect("an RTP header"));
        let stream = self.streams.entry((path.remote.port(), ssrc)).or_insert_with(|| {
            assert!(sequence < 1 << 15, "the first sequence number of {ssrc} is {sequence}");
            Stream { highest: u64::from(sequence), ..Stream::default() }
        });
        let distance = sequence.wrapping_sub(stream.highest as u16) as i16;
        let index = stream.highest.checked_add_signed(i64::from(distance)).expect("no index before the first rollover");
        stream.highest = stream.highest.max(index);
        let mut hasher = DefaultHasher::new();
        datagram.hash(&mut hasher);
        let hash = hasher.finish();
        if let Some(first) = stream.used.insert(index, hash) {
            assert_eq!(first, hash, "index {index} of SSRC {ssrc} was used for two packets");
            assert!(stream.highest - index < REPEATED, "index {index} of SSRC {ssrc} is too far back");
            stream.repeats += 1;
        }
    }

    /// The number of used pairs of SSRC and index.
    pub fn count(&self) -> usize {
        self.streams.values().map(|stream| stream.used.len()).sum()
    }

    /// The number of identical retransmissions.
    pub fn repeats(&self) -> usize {
        self.streams.values().map(|stream| stream.repeats).sum()
    }
}
