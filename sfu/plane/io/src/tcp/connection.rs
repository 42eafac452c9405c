//! One TCP connection of a peer: its frames, and the octets that the kernel has not accepted yet.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, RawFd};

use libc::c_int;
use plane_core::command::Path;
use plane_core::ice::framing::{self, Deframer};
use plane_core::id::LinkId;
use plane_core::limits::LINK_QUEUE;
use plane_core::link::most_unsent;

/// Octets that the kernel keeps until the peer has acknowledged them: 400 ms of 5 Mbit/s. The kernel doubles it for its
/// own needs.
const KERNEL_BUFFER: c_int = 256 * 1024;

/// What reading a connection led to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// Perhaps there is more.
    Open,
    /// The peer has closed it, or the network has.
    Over,
    /// The peer sent something else than frames.
    Malformed,
}

pub struct Connection {
    stream: TcpStream,
    pub path: Path,
    incoming: Deframer,
    /// Framed octets that the kernel has not accepted; those before `sent` have left.
    waiting: Vec<u8>,
    sent: usize,
    /// The kernel is to report when it accepts more.
    pub awaits_room: bool,
    /// It was in nobody's use at the last look.
    pub was_idle: bool,
}

impl Connection {
    /// Takes over an accepted connection.
    pub fn new(stream: TcpStream, link: LinkId) -> io::Result<Connection> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let socket = socket2::SockRef::from(&stream);
        socket.set_send_buffer_size(KERNEL_BUFFER as usize)?;
        set_most_unsent(&stream, most_unsent() as c_int)?;
        let path = Path { link, local: canonical(stream.local_addr()?), remote: canonical(stream.peer_addr()?) };
        Ok(Connection {
            stream,
            path,
            incoming: Deframer::default(),
            waiting: Vec::new(),
            sent: 0,
            awaits_room: false,
            was_idle: false,
        })
    }

    /// Reads once, and passes each complete datagram to `handle`.
    pub fn read(&mut self, buffer: &mut [u8], handle: impl FnMut(&mut [u8])) -> Reading {
        match self.stream.read(buffer) {
            Ok(0) => Reading::Over,
            Ok(count) => self.take(&mut buffer[..count], handle),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Reading::Open,
            Err(_) => Reading::Over,
        }
    }

    /// Handles octets that were read from the connection.
    pub fn take(&mut self, octets: &mut [u8], handle: impl FnMut(&mut [u8])) -> Reading {
        if self.incoming.read(octets, handle).is_ok() { Reading::Open } else { Reading::Malformed }
    }

    /// Queues a datagram. Returns false if it was dropped, because too much waits.
    pub fn queue(&mut self, datagram: &[u8]) -> bool {
        if self.waiting() + framing::HEADER + datagram.len() > LINK_QUEUE {
            return false;
        }
        framing::write(&mut self.waiting, datagram);
        true
    }

    /// Passes what waits to the kernel, as far as it accepts it.
    pub fn flush(&mut self) -> Reading {
        while self.sent < self.waiting.len() {
            match self.stream.write(&self.waiting[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Reading::Over,
            }
        }
        self.waiting.drain(..self.sent);
        self.sent = 0;
        Reading::Open
    }

    /// Octets that the kernel has not accepted.
    pub fn waiting(&self) -> usize {
        self.waiting.len() - self.sent
    }

    /// Octets that may be sent before [`most_unsent`] are unsent.
    pub fn room(&self) -> usize {
        most_unsent().saturating_sub(self.waiting() + unsent(&self.stream))
    }
}

impl AsRawFd for Connection {
    fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}

/// An IPv4 address has one form, also at a socket of IPv6.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The kernel accepts no more while this many octets are unsent, and reports that there is room at half of it.
fn set_most_unsent(stream: &TcpStream, octets: c_int) -> io::Result<()> {
    let size = size_of::<c_int>() as libc::socklen_t;
    let value = (&raw const octets).cast();
    // SAFETY: the option's value is an int that outlives the call.
    let result =
        unsafe { libc::setsockopt(stream.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT, value, size) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Octets that the kernel has accepted and not sent (tcp(7), SIOCOUTQNSD).
fn unsent(stream: &TcpStream) -> usize {
    const SIOCOUTQNSD: libc::c_ulong = 0x894B;
    let mut octets: c_int = 0;
    // SAFETY: the request writes one int.
    let result = unsafe { libc::ioctl(stream.as_raw_fd(), SIOCOUTQNSD as _, &raw mut octets) };
    if result < 0 { 0 } else { usize::try_from(octets).unwrap_or(0) }
}
