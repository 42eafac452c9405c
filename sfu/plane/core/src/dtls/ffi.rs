//! Bindings to the library's timers and clock, which the safe API does not offer. This is the only `unsafe` code of the
//! crate.
//!
//! BoringSSL reads the time through a callback of the `SSL_CTX`, which is not passed the session that asks. So [`at`]
//! stores the time in a thread-local before each call into the library, and the callback reads it there.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::time::Duration;

use boring::ssl::{SslContextBuilder, SslRef};
use boring_sys as sys;
use foreign_types_shared::ForeignTypeRef;

thread_local! {
    /// The time that the callback returns during the current call.
    static TIME: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Runs `call` with the library's clock at `time`, which may count from any origin.
pub(super) fn at<R>(time: Duration, call: impl FnOnce() -> R) -> R {
    TIME.set(time);
    call()
}

unsafe extern "C" fn current_time(_: *const sys::SSL, out: *mut sys::timeval) {
    let time = TIME.get();
    // SAFETY: the library passes a valid `timeval` to be written.
    unsafe {
        (*out).tv_sec = time.as_secs() as _;
        (*out).tv_usec = time.subsec_micros() as _;
    }
}

/// Makes the connections of this context use the time set by [`at`].
pub(super) fn inject_clock(context: &mut SslContextBuilder) {
    // SAFETY: the pointer belongs to a live context; the callback has the required type and no captures.
    unsafe { sys::SSL_CTX_set_current_time_cb(context.as_ptr(), Some(current_time)) }
}

/// Sets how long to wait for an answer to the first transmission of a flight. The library doubles it with each
/// retransmission.
pub(super) fn set_initial_timeout(ssl: &mut SslRef, timeout: Duration) {
    // SAFETY: `ssl` is a live connection, borrowed for this call.
    unsafe { sys::DTLSv1_set_initial_timeout_duration(ssl.as_ptr(), timeout.as_millis() as u32) }
}

/// Makes the library free the handshake's configuration once the handshake is over (1.4 KiB a peer).
pub(super) fn shed_handshake_config(ssl: &mut SslRef) {
    // SAFETY: `ssl` is a live connection, borrowed for this call.
    unsafe { sys::SSL_set_shed_handshake_config(ssl.as_ptr(), 1) }
}

/// The time until [`handle_timeout`] is due, or `None` if no timer runs.
pub(super) fn timeout(ssl: &SslRef) -> Option<Duration> {
    let mut remaining = sys::timeval { tv_sec: 0, tv_usec: 0 };
    // SAFETY: `ssl` is a live connection and `remaining` outlives the call, which only writes to it.
    let running = unsafe { sys::DTLSv1_get_timeout(ssl.as_ptr(), &mut remaining) } == 1;
    running.then(|| Duration::new(remaining.tv_sec as u64, 0) + Duration::from_micros(remaining.tv_usec as u64))
}

/// Retransmits the unanswered flight (in DTLS 1.3 it may also send an acknowledgement) if its timer has expired.
/// Returns false once a flight has been retransmitted a dozen times; the library then stops retransmitting.
pub(super) fn handle_timeout(ssl: &mut SslRef) -> bool {
    // SAFETY: `ssl` is a live connection, borrowed for this call.
    unsafe { sys::DTLSv1_handle_timeout(ssl.as_ptr()) >= 0 }
}
