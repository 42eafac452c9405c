//! One SCTP association over DTLS (RFC 8261, 8831): wraps the SCTP library and isolates its faults.
//!
//! The library is sans-IO like this crate, but not `Send`: an association stays on its worker's thread. A panic in the
//! library ends this association and nothing else. The unmodified library formats every packet as hex for a log that
//! nobody reads (19 us for 1,000 octets), which is most of the cost of a message.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use dcsctp::api::{
    DcSctpSocket, ErrorKind, LifecycleId, Message, Options, PpId, ResetStreamsError, SendOptions, SocketEvent,
    SocketState, SocketTime, StreamId,
};

use crate::command::{Reliability, SctpSpec};
use crate::config::DataLimits;
use crate::discard::Discard;
use crate::limits::{SCTP_MESSAGES_READY, SCTP_PACKET, SCTP_STREAMS};
use crate::time::{Duration, Instant, ms};

/// The longest time between retransmissions (libwebrtc: dcsctp_transport.cc, kMaxTimerBackoffDuration). ICE detects
/// whether the peer is reachable, and after an outage data should return as soon as media does.
const MAX_BACKOFF: Duration = ms(3_000);

/// An event of the association.
#[derive(Debug, PartialEq, Eq)]
pub enum Notice {
    Connected,
    /// The peer restarted the association: all streams are unused again, and messages in flight are lost.
    Restarted,
    /// The association has ended and is not restarted.
    Ended(&'static str),
    /// The peer resets these streams in its direction, after `after` messages are taken. An empty list means all.
    PeerReset {
        streams: Vec<u16>,
        after: u64,
    },
    /// The peer performed our reset of these streams.
    ResetDone(Vec<u16>),
    /// The peer refused our reset of these streams. They are unchanged.
    ResetFailed(Vec<u16>),
    /// The message with this ticket was acknowledged or abandoned. Its octets are no longer queued.
    Settled(u64),
}

/// How a message is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Carriage {
    pub ordered: bool,
    pub reliability: Reliability,
}

pub struct Association {
    /// `None` after the association ended.
    socket: Option<Box<dyn DcSctpSocket>>,
    epoch: Instant,
    /// The latest time passed to the library.
    now: Instant,
    timeout: Option<Instant>,
    packets: VecDeque<Vec<u8>>,
    notices: VecDeque<Notice>,
    connected: bool,
    malformed: bool,
    /// The number of messages taken so far.
    taken: u64,
}

impl Association {
    pub fn new(spec: SctpSpec, limits: &DataLimits, now: Instant) -> Self {
        let options = Options {
            local_port: spec.local_port,
            remote_port: spec.remote_port,
            mtu: SCTP_PACKET,
            announced_maximum_incoming_streams: SCTP_STREAMS,
            announced_maximum_outgoing_streams: SCTP_STREAMS,
            // channels.rs checks sizes and gives reasons. The limits of the library must not be stricter.
            max_message_size: limits.buffered,
            max_receiver_window_buffer_size: limits.receive_window,
            max_send_buffer_size: limits.buffered.saturating_mul(2),
            per_stream_send_queue_limit: limits.buffered.saturating_mul(2),
            max_timer_backoff_duration: Some(MAX_BACKOFF),
            max_retransmissions: None,
            max_init_retransmits: None,
            ..Options::default()
        };
        let mut association = Self {
            socket: None,
            epoch: now,
            now,
            timeout: None,
            packets: VecDeque::new(),
            notices: VecDeque::new(),
            connected: false,
            malformed: false,
            taken: 0,
        };
        match catch_unwind(|| dcsctp::new_socket("", &options)) {
            Ok(socket) => association.socket = Some(socket),
            Err(_) => association.end("library fault"),
        }
        association
    }

    /// Starts the association after the DTLS handshake. Both peers do so (RFC 8841 s9.3).
    pub fn connect(&mut self, now: Instant) {
        self.call(now, |socket| {
            if socket.state() == SocketState::Closed {
                socket.connect();
            }
        });
    }

