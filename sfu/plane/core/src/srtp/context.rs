//! The SRTP contexts of a transport (RFC 3711 s3.2): per SSRC, which packet index comes next and which were seen.
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

/// SRTCP indexes have 31 bits.
const MAX_RTCP_INDEX: u32 = (1 << 31) - 1;
/// SRTP indexes have 48: the rollover counter and the sequence number.
const MAX_RTP_INDEX: u64 = (1 << 48) - 1;

/// 1,024 packets: the reorder and retransmission depth of video at 10 Mbit/s in a second.
const RTP_WORDS: usize = 16;
/// 128 packets.
const RTCP_WORDS: usize = 2;

const NOT_ENCRYPTED: Broken = Broken("a packet could not be encrypted");

/// Octets of the authentication tag that tell one packet from another.
const PROOF: usize = 8;

/// What proves that a packet is the one that left under its index before: the beginning of its authentication tag, which
/// covers header, payload and index.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Proof([u8; PROOF]);

/// Encrypts what we send on one transport.
pub struct Outbound {
    rtp: Cipher,
    rtcp: Cipher,
    used: Streams<RTP_WORDS>,
    /// SSRCs that are used no more, whose indexes nobody remembers.
    retired: HashSet<u32>,
    /// One count for all our RTCP senders: each of them sees it grow, with gaps.
    rtcp_index: u32,
    /// Nothing is encrypted with these keys any more.
    broken: Option<Broken>,
}

impl Outbound {
    /// Octets that [`protect_rtp`](Self::protect_rtp) needs behind a packet, whatever the profile.
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

    /// Octets that this context's profile adds to an RTP packet.
    pub fn tag_length(&self) -> usize {
        self.rtp.tag_length()
    }

    /// Encrypts `packet[header_length..length]` in place and writes the tag behind it: returns the whole length.
    /// `index` is the rollover counter and the sequence number.
    ///
    /// One (key, SSRC, index) encrypts one plaintext, ever: under GCM a repeat gives the key away. 0: the packet is not
    /// encrypted and must not be sent. That is so of an index that lies more than 1,023 behind the highest, of which nobody
    /// remembers whether it was used; of one of an SSRC that was retired, or is one too many ([`SSRCS`], [`RETIRED_SSRCS`]);
    /// and of everything once an index came up twice ([`Self::broken`]).
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

    /// Of a packet as it left: `packet` is what [`protect_rtp`](Self::protect_rtp) made.
    pub fn proof(&self, packet: &[u8]) -> Proof {
        let tag = packet.len().saturating_sub(self.tag_length());
        Proof(packet.get(tag..).and_then(|tag| tag.first_chunk()).copied().unwrap_or_default())
    }

    /// Encrypts once more what left under this index before, by the same arguments. If it is another packet, it is erased
    /// and 0 returned: two that were encrypted under one index would give the key away if both left.
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

    /// Nothing leaves under this SSRC again: which of its indexes were used need not be remembered.
    pub fn retire(&mut self, ssrc: u32) {
        if self.used.find(ssrc).is_some() {
            self.used.forget(ssrc);
            self.retired.insert(ssrc);
        }
    }

    /// Encrypts a compound RTCP packet in place and appends what authenticates it. False: it is not encrypted and must not
    /// be sent, because the indexes are used up or something else is [`Self::broken`], or it is no compound (8 octets).
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

    /// Why nothing is encrypted with these keys any more. The transport is over.
    pub fn broken(&self) -> Option<Broken> {
        self.broken
    }

    /// With no SRTCP index left.
    #[cfg(test)]
    pub(crate) fn worn_out(keys: &Keys) -> Self {
        Self { rtcp_index: MAX_RTCP_INDEX + 1, ..Self::new(keys) }
    }
}

/// Verifies and decrypts what comes from one peer.
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

    /// Verifies and decrypts in place; returns the length in clear, without the tag. After an error the payload is of
    /// no use to anybody.
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

    /// One that is too old to tell, or from beyond half the number space: its sender left out so many numbers, or began
    /// again under the next rollover counter. That it is authentic tells which.
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

    /// The first packet of an SSRC: its rollover counter is 0, or 1 if the sender began shortly before a wrap and what
    /// it sent before the wrap got lost. Not every sender begins below 2^15 (GStreamer and aiortc do not).
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

    /// The first packet of an SSRC that was retired: its sender has gone on counting, and nothing older is taken.
    fn unprotect_again(&mut self, packet: &mut [u8], header: &Header, highest: u64) -> Result<usize, Discard> {
        let index = estimate(highest, header.sequence).ok_or(Discard::SrtpTooOld)?;
        if index <= highest {
            return Err(Discard::SrtpTooOld);
        }
        let length = self.rtp.open_rtp(packet, header.length, header.ssrc, index)?;
        self.rtp_streams.insert(header.ssrc).mark(index);
        Ok(length)
    }

    /// What this SSRC sent belongs nowhere, or not any more: its highest index is all that is remembered of it.
    pub fn retire(&mut self, ssrc: u32) {
        self.rtp_streams.retire(ssrc);
        self.rtcp_streams.retire(ssrc);
    }

    /// SSRCs with a replay window: of media, and of reports.
    pub fn streams(&self) -> (usize, usize) {
        (self.rtp_streams.len(), self.rtcp_streams.len())
    }

    /// Verifies and decrypts in place; returns the length in clear.
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
