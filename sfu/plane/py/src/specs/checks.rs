//! The checks that several specs share: ranges, lengths, and that related objects belong to the same worker.

use std::time::Duration;

use plane_core::command as core;
use plane_core::id::WORKER_SHIFT;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The length of a SHA-256, 384 or 512 digest in octets.
pub(super) fn digest_length(hash: core::Hash) -> usize {
    match hash {
        core::Hash::Sha256 => 32,
        core::Hash::Sha384 => 48,
        core::Hash::Sha512 => 64,
    }
}

pub(super) fn refuse<T>(sentence: impl Into<String>) -> PyResult<T> {
    Err(PyValueError::new_err(sentence.into()))
}

/// Converts `value` to the narrower integer type of the plane, or raises if it is not in the range.
pub(super) fn within<T: TryFrom<i64>>(what: &str, value: i64, from: i64, to: i64) -> PyResult<T> {
    let narrow = T::try_from(value).ok().filter(|_| (from..=to).contains(&value));
    narrow.ok_or_else(|| PyValueError::new_err(format!("{what} is {value}, not within {from}..{to}")))
}

pub(super) fn not_empty(what: &str, text: &str, longest: usize) -> PyResult<()> {
    if text.is_empty() || text.len() > longest {
        return refuse(format!("{what} has {} octets, not 1..{longest}", text.len()));
    }
    Ok(())
}

/// Checks that an object belongs to the same worker as its transport.
pub(super) fn beside(what: &str, id: u64, transport: u64) -> PyResult<()> {
    let (own, its) = (id >> WORKER_SHIFT, transport >> WORKER_SHIFT);
    if own != its {
        return refuse(format!("{what} {id} is of worker {own}, its transport {transport} of worker {its}"));
    }
    Ok(())
}

pub(super) fn seconds(what: &str, value: f64) -> PyResult<Duration> {
    match Duration::try_from_secs_f64(value) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => refuse(format!("{what} is {value} s, not a time span above 0")),
    }
}