    pub fn handle_packet(&mut self, packet: &[u8], now: Instant) -> Result<(), Discard> {
        if self.socket.as_ref().ok_or(Discard::SctpMalformed)?.messages_ready_count() >= SCTP_MESSAGES_READY {
            return Err(Discard::MessageRate);
        }
        self.malformed = false;
        if self.call(now, |socket| socket.handle_input(packet)).is_none() {
            return Err(Discard::LibraryFault);
        }
        if self.malformed { Err(Discard::SctpMalformed) } else { Ok(()) }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.call(now, |_| ());
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timeout
    }

    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.packets.pop_front()
    }

    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    pub fn is_connected(&self) -> bool {
        self.connected
    }

    pub fn has_ended(&self) -> bool {
        self.socket.is_none()
    }

    /// Returns the next complete message, in order: stream, PPID and payload.
    pub fn next_message(&mut self) -> Option<(u16, u32, Vec<u8>)> {
        if self.socket.as_ref()?.messages_ready_count() == 0 {
            return None;
        }
        let message = self.call(self.now, |socket| socket.get_next_message())??;
        self.taken += 1;
        Some((message.stream_id.0, message.ppid.0, message.payload))
    }

    /// Sends a message. False if the library refuses it. [`Notice::Settled`] returns the ticket.
    pub fn send(
        &mut self,
        stream: u16,
        ppid: u32,
        payload: Vec<u8>,
        carriage: Carriage,
        ticket: Option<u64>,
        now: Instant,
    ) -> bool {
        let options = SendOptions {
            unordered: !carriage.ordered,
            lifetime: match carriage.reliability {
                Reliability::Lifetime(limit) => Some(ms(limit.into())),
                _ => None,
            },
            max_retransmissions: match carriage.reliability {
                Reliability::Retransmits(limit) => Some(limit),
                _ => None,
            },
            lifecycle_id: ticket.and_then(LifecycleId::new),
        };
        let message = Message::new(StreamId(stream), PpId(ppid), payload);
        self.call(now, |socket| socket.send(message, &options)).is_some_and(|sent| sent.is_ok())
    }

    /// Resets a stream in our direction (RFC 6525). False if the peer does not support resets.
    pub fn reset(&mut self, stream: u16, now: Instant) -> bool {
        let result = self.call(now, |socket| socket.reset_streams(&[StreamId(stream)]));
        !matches!(result, Some(Err(ResetStreamsError::NotSupported)))
    }

    /// Ends the association and sends an ABORT to the peer.
    pub fn abort(&mut self, now: Instant) {
        self.call(now, |socket| socket.close());
    }

    /// True if some sent data is neither acknowledged nor abandoned.
    pub fn is_sending(&self) -> bool {
        let metrics = self.socket.as_ref().and_then(|socket| socket.get_metrics());
        metrics.is_none_or(|metrics| metrics.unack_data_count > 0)
    }

    /// Advances the library's time, then runs `work`. `None` if the association has ended or the library panics.
    fn call<T>(&mut self, now: Instant, work: impl FnOnce(&mut dyn DcSctpSocket) -> T) -> Option<T> {
        let mut socket = self.socket.take()?;
        self.now = self.now.max(now);
        let time = SocketTime::zero() + self.now.saturating_duration_since(self.epoch);
        let outcome = catch_unwind(AssertUnwindSafe(move || {
            socket.advance_time(time);
            let result = work(&mut *socket);
            let timeout = socket.poll_timeout();
            (socket, timeout, result)
        }));
        let Ok((socket, timeout, result)) = outcome else {
            self.end("library fault");
            return None;
        };
        let until = timeout - SocketTime::zero();
        self.timeout = (timeout != SocketTime::infinite_future()).then(|| self.epoch.checked_add(until)).flatten();
        self.socket = Some(socket);
        self.collect();
        Some(result)
    }

    fn collect(&mut self) {
        while let Some(event) = self.socket.as_mut().and_then(|socket| socket.poll_event()) {
            let numbers = |streams: Vec<StreamId>| streams.into_iter().map(|stream| stream.0).collect();
            match event {
                SocketEvent::SendPacket(packet) => self.packets.push_back(packet),
                SocketEvent::OnConnected() => {
                    self.connected = true;
                    self.notices.push_back(Notice::Connected);
                }
                SocketEvent::OnConnectionRestarted() => self.notices.push_back(Notice::Restarted),
                SocketEvent::OnClosed() => self.end("closed"),
                SocketEvent::OnAborted(ErrorKind::PeerReported, _) => self.end("closed by the peer"),
                SocketEvent::OnAborted(ErrorKind::TooManyRetries, _) => self.end("no answer"),
                SocketEvent::OnAborted(..) => self.end("protocol violation"),
                SocketEvent::OnError(ErrorKind::ParseFailed | ErrorKind::ProtocolViolation, _) => self.malformed = true,
                SocketEvent::OnIncomingStreamReset(streams) => {
                    let ready = self.socket.as_ref().map_or(0, |socket| socket.messages_ready_count() as u64);
                    self.notices.push_back(Notice::PeerReset { streams: numbers(streams), after: self.taken + ready });
                }
                SocketEvent::OnStreamsResetPerformed(streams) => {
                    self.notices.push_back(Notice::ResetDone(numbers(streams)));
                }
                SocketEvent::OnStreamsResetFailed(streams) => {
                    self.notices.push_back(Notice::ResetFailed(numbers(streams)));
                }
                SocketEvent::OnLifecycleEnd(id) => self.notices.push_back(Notice::Settled(id.value())),
                _ => {}
            }
        }
    }

    fn end(&mut self, reason: &'static str) {
        self.socket = None;
        self.connected = false;
        self.timeout = None;
        self.notices.push_back(Notice::Ended(reason));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_the_library_ends_the_association_and_no_more() {
        let now = Instant::now();
        let spec = SctpSpec { local_port: 5_000, remote_port: 5_000, max_message_size: 0 };
        let mut association = Association::new(spec, &DataLimits::default(), now);
        association.connect(now);
        assert!(association.poll_timeout().is_some());
        assert_eq!(association.call(now, |_| -> u8 { panic!("as a fault in the library would") }), None);

        assert_eq!(association.poll_notice(), Some(Notice::Ended("library fault")));
        assert!(association.has_ended() && association.poll_timeout().is_none());
        assert_eq!(association.handle_packet(&[0; 12], now), Err(Discard::SctpMalformed));
        assert_eq!(association.next_message(), None);
        association.handle_timeout(now + ms(1_000));
        assert_eq!(association.poll_notice(), None);
    }
}
