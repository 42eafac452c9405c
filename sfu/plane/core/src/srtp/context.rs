//! The SRTP contexts of a transport (RFC 3711 s3.2): the ciphers, and per SSRC the packet indexes that were used or
//! received.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use std::collections::HashSet;

use super::cipher::{Cipher, RTCP_HEADER};
use super::replay::Window;
use super::streams::Streams;
use super::{Keys, Profile};
use crate::broken::Broken;
use crate::discard::Discard;
use crate::limits::{RETIRED_SSRCS, SSRCS};
use crate::rtp::header::Header;

/// An SRTCP index has 31 bits.
const MAX_RTCP_INDEX: u32 = (1 << 31) - 1;
/// An SRTP index has 48 bits: the rollover counter and the sequence number.
const MAX_RTP_INDEX: u64 = (1 << 48) - 1;

/// 1,024 packets: the packets of 10 Mbit/s video in one second, which may be reordered or retransmitted.
const RTP_WORDS: usize = 16;
/// 128 packets.
const RTCP_WORDS: usize = 2;

/// Octets of the windows and retired SSRCs of both directions, at most.
#[cfg(test)]
pub(crate) const MOST_MEMORY: usize =
    2 * Streams::<RTP_WORDS>::MOST + Streams::<RTCP_WORDS>::MOST + 2 * RETIRED_SSRCS * RETIRED;
/// Octets of a retired SSRC of ours, with its part of the table.
const RETIRED: usize = 8;

const NOT_ENCRYPTED: Broken = Broken("a packet could not be encrypted");

/// Octets of the authentication tag that identify a packet.
const PROOF: usize = 8;

/// Proves that a packet is identical to the one sent under the same index before: the beginning of its authentication
/// tag, which covers header, payload and index.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Proof([u8; PROOF]);

/// Encrypts the packets that we send on one transport.
pub struct Outbound {
    rtp: Cipher,
    rtcp: Cipher,
    used: Streams<RTP_WORDS>,
    /// SSRCs that are no longer used. Their used indexes are not remembered.
    retired: HashSet<u32>,
    /// The next SRTCP index. All our RTCP senders share it, so each sender's indexes grow with gaps.
    rtcp_index: u32,
    /// Once set, nothing more is encrypted with these keys.
    broken: Option<Broken>,
}

impl Outbound {
    /// Octets of room that [`protect_rtp`](Self::protect_rtp) needs behind a packet, for any profile.
    pub const OVERHEAD: usize = Profile::Aes128Gcm.tag_length();

    pub fn new(keys: &Keys) -> Self {
        Self {
            rtp: Cipher::rtp(keys.profile, &keys.local),
            rtcp: Cipher::rtcp(keys.profile, &keys.local),
            used: Streams::new(),
            retired: HashSet::new(),
            rtcp_index: 0,
            broken: None,
        }
    }

    /// Octets of what is remembered of the SSRCs that were sent.
    pub fn memory(&self) -> usize {
        self.used.memory().saturating_add(self.retired.capacity().saturating_mul(RETIRED))
    }

    /// Octets that the profile of this context adds to an RTP packet.
    pub fn tag_length(&self) -> usize {
        self.rtp.tag_length()
    }

    /// Encrypts `packet[header_length..length]` in place and writes the tag behind it. Returns the length of packet and
    /// tag. `index` is the rollover counter and the sequence number.
    ///
    /// A combination of key, SSRC and index encrypts only one plaintext, ever: under GCM a repetition reveals the
    /// authentication key. Returns 0 if the packet is not encrypted and must not be sent. That happens if the index is
    /// more than 1,023 behind the highest, because it is no longer known whether it was used; if the SSRC was retired
    /// or is one too many ([`SSRCS`], [`RETIRED_SSRCS`]); and always once an index was used twice ([`Self::broken`]).
    pub fn protect_rtp(
        &mut self,
        packet: &mut [u8],
        header_length: usize,
        length: usize,
        ssrc: u32,
        index: u64,
    ) -> usize {
        if index > MAX_RTP_INDEX {
            self.broken = self.broken.or(Some(Broken("the SRTP indexes are used up")));
        }
        if self.broken.is_some() {
            return 0;
        }
        if self.used.find(ssrc).is_none() {
            if self.retired.contains(&ssrc) || self.retired.len() >= RETIRED_SSRCS || self.used.len() >= SSRCS {
                return 0;
            }
            self.used.insert(ssrc);
        }
        let Some(used) = self.used.find(ssrc) else { return 0 };
        match used.check(index) {
            Ok(()) => used.mark(index),
            Err(Discard::SrtpTooOld) => return 0,
            Err(_) => {
                self.broken = Some(Broken("an SRTP index came up twice"));
                return 0;
            }
        }
        self.rtp.seal_rtp(packet, header_length, length, ssrc, index).unwrap_or_else(|| {
            self.broken = Some(NOT_ENCRYPTED);
            0
        })
    }

