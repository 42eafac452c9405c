//! The SRTP contexts of a transport (RFC 3711 s3.2): per SSRC, which packet index comes next and which were seen.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use super::cipher::{Cipher, RTCP_HEADER};
use super::replay::Window;
use super::{Keys, Profile};
use crate::discard::Discard;
use crate::limits::SRTP_SENDERS;
use crate::rtp::header::Header;

/// SRTCP indexes have 31 bits.
const MAX_RTCP_INDEX: u32 = (1 << 31) - 1;

/// 1,024 packets: the reorder and retransmission depth of video at 10 Mbit/s in a second.
type RtpWindow = Window<16>;
/// 128 packets.
type RtcpWindow = Window<2>;

/// What is kept per SSRC. Looked up by scan, the last one first: packets come in runs, and there are few SSRCs.
struct Streams<T> {
    ssrcs: Vec<u32>,
    windows: Vec<T>,
    last: usize,
}

impl<T: Default> Streams<T> {
    fn new() -> Self {
        Self { ssrcs: Vec::new(), windows: Vec::new(), last: 0 }
    }

    fn find(&mut self, ssrc: u32) -> Option<&mut T> {
        if self.ssrcs.get(self.last) != Some(&ssrc) {
            self.last = self.ssrcs.iter().position(|&known| known == ssrc)?;
        }
        self.windows.get_mut(self.last)
    }

    fn insert(&mut self, ssrc: u32) -> &mut T {
        self.last = self.ssrcs.len();
        self.ssrcs.push(ssrc);
        self.windows.push(T::default());
        self.windows.last_mut().expect("just pushed")
    }

    fn is_full(&self) -> bool {
        self.ssrcs.len() >= SRTP_SENDERS
    }
}

/// Encrypts what we send on one transport.
pub struct Outbound {
    rtp: Cipher,
    rtcp: Cipher,
    used: Streams<RtpWindow>,
    /// One count for all our RTCP senders: each of them sees it grow, with gaps.
    rtcp_index: u32,
}

impl Outbound {
    /// Octets that [`protect_rtp`](Self::protect_rtp) needs behind a packet, whatever the profile.
    pub const OVERHEAD: usize = Profile::Aes128Gcm.tag_length();

    pub fn new(keys: &Keys) -> Self {
        Self {
            rtp: Cipher::rtp(keys.profile, &keys.local),
            rtcp: Cipher::rtcp(keys.profile, &keys.local),
            used: Streams::new(),
            rtcp_index: 0,
        }
    }

    /// Octets that this context's profile adds to an RTP packet.
    pub fn tag_length(&self) -> usize {
        self.rtp.tag_length()
    }

    /// Encrypts `packet[header_length..length]` in place and writes the tag behind it: returns the whole length.
    /// `index` is the rollover counter and the sequence number.
    ///
    /// One (key, SSRC, index) encrypts one plaintext, ever: under GCM a repeat gives the key away. So a repeated index
    /// panics, and one that lies more than 1,023 behind the highest, of which nobody remembers whether it was used,
    /// returns 0: the packet is not encrypted and must not be sent.
    pub fn protect_rtp(
        &mut self,
        packet: &mut [u8],
        header_length: usize,
        length: usize,
        ssrc: u32,
        index: u64,
    ) -> usize {
        let used = match self.used.find(ssrc) {
            Some(used) => used,
            None => self.used.insert(ssrc),
        };
        match used.check(index) {
            Ok(()) => used.mark(index),
            Err(Discard::SrtpTooOld) => return 0,
            Err(_) => panic!("SRTP index {index} of SSRC {ssrc} would encrypt a second packet"),
        }
        self.rtp.seal_rtp(packet, header_length, length, ssrc, index)
    }

