//! How an encoding's RTP timestamps map to its sender's wall clock: the NTP/RTP pair of its last sender report
//! (RFC 3550 s6.4.1).

use crate::time::Ntp;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SenderClock {
    /// Hz.
    pub rate: u32,
    pub ntp: Ntp,
    pub rtp: u32,
}

impl SenderClock {
    /// The sender's wall time at which it would stamp `rtp`.
    pub fn ntp_at(&self, rtp: u32) -> Ntp {
        let ticks = i64::from(rtp.wrapping_sub(self.rtp) as i32);
        let offset = (i128::from(ticks) << 32) / i128::from(self.rate.max(1));
        Ntp(self.ntp.0.wrapping_add(offset as u64))
    }

    /// The RTP timestamp it would put on something captured at `ntp`.
    pub fn rtp_at(&self, ntp: Ntp) -> u32 {
        let elapsed = i128::from(ntp.0.wrapping_sub(self.ntp.0) as i64);
        let ticks = (elapsed * i128::from(self.rate)) >> 32;
        self.rtp.wrapping_add(ticks as u32)
    }
}
