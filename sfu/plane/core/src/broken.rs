//! A broken invariant of one transport ends that transport and nothing else.
//!
//! Code that touches only one transport runs inside [`contain`], or returns [`Broken`]. Code of the worker (its arenas,
//! its indexes, its sockets) panics and ends the process, because its state is unknown after that.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// The reason why a transport cannot continue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Broken(pub &'static str);

/// Runs `work`, which may change only one transport and what it owns. The message of a panic is in the log.
pub fn contain<R>(work: impl FnOnce() -> R) -> Result<R, Broken> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Broken("an internal error, which is in the log"))
}
