//! The library's timers and its clock, which the safe API does not reach: the only `unsafe` of this crate.
//!
//! BoringSSL reads the time by a callback of the `SSL_CTX` that is not told which connection asks. So the time is laid
//! down in a thread-local before each call into the library ([`at`]), and the callback reads it there.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::time::Duration;

use boring::ssl::{SslContextBuilder, SslRef};
use boring_sys as sys;
use foreign_types_shared::ForeignTypeRef;

thread_local! {
    /// What the callback answers during the call that is under way.
    static TIME: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Runs `call` with the library's clock at `time`, counted from wherever the caller likes.
pub(super) fn at<R>(time: Duration, call: impl FnOnce() -> R) -> R {
    TIME.set(time);
    call()
}

unsafe extern "C" fn current_time(_: *const sys::SSL, out: *mut sys::timeval) {
    let time = TIME.get();
    // SAFETY: the library passes a `timeval` of its own to be written.
    unsafe {
        (*out).tv_sec = time.as_secs() as _;
        (*out).tv_usec = time.subsec_micros() as _;
    }
}

/// From now on the connections of this context live in the time of [`at`].
pub(super) fn inject_clock(context: &mut SslContextBuilder) {
    // SAFETY: the pointer is that of a live context, the callback has the type asked for and no captures.
    unsafe { sys::SSL_CTX_set_current_time_cb(context.as_ptr(), Some(current_time)) }
}

/// How long the first transmission of a flight waits for its answer; it doubles with each retransmission.
pub(super) fn set_initial_timeout(ssl: &mut SslRef, timeout: Duration) {
    // SAFETY: `ssl` is a live connection, borrowed for this call.
    unsafe { sys::DTLSv1_set_initial_timeout_duration(ssl.as_ptr(), timeout.as_millis() as u32) }
}

/// Frees what only the handshake needs, once it is over (1.4 KiB a peer).
pub(super) fn shed_handshake_config(ssl: &mut SslRef) {
    // SAFETY: `ssl` is a live connection, borrowed for this call.
    unsafe { sys::SSL_set_shed_handshake_config(ssl.as_ptr(), 1) }
}

/// How long until [`handle_timeout`] is due, if a timer is running.
pub(super) fn timeout(ssl: &SslRef) -> Option<Duration> {
    let mut remaining = sys::timeval { tv_sec: 0, tv_usec: 0 };
    // SAFETY: `ssl` is a live connection and `remaining` outlives the call, which only writes to it.
    let running = unsafe { sys::DTLSv1_get_timeout(ssl.as_ptr(), &mut remaining) } == 1;
    running.then(|| Duration::new(remaining.tv_sec as u64, 0) + Duration::from_micros(remaining.tv_usec as u64))
}

/// Sends again what was not answered (or, in DTLS 1.3, acknowledges) if its timer has run out. Says no when it has done
/// so a dozen times for one flight and does it no more.
pub(super) fn handle_timeout(ssl: &mut SslRef) -> bool {
    // SAFETY: `ssl` is a live connection, borrowed for this call.
    unsafe { sys::DTLSv1_handle_timeout(ssl.as_ptr()) >= 0 }
}