    /// The proof of an encrypted packet, as [`protect_rtp`](Self::protect_rtp) wrote it.
    pub fn proof(&self, packet: &[u8]) -> Proof {
        let tag = packet.len().saturating_sub(self.tag_length());
        Proof(packet.get(tag..).and_then(|tag| tag.first_chunk()).copied().unwrap_or_default())
    }

    /// Encrypts a packet again that was sent under this index before; the arguments are the same. If the result differs
    /// from the first packet, it is erased and 0 is returned: two packets encrypted under one index would reveal the
    /// key if both were sent.
    pub fn protect_rtp_again(
        &mut self,
        packet: &mut [u8],
        header_length: usize,
        length: usize,
        (ssrc, index): (u32, u64),
        proof: Proof,
    ) -> usize {
        let is_used = self.used.find(ssrc).is_some_and(|used| used.check(index) == Err(Discard::SrtpReplay));
        if !is_used || self.broken.is_some() {
            return 0;
        }
        let Some(length) = self.rtp.seal_rtp(packet, header_length, length, ssrc, index) else {
            self.broken = Some(NOT_ENCRYPTED);
            return 0;
        };
        let sealed = packet.get_mut(..length).unwrap_or_default();
        if self.proof(sealed) != proof {
            sealed.fill(0);
            return 0;
        }
        length
    }

    /// Forgets the used indexes of an SSRC. Nothing is sent under this SSRC again.
    pub fn retire(&mut self, ssrc: u32) {
        if self.used.find(ssrc).is_some() {
            self.used.forget(ssrc);
            self.retired.insert(ssrc);
        }
    }

    /// Encrypts a compound RTCP packet in place and appends the authentication trailer. Returns false if the packet is
    /// not encrypted and must not be sent: because the indexes are used up, because the context is [`Self::broken`], or
    /// because the packet has fewer than 8 octets.
    pub fn protect_rtcp(&mut self, compound: &mut Vec<u8>) -> bool {
        if self.rtcp_index > MAX_RTCP_INDEX {
            self.broken = self.broken.or(Some(Broken("the SRTCP indexes are used up")));
        }
        let (Some(ssrc), None) = (rtcp_sender(compound), self.broken) else {
            compound.clear();
            return false;
        };
        if !self.rtcp.seal_rtcp(compound, ssrc, self.rtcp_index) {
            self.broken = Some(NOT_ENCRYPTED);
            compound.clear();
            return false;
        }
        self.rtcp_index = self.rtcp_index.saturating_add(1);
        true
    }

    /// Why nothing more is encrypted with these keys. If set, the transport must end.
    pub fn broken(&self) -> Option<Broken> {
        self.broken
    }

    /// A context with no SRTCP index left.
    #[cfg(test)]
    pub(crate) fn worn_out(keys: &Keys) -> Self {
        Self { rtcp_index: MAX_RTCP_INDEX + 1, ..Self::new(keys) }
    }
}

/// Verifies and decrypts the packets of one peer.
pub struct Inbound {
    rtp: Cipher,
    rtcp: Cipher,
    rtp_streams: Streams<RTP_WORDS>,
    rtcp_streams: Streams<RTCP_WORDS>,
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

