//! Maps an encoding's RTP timestamps to its sender's wall clock, by the NTP/RTP pair of a sender report (RFC 3550
//! s6.4.1).

use crate::time::{Instant, Ntp};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SenderClock {
    /// Hz.
    pub rate: u32,
    pub ntp: Ntp,
    pub rtp: u32,
    /// When the report arrived, a little after its sender's clock showed `ntp`.
    pub heard: Instant,
}

impl SenderClock {
    /// The sender's wall time for the RTP timestamp `rtp`.
    pub fn ntp_at(&self, rtp: u32) -> Ntp {
        let ticks = i64::from(rtp.wrapping_sub(self.rtp) as i32);
        let offset = (i128::from(ticks) << 32) / i128::from(self.rate.max(1));
        Ntp(self.ntp.0.wrapping_add(offset as u64))
    }

    /// The RTP timestamp of media captured at `ntp`.
    pub fn rtp_at(&self, ntp: Ntp) -> u32 {
        let elapsed = i128::from(ntp.0.wrapping_sub(self.ntp.0) as i64);
        let ticks = (elapsed * i128::from(self.rate)) >> 32;
        self.rtp.wrapping_add(ticks as u32)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1 << 32;

    #[test]
    fn a_second_of_video_is_ninety_thousand_ticks_in_both_directions_and_across_the_wrap() {
        let clock = SenderClock { rate: 90_000, ntp: Ntp(1_000 * SECOND), rtp: 45_000, heard: Instant::now() };
        assert_eq!(clock.ntp_at(135_000), Ntp(1_001 * SECOND));
        assert_eq!(clock.ntp_at(45_000u32.wrapping_sub(90_000)), Ntp(999 * SECOND));
        assert_eq!(clock.rtp_at(Ntp(1_001 * SECOND)), 135_000);
        assert_eq!(clock.rtp_at(Ntp(999 * SECOND)), 45_000u32.wrapping_sub(90_000));
    }

    proptest! {
        #[test]
        fn a_timestamp_survives_the_way_through_wall_time(ntp: u64, rtp: u32, at: u32) {
            let clock = SenderClock { rate: 90_000, ntp: Ntp(ntp), rtp, heard: Instant::now() };
            let back = clock.rtp_at(clock.ntp_at(at));
            prop_assert!(back.wrapping_sub(at).wrapping_add(1) <= 2, "{} became {}", at, back);
        }
    }
}