    /// Encrypts a compound RTCP packet in place and appends what authenticates it. A compound has at least 8 octets.
    pub fn protect_rtcp(&mut self, compound: &mut Vec<u8>) {
        let ssrc = rtcp_sender(compound).expect("a compound begins with a header and a sender");
        assert!(self.rtcp_index <= MAX_RTCP_INDEX, "SRTCP index used up");
        self.rtcp.seal_rtcp(compound, ssrc, self.rtcp_index);
        self.rtcp_index = self.rtcp_index.saturating_add(1);
    }
}

/// Verifies and decrypts what comes from one peer.
pub struct Inbound {
    rtp: Cipher,
    rtcp: Cipher,
    rtp_streams: Streams<RtpWindow>,
    rtcp_streams: Streams<RtcpWindow>,
}

impl Inbound {
    pub fn new(keys: &Keys) -> Self {
        Self {
            rtp: Cipher::rtp(keys.profile, &keys.remote),
            rtcp: Cipher::rtcp(keys.profile, &keys.remote),
            rtp_streams: Streams::new(),
            rtcp_streams: Streams::new(),
        }
    }

    /// Verifies and decrypts in place; returns the length in clear, without the tag. After an error the payload is of
    /// no use to anybody.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8], header: &Header) -> Result<usize, Discard> {
        let Some(window) = self.rtp_streams.find(header.ssrc) else {
            return self.unprotect_first(packet, header);
        };
        let index = estimate(window.highest().unwrap_or(0), header.sequence).ok_or(Discard::SrtpTooOld)?;
        window.check(index)?;
        let length = self.rtp.open_rtp(packet, header.length, header.ssrc, index)?;
        window.mark(index);
        Ok(length)
    }

    /// The first packet of an SSRC: its rollover counter is 0, or 1 if the sender began shortly before a wrap and what
    /// it sent before the wrap got lost. Not every sender begins below 2^15 (GStreamer and aiortc do not).
    #[cold]
    fn unprotect_first(&mut self, packet: &mut [u8], header: &Header) -> Result<usize, Discard> {
        if self.rtp_streams.is_full() {
            return Err(Discard::SrtpSsrcLimit);
        }
        let wrapped = u64::from(header.sequence) | 1 << 16;
        // A failed attempt destroys the payload.
        let copy = if header.sequence < 1 << 15 { packet.to_vec() } else { Vec::new() };
        let mut index = u64::from(header.sequence);
        let length = match self.rtp.open_rtp(packet, header.length, header.ssrc, index) {
            Err(Discard::SrtpAuth) if !copy.is_empty() => {
                packet.copy_from_slice(&copy);
                index = wrapped;
                self.rtp.open_rtp(packet, header.length, header.ssrc, index)?
            }
            opened => opened?,
        };
        self.rtp_streams.insert(header.ssrc).mark(index);
        Ok(length)
    }

    /// Verifies and decrypts in place; returns the length in clear.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Discard> {
        let ssrc = rtcp_sender(packet).ok_or(Discard::Truncated)?;
        let index = self.rtcp.rtcp_index(packet)?;
        let known = self.rtcp_streams.find(ssrc).map(|window| window.check(u64::from(index))).transpose()?;
        if known.is_none() && self.rtcp_streams.is_full() {
            return Err(Discard::SrtpSsrcLimit);
        }
        let length = self.rtcp.open_rtcp(packet, ssrc, index)?;
        let window = match self.rtcp_streams.find(ssrc) {
            Some(window) => window,
            None => self.rtcp_streams.insert(ssrc),
        };
        window.mark(u64::from(index));
        Ok(length)
    }
}

/// The index nearest to the highest authenticated one that ends in `sequence` (RFC 3711 s3.3.1, appendix A). None lies
/// before the first rollover.
fn estimate(highest: u64, sequence: u16) -> Option<u64> {
    let distance = sequence.wrapping_sub(highest as u16) as i16;
    highest.checked_add_signed(i64::from(distance))
}

fn rtcp_sender(compound: &[u8]) -> Option<u32> {
    let header = compound.first_chunk::<RTCP_HEADER>()?;
    Some(u32::from_be_bytes(*header.last_chunk()?))
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]
pub(crate) mod tests;
