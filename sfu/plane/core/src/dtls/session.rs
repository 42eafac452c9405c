//! One DTLS association with a peer (RFC 6347, RFC 9147), sans-IO: it yields SRTP keys (RFC 5764), then carries SCTP.
//!
//! The library sees a stream in which each read and write is one datagram. Its timers use the caller's time
//! ([`super::ffi`]). A panic inside the library ends only this association.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use boring::error::ErrorStack;
use boring::ssl::{
    self, ErrorCode, Ssl, SslAlert, SslContext, SslRef, SslStream, SslVerifyError, SslVerifyMode, SslVersion,
};

use super::clock::{Clock, FIRST_TIMEOUT, HANDSHAKE_LIMIT};
use super::identity::Identity;
use super::resend::Resend;
use super::{ffi, proof};
use crate::command::{DtlsRole, Fingerprint};
use crate::discard::Discard;
use crate::limits;
use crate::srtp::Keys;

const TOO_LONG: &str = "the handshake took too long";

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The handshake finished and the peer's certificate matches its fingerprints. These are the SRTP keys.
    Connected(Keys),
    /// One record of application data: an SCTP packet (RFC 8261).
    Data(Vec<u8>),
    Failed(&'static str),
    /// The peer sent close_notify.
    Closed,
}

pub struct Session {
    state: State,
    role: DtlsRole,
    context: SslContext,
    /// The fingerprints of the peer's certificate.
    fingerprints: Arc<[Fingerprint]>,
    clock: Clock,
    /// The time of the caller's last call.
    now: Instant,
    resend: Resend,
    /// Set by the verify callback.
    wrong_certificate: Arc<AtomicBool>,
    outgoing: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
}

enum State {
    Handshaking { stream: SslStream<Wire>, first_heard: Option<Instant> },
    Connected { stream: SslStream<Wire> },
    Ended,
}

/// The library's view of the network: one datagram per read and per write.
#[derive(Default)]
struct Wire {
    incoming: Vec<u8>,
    arrived: bool,
    outgoing: Vec<Vec<u8>>,
    #[cfg(test)]
    faulty: bool,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(test)]
        assert!(!self.faulty, "a fault in the library");
        if !std::mem::take(&mut self.arrived) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = self.incoming.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.incoming[..length]);
        Ok(length)
    }
}

