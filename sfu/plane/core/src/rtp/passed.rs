//! Header extensions that go to subscribers as they came: which a packet has, and how they are kept with it.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use super::extension::{Extension, Treatment};

/// In the order in which they leave.
const PASSED: [Extension; 5] = [
    Extension::AudioLevel,
    Extension::PlayoutDelay,
    Extension::AbsCaptureTime,
    Extension::ContentType,
    Extension::ColorSpace,
];

/// What of them a packet has, by their place in [`PASSED`]; nothing is an empty one, as none of them can be empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Passed<'a> {
    values: [&'a [u8]; PASSED.len()],
}

impl<'a> Passed<'a> {
    /// Notes an element of a packet. One longer than its extension can be is left out: it would not fit where it leaves.
    pub fn take(&mut self, extension: Extension, value: &'a [u8]) {
        let Treatment::Passed { longest } = extension.treatment() else { return };
        for (place, kept) in PASSED.iter().zip(&mut self.values) {
            if *place == extension && value.len() <= longest {
                *kept = value;
            }
        }
    }

    /// Puts all of them into `into`, in place of what is there: of each which it is, its length, and its octets.
    pub fn store(&self, into: &mut Vec<u8>) {
        into.clear();
        for (place, value) in self.values.iter().enumerate().filter(|(_, value)| !value.is_empty()) {
            into.extend_from_slice(&[place as u8, value.len() as u8]);
            into.extend_from_slice(value);
        }
    }
}

/// What [`Passed::store`] has stored.
pub fn stored(mut octets: &[u8]) -> impl Iterator<Item = (Extension, &[u8])> + Clone {
    std::iter::from_fn(move || {
        let [place, length, rest @ ..] = octets else { return None };
        let (value, behind) = rest.split_at_checked(usize::from(*length))?;
        octets = behind;
        Some((*PASSED.get(usize::from(*place))?, value))
    })
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn all_that_are_passed_are_kept_in_one_order_and_no_others() {
        let octets: Vec<u8> = (0..28).collect();
        let mut passed = Passed::default();
        let mut expected = Vec::new();
        for extension in Extension::ALL.into_iter().rev() {
            let Treatment::Passed { longest } = extension.treatment() else {
                passed.take(extension, &octets[..1]);
                continue;
            };
            passed.take(extension, &octets[..longest]);
            expected.push((extension, &octets[..longest]));
        }
        let mut kept = vec![0xEE; 3];
        passed.store(&mut kept);
        expected.sort_by_key(|(extension, _)| PASSED.iter().position(|passed| passed == extension));
        assert_eq!(expected.len(), PASSED.len());
        assert_eq!(stored(&kept).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_longer_than_it_can_be_or_empty_is_not_kept() {
        let mut passed = Passed::default();
        passed.take(Extension::ColorSpace, &[7; 29]);
        passed.take(Extension::AudioLevel, &[7; 2]);
        passed.take(Extension::ContentType, &[]);
        let mut kept = Vec::new();
        passed.store(&mut kept);
        assert!(kept.is_empty());
    }
}
