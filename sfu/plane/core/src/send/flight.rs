//! The transport-wide sequence numbers of sent packets: the next one, and the range that feedback may cover.

use crate::limits::FEEDBACK_STATUSES;

/// The numbers of one transport, starting at 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flight {
    sent: u64,
}

impl Flight {
    /// The next number.
    pub fn next(&self) -> u16 {
        self.sent as u16
    }

    /// Records that a packet was sent with the next number.
    pub fn sent(&mut self) {
        self.sent += 1;
    }

    /// True if all these numbers were sent, and recently enough to distinguish them from future ones.
    pub fn covers(&self, base: u16, count: u16) -> bool {
        let back = u64::from(self.next().wrapping_sub(base));
        back <= self.sent.min(FEEDBACK_STATUSES.into()) && (1..=back).contains(&count.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feedback_is_about_numbers_that_have_left_and_no_others() {
        let table = [
            // Sent so far, base, count.
            (0, 0, 1, false),
            (0, 65_535, 1, false),
            (1, 0, 1, true),
            (1, 0, 0, false),
            (1, 0, 2, false),
            (1, 1, 1, false),
            (1, 65_535, 2, false),
            (100, 90, 10, true),
            (100, 90, 11, false),
            (65_540, 65_530, 10, true),
            (65_540, 65_530, 11, false),
            (65_540, 4, 1, false),
            (200_000, (200_000_u32 - 32_768) as u16, 32_768, true),
            (200_000, (200_000_u32 - 32_769) as u16, 1, false),
        ];
        for (sent, base, count, expected) in table {
            assert_eq!(Flight { sent }.covers(base, count), expected, "{count} from {base} on, of {sent}");
        }
    }
}
