//! A broken invariant of one transport ends that transport, and nothing else.
//!
//! What touches one transport alone runs inside [`contain`], or says itself that it is [`Broken`]. What belongs to the
//! worker (its arenas, its indexes, its sockets) panics, and ends the process: nobody can say what is still true then.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Why a transport cannot go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Broken(pub &'static str);

/// Runs `work`, which changes nothing but one transport and what hangs on it. The words of a panic are in the log.
pub fn contain<R>(work: impl FnOnce() -> R) -> Result<R, Broken> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Broken("an internal error, which is in the log"))
}