    /// Octets of what is remembered of the SSRCs that were received.
    pub fn memory(&self) -> usize {
        self.rtp_streams.memory().saturating_add(self.rtcp_streams.memory())
    }

    /// Verifies and decrypts in place. Returns the length of the decrypted packet, without the tag. After an error the
    /// payload is unusable.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8], header: &Header) -> Result<usize, Discard> {
        let Some(window) = self.rtp_streams.find(header.ssrc) else {
            return self.unprotect_first(packet, header);
        };
        let highest = window.highest().unwrap_or(0);
        let Some(index) = estimate(highest, header.sequence)
            .filter(|index| index.saturating_add(Window::<RTP_WORDS>::SIZE) > highest)
        else {
            return self.unprotect_far(packet, header, highest);
        };
        window.check(index)?;
        let length = self.rtp.open_rtp(packet, header.length, header.ssrc, index)?;
        window.mark(index);
        Ok(length)
    }

    /// Handles a packet that is older than the replay window, or more than half the sequence number space ahead: its
    /// sender skipped that many numbers, or restarted under the next rollover counter. Authentication decides which
    /// index is right.
    #[cold]
    fn unprotect_far(&mut self, packet: &mut [u8], header: &Header, highest: u64) -> Result<usize, Discard> {
        let round = highest & !0xFFFF | u64::from(header.sequence);
        // A failed attempt destroys the payload.
        let copy = packet.to_vec();
        for index in [round, round.saturating_add(1 << 16)].into_iter().filter(|&index| index > highest) {
            packet.copy_from_slice(&copy);
            if let Ok(length) = self.rtp.open_rtp(packet, header.length, header.ssrc, index) {
                if let Some(window) = self.rtp_streams.find(header.ssrc) {
                    window.mark(index);
                }
                return Ok(length);
            }
        }
        Err(Discard::SrtpTooOld)
    }

    /// Handles the first packet of an SSRC. Its rollover counter is 0, or 1 if the sender began shortly before a wrap
    /// and the packets before the wrap were lost. Not every sender begins below 2^15 (GStreamer and aiortc do not).
    #[cold]
    fn unprotect_first(&mut self, packet: &mut [u8], header: &Header) -> Result<usize, Discard> {
        if let Some(highest) = self.rtp_streams.retired(header.ssrc) {
            return self.unprotect_again(packet, header, highest);
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

    /// Handles the first packet of an SSRC that was retired. Its sender has continued to count, so older indexes are
    /// rejected.
    fn unprotect_again(&mut self, packet: &mut [u8], header: &Header, highest: u64) -> Result<usize, Discard> {
        let index = estimate(highest, header.sequence).ok_or(Discard::SrtpTooOld)?;
        if index <= highest {
            return Err(Discard::SrtpTooOld);
        }
        let length = self.rtp.open_rtp(packet, header.length, header.ssrc, index)?;
        self.rtp_streams.insert(header.ssrc).mark(index);
        Ok(length)
    }

    /// Drops the replay windows of an SSRC whose packets belong to no track, or no longer do. Only its highest index is
    /// remembered.
    pub fn retire(&mut self, ssrc: u32) {
        self.rtp_streams.retire(ssrc);
        self.rtcp_streams.retire(ssrc);
    }

    /// The number of SSRCs that have a replay window: for RTP, and for RTCP.
    pub fn streams(&self) -> (usize, usize) {
        (self.rtp_streams.len(), self.rtcp_streams.len())
    }

    /// Verifies and decrypts in place. Returns the length of the decrypted compound.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Discard> {
        let ssrc = rtcp_sender(packet).ok_or(Discard::Truncated)?;
        let index = self.rtcp.rtcp_index(packet)?;
        let known = self.rtcp_streams.find(ssrc).map(|window| window.check(u64::from(index))).transpose()?;
        if known.is_none() && self.rtcp_streams.retired(ssrc).is_some_and(|highest| u64::from(index) <= highest) {
            return Err(Discard::SrtpTooOld);
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

/// The index that ends in `sequence` and is nearest to the highest authenticated one (RFC 3711 s3.3.1, appendix A).
/// Returns `None` if it would be negative, before the first rollover.
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