impl Write for Wire {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.outgoing.push(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Session {
    /// Creates a session. `fingerprints` are those of the peer's certificate: at least one, and all must match. In the
    /// client role the first flight can be polled at once.
    pub fn new(identity: &Identity, role: DtlsRole, fingerprints: &[Fingerprint], now: Instant) -> Session {
        let mut session = Session {
            state: State::Ended,
            role,
            context: identity.context(role).clone(),
            fingerprints: fingerprints.into(),
            clock: Clock::new(now),
            now,
            resend: Resend::default(),
            wrong_certificate: Arc::default(),
            outgoing: VecDeque::new(),
            events: VecDeque::new(),
        };
        session.start();
        session
    }

    /// Starts a handshake on a new library object.
    fn start(&mut self) {
        match self.stream() {
            Ok(stream) => self.state = State::Handshaking { stream, first_heard: None },
            Err(_) => return self.fail("out of memory"),
        }
        if self.role == DtlsRole::Client {
            // Before the peer has answered, only a library fault can make this fail; that queues an event.
            let _ = self.advance();
        }
    }

    fn stream(&self) -> Result<SslStream<Wire>, ErrorStack> {
        let fingerprints = Arc::clone(&self.fingerprints);
        let wrong_certificate = Arc::clone(&self.wrong_certificate);
        let verify = move |ssl: &mut SslRef| {
            if proof::is_expected(ssl, &fingerprints) {
                return Ok(());
            }
            wrong_certificate.store(true, Ordering::Relaxed);
            Err(SslVerifyError::Invalid(SslAlert::BAD_CERTIFICATE))
        };
        let mut ssl = Ssl::new(&self.context)?;
        ssl.set_custom_verify_callback(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT, verify);
        ssl.set_mtu(limits::DATAGRAM as u32)?;
        ffi::set_initial_timeout(&mut ssl, FIRST_TIMEOUT);
        ffi::shed_handshake_config(&mut ssl);
        SslStream::new(ssl, Wire::default())
    }

    /// Handles one datagram from a validated address.
    ///
    /// # Errors
    /// `Truncated` if it is empty, `DtlsClosed` after the association ended, `DtlsError` if the datagram ends the
    /// association, `LibraryFault` if the library panicked. A datagram that the library drops silently (forged,
    /// duplicate, stale) is not an error.
    pub fn handle_datagram(&mut self, datagram: &[u8], now: Instant) -> Result<(), Discard> {
        self.now = now;
        if datagram.is_empty() {
            return Err(Discard::Truncated);
        }
        let stream = match &mut self.state {
            State::Handshaking { stream, first_heard } => {
                first_heard.get_or_insert(now);
                stream
            }
            State::Connected { stream } => stream,
            State::Ended => return Err(Discard::DtlsClosed),
        };
        let wire = stream.get_mut();
        wire.incoming.clear();
        wire.incoming.extend_from_slice(datagram);
        wire.arrived = true;
        self.advance()
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.resend.handle_timeout(now, &mut self.outgoing);
        if self.gives_up_at().is_some_and(|limit| now >= limit) {
            return self.fail(TOO_LONG);
        }
        if !self.clock.is_due(now) {
            return;
        }
        if !self.is_connected() {
            // Drops the unsent datagrams of the flight, because the library now sends the flight again.
            self.outgoing.clear();
        }
        match self.call(|stream| ffi::handle_timeout(stream.ssl_mut())) {
            Ok(true) => self.clock.shorten_wait(now),
            Ok(false) => self.gave_up(),
            // A library fault, whose event is queued.
            Err(_) => {}
        }
    }

    /// Handles the end of the library's retransmissions.
    fn gave_up(&mut self) {
        match self.state {
            // The peer has sent nothing, and there may be no path yet: start again.
            State::Handshaking { first_heard: None, .. } => {
                self.outgoing.clear();
                self.start();
            }
            State::Handshaking { .. } => self.fail(TOO_LONG),
            // DTLS 1.3: our last flight was not acknowledged. The peer decides what follows.
            State::Connected { .. } | State::Ended => {}
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        // A library fault during `send` queues an event. Without this deadline nobody would poll for it.
        let event = self.events.front().map(|_| self.now);
        [event, self.clock.poll_timeout(), self.resend.poll_timeout(), self.gives_up_at()].into_iter().flatten().min()
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub fn is_connected(&self) -> bool {
        matches!(self.state, State::Connected { .. })
    }

    /// Sends one record of application data, at most a datagram long. Does nothing unless connected.
    pub fn send(&mut self, data: &[u8]) {
        if self.is_connected() {
            // Our writes never block, so only a library fault can make this fail; that queues an event.
            let _ = self.call(|stream| stream.ssl_write(data));
        }
    }

    /// Sends close_notify if the session is connected, and ends it at once.
    pub fn close(&mut self) {
        if self.is_connected() {
            let _ = self.call(|stream| stream.shutdown());
        }
        self.end();
    }

    /// Lets the library process the datagram that arrived.
    fn advance(&mut self) -> Result<(), Discard> {
        let role = self.role;
        if let State::Handshaking { .. } = self.state {
            let result = self.call(|stream| match role {
                DtlsRole::Server => stream.accept(),
                DtlsRole::Client => stream.connect(),
            })?;
            match result {
                Ok(()) => self.connected()?,
                Err(error) if error.code() == ErrorCode::WANT_READ => return Ok(()),
                Err(error) => {
                    self.fail(self.reason(&error));
                    return Err(Discard::DtlsError);
                }
            }
        }
        self.read_records()
    }

    fn connected(&mut self) -> Result<(), Discard> {
        let State::Handshaking { stream, .. } = std::mem::replace(&mut self.state, State::Ended) else {
            return Ok(());
        };
        let Some(keys) = proof::export_keys(stream.ssl(), self.role) else {
            self.fail("no SRTP profile in common");
            return Err(Discard::DtlsError);
        };
        if self.role == DtlsRole::Server && stream.ssl().version2() == Some(SslVersion::DTLS1_2) {
            self.resend = Resend::keep(self.outgoing.iter().cloned().collect(), self.now);
        }
        self.state = State::Connected { stream };
        self.events.push_back(Event::Connected(keys));
        Ok(())
    }

    fn read_records(&mut self) -> Result<(), Discard> {
        let State::Connected { stream } = &self.state else {
            return Ok(());
        };
        let mut record = vec![0; stream.get_ref().incoming.len()];
        loop {
            match self.call(|stream| stream.ssl_read(&mut record))? {
                Ok(length) => {
                    self.resend.stop();
                    self.events.push_back(Event::Data(record[..length].to_vec()));
                }
                Err(error) if error.code() == ErrorCode::WANT_READ => return Ok(()),
                Err(error) if error.code() == ErrorCode::ZERO_RETURN => {
                    self.close();
                    self.events.push_back(Event::Closed);
                    return Ok(());
                }
                Err(error) => {
                    self.fail(self.reason(&error));
                    return Err(Discard::DtlsError);
                }
            }
        }
    }

    /// Calls into the library, then collects the datagrams it sent and its next timeout.
    fn call<R>(&mut self, call: impl FnOnce(&mut SslStream<Wire>) -> R) -> Result<R, Discard> {
        let (State::Handshaking { stream, .. } | State::Connected { stream }) = &mut self.state else {
            return Err(Discard::DtlsClosed);
        };
        let time = self.clock.time(self.now);
        let result = catch_unwind(AssertUnwindSafe(|| {
            let result = ffi::at(time, || call(stream));
            let remaining = ffi::at(time, || ffi::timeout(stream.ssl()));
            self.outgoing.extend(stream.get_mut().outgoing.drain(..));
            (result, remaining)
        }));
        let Ok((result, remaining)) = result else {
            self.fail("library fault");
            return Err(Discard::LibraryFault);
        };
        if !self.is_connected() {
            let excess = self.outgoing.len().saturating_sub(limits::HANDSHAKE_DATAGRAMS);
            self.outgoing.drain(..excess);
        }
        self.clock.wait(remaining, self.now);
        Ok(result)
    }

    fn gives_up_at(&self) -> Option<Instant> {
        match self.state {
            State::Handshaking { first_heard: Some(heard), .. } => Some(heard + HANDSHAKE_LIMIT),
            _ => None,
        }
    }

    fn reason(&self, error: &ssl::Error) -> &'static str {
        let alert =
            |errors: &ErrorStack| errors.errors().iter().any(|e| e.reason().is_some_and(|r| r.contains("ALERT")));
        if self.wrong_certificate.load(Ordering::Relaxed) {
            "the certificate does not match the fingerprint"
        } else if error.ssl_error().is_some_and(alert) {
            "the peer sent a fatal alert"
        } else {
            "protocol error"
        }
    }

    fn fail(&mut self, reason: &'static str) {
        self.end();
        self.events.push_back(Event::Failed(reason));
    }

    /// Frees the association. Datagrams that are already queued, such as an alert, are still sent.
    fn end(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Ended);
        // After a fault the library's object may be in any state, and dropping it may panic.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(state)));
        self.clock.stop();
        self.resend.stop();
    }

    #[cfg(test)]
    pub(super) fn break_library(&mut self) {
        if let State::Handshaking { stream, .. } | State::Connected { stream } = &mut self.state {
            stream.get_mut().faulty = true;
        }
    }

    #[cfg(test)]
    pub(super) fn version(&self) -> Option<SslVersion> {
        match &self.state {
            State::Connected { stream } => stream.ssl().version2(),
            _ => None,
        }
    }
}
