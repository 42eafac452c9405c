//! Who watches the watchmen: every SRTP packet that leaves the plane, by its SSRC and packet index (RFC 3711 s3.3.1).
//! One that is used twice ends the test: under GCM it would give the key away.

use std::collections::{HashMap, HashSet};

use plane_core::command::Path;
use plane_core::demux::{Protocol, protocol};

#[derive(Default)]
struct Stream {
    highest: u64,
    used: HashSet<u64>,
}

/// Off until it is wanted: it remembers everything.
#[derive(Default)]
pub struct Audit {
    pub watches: bool,
    /// By local port of the peer, which names its keys, and SSRC.
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
            Stream { highest: u64::from(sequence), used: HashSet::new() }
        });
        let distance = sequence.wrapping_sub(stream.highest as u16) as i16;
        let index = stream.highest.checked_add_signed(i64::from(distance)).expect("no index before the first rollover");
        stream.highest = stream.highest.max(index);
        assert!(stream.used.insert(index), "index {index} of SSRC {ssrc} was used twice");
    }

    /// Pairs of SSRC and index that were used.
    pub fn count(&self) -> usize {
        self.streams.values().map(|stream| stream.used.len()).sum()
    }
}
