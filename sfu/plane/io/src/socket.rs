//! One UDP socket. It receives datagrams in batches (recvmmsg), with the kernel's timestamp and the address they were
//! sent to, and sends them in batches (sendmmsg) from that address, in segments if the kernel can split them
//! (UDP_SEGMENT).

mod apart;
mod receive;
mod send;

use std::io;
use std::mem::size_of;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};

use libc::c_int;
use socket2::{Domain, Protocol, SockAddr, Type};

use crate::control::Control;

pub use receive::{Arrived, Inbound};
pub use send::Sent;

/// Datagrams per system call, in each direction. More than about 16 gains nothing.
const BATCH: usize = 64;
/// Octets that the kernel buffers while this thread is not running: 100 ms at 300 Mbit/s. It may grant less.
const KERNEL_BUFFER: usize = 4 * 1024 * 1024;

pub struct Socket {
    socket: socket2::Socket,
    local: SocketAddr,
    /// True if the kernel can split a message into datagrams.
    segmentation: bool,
    names: Vec<SockAddr>,
    controls: Box<[Control; BATCH]>,
    pub sent: Sent,
}

impl Socket {
    /// Binds without SO_REUSEPORT, so that no other socket shares the port.
    pub fn bind(address: SocketAddr) -> io::Result<Socket> {
        Socket::open(address, false)
    }

    /// Opens and binds a socket. With `reuse_port`, it shares the address with sockets that also set SO_REUSEPORT.
    fn open(address: SocketAddr, reuse_port: bool) -> io::Result<Socket> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        match address {
            SocketAddr::V4(_) => set(&socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?,
            SocketAddr::V6(_) => {
                // IPv4 has separate sockets, so that an address has only one form.
                socket.set_only_v6(true)?;
                set(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
            }
        }
        set(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
        grow(&socket, libc::SO_RCVBUFFORCE, libc::SO_RCVBUF);
        grow(&socket, libc::SO_SNDBUFFORCE, libc::SO_SNDBUF);
        set(&socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, reuse_port.into())?;
        socket.bind(&address.into())?;
        let local = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        // Zero changes nothing. The call only tests whether the kernel knows the option.
        let segmentation = set(&socket, libc::SOL_UDP, libc::UDP_SEGMENT, 0).is_ok();
        Ok(Socket {
            socket,
            local,
            segmentation,
            names: Vec::with_capacity(BATCH),
            controls: Box::new([Control::default(); BATCH]),
            sent: Sent::default(),
        })
    }

    pub fn local(&self) -> SocketAddr {
        self.local
    }

    pub fn has_segmentation(&self) -> bool {
        self.segmentation
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn set(socket: &socket2::Socket, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    let size = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the option's value is an int that outlives the call.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), size) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sets a buffer size. `forced` may exceed the system's limit but needs a privilege; `polite` is capped at the limit.
/// `sfu doctor` warns of small limits.
fn grow(socket: &socket2::Socket, forced: c_int, polite: c_int) {
    if set(socket, libc::SOL_SOCKET, forced, KERNEL_BUFFER as c_int).is_err() {
        let _ = set(socket, libc::SOL_SOCKET, polite, KERNEL_BUFFER as c_int);
    }
}

#[cfg(test)]
mod fixtures {
    //! Sockets on loopback.

    use std::net::UdpSocket;
    use std::time::{Duration, Instant};

    use plane_core::command::Path;

    use super::*;

    pub fn socket(address: &str) -> Socket {
        Socket::bind(address.parse().unwrap()).unwrap()
    }

    pub fn peer(address: &str) -> UdpSocket {
        let peer = UdpSocket::bind(address).unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        peer
    }

    pub fn path(socket: &Socket, peer: &UdpSocket) -> Path {
        Path::udp(socket.local(), peer.local_addr().unwrap())
    }

    /// Loopback delivers within the send call, but the timestamp option takes effect a little later.
    pub fn receive(socket: &Socket, inbound: &mut Inbound, count: usize) -> Vec<(Vec<u8>, Path)> {
        let mut all = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(5);
        while all.len() < count && Instant::now() < deadline {
            socket.receive(inbound).unwrap();
            all.extend(inbound.arrived().map(|arrived| (arrived.datagram.to_vec(), arrived.path)));
        }
        all
    }

    pub fn received_by(peer: &UdpSocket, count: usize) -> Vec<usize> {
        let mut buffer = [0; 4_096];
        (0..count).map(|_| peer.recv(&mut buffer).unwrap()).collect()
    }
}
