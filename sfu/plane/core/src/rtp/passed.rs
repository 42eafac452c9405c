//! Header extensions that are forwarded to subscribers unchanged: reading them from a packet and storing them with it.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use super::extension::{Extension, Treatment};

/// In the order in which they are sent.
const PASSED: [Extension; 5] = [
    Extension::AudioLevel,
    Extension::PlayoutDelay,
    Extension::AbsCaptureTime,
    Extension::ContentType,
    Extension::ColorSpace,
];

/// The values in one packet, by their place in [`PASSED`]. Empty means missing: no extension has an empty value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Passed<'a> {
    values: [&'a [u8]; PASSED.len()],
}

impl<'a> Passed<'a> {
    /// Keeps an element of a packet. Drops one that is longer than its extension allows: outgoing packets have no room
    /// for it.
    pub fn take(&mut self, extension: Extension, value: &'a [u8]) {
        let Treatment::Passed { longest } = extension.treatment() else { return };
        for (place, kept) in PASSED.iter().zip(&mut self.values) {
            if *place == extension && value.len() <= longest {
                *kept = value;
            }
        }
    }

    /// Replaces the contents of `into` with all values: for each its place in [`PASSED`], its length and its octets.
    pub fn store(&self, into: &mut Vec<u8>) {
        into.clear();
        for (place, value) in self.values.iter().enumerate().filter(|(_, value)| !value.is_empty()) {
            into.extend_from_slice(&[place as u8, value.len() as u8]);
            into.extend_from_slice(value);
        }
    }
}

/// Reads the values that [`Passed::store`] stored.
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
