//! One UDP socket: datagrams come in batches (recvmmsg) with the kernel's time stamp and the address they were sent
//! to, and leave in batches (sendmmsg) from that address, in segments where the kernel can cut them (UDP_SEGMENT).

use std::io;
use std::mem::size_of;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use libc::{c_int, c_uint, iovec, mmsghdr, msghdr, sockaddr_storage};
use plane_core::batch::{MAX_DATAGRAM, Message};
use plane_core::command::Path;
use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Type};

use crate::control::Control;

/// Datagrams per system call, each way: past about 16 nothing is gained by more.
const BATCH: usize = 64;
/// Octets the kernel keeps for us while this thread is not running: 100 ms at 300 Mbit/s. It may grant less.
const KERNEL_BUFFER: usize = 4 * 1024 * 1024;
/// A stamp older than this means that the wall clock was set in between.
const OLDEST: Duration = Duration::from_secs(5);

pub struct Socket {
    socket: socket2::Socket,
    local: SocketAddr,
    /// The kernel cuts a message into datagrams.
    segmentation: bool,
    names: Vec<SockAddr>,
    controls: Box<[Control; BATCH]>,
    pub sent: Sent,
}

/// What became of what was given to [`Socket::send`], in datagrams but for the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sent {
    /// Messages of several datagrams that the kernel cut.
    pub segmented: u64,
    /// Datagrams that left one by one although they could have left as one message.
    pub unsegmented: u64,
    /// The kernel would not have them: its buffer was full, the route is gone.
    pub refused: u64,
}

/// The buffers that datagrams are received into, and what is known of each.
pub struct Inbound {
    buffers: Box<[[u8; MAX_DATAGRAM]; BATCH]>,
    names: Box<[sockaddr_storage; BATCH]>,
    controls: Box<[Control; BATCH]>,
    facts: Vec<Facts>,
}

#[derive(Clone, Copy)]
struct Facts {
    length: usize,
    truncated: bool,
    path: Path,
    received: Instant,
}

pub struct Arrived<'a> {
    /// Empty where the datagram was larger than any we take.
    pub datagram: &'a mut [u8],
    pub truncated: bool,
    pub path: Path,
    pub received: Instant,
}

impl Default for Inbound {
    fn default() -> Self {
        Self {
            buffers: Box::new([[0; MAX_DATAGRAM]; BATCH]),
            // SAFETY: zero is a valid address: one of no family.
            names: Box::new(unsafe { std::mem::zeroed() }),
            controls: Box::new([Control::default(); BATCH]),
            facts: Vec::with_capacity(BATCH),
        }
    }
}

impl Inbound {
    pub fn arrived(&mut self) -> impl Iterator<Item = Arrived<'_>> {
        self.facts.iter().zip(self.buffers.iter_mut()).map(|(facts, buffer)| Arrived {
            datagram: &mut buffer[..facts.length],
            truncated: facts.truncated,
            path: facts.path,
            received: facts.received,
        })
    }
}

impl Socket {
    /// Binds, without sharing the port with anybody.
    pub fn bind(address: SocketAddr) -> io::Result<Socket> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        match address {
            SocketAddr::V4(_) => set(&socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?,
            SocketAddr::V6(_) => {
                // IPv4 has sockets of its own: no address is ever written in two ways.
                socket.set_only_v6(true)?;
                set(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
            }
        }
        set(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
        grow(&socket, libc::SO_RCVBUFFORCE, libc::SO_RCVBUF);
        grow(&socket, libc::SO_SNDBUFFORCE, libc::SO_SNDBUF);
        socket.bind(&address.into())?;
        let local = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        // Zero changes nothing: it only asks whether the kernel knows the option.
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

    /// Takes what is there, at most one batch. An error is one of the socket itself, after which it is of no use.
    pub fn receive(&self, inbound: &mut Inbound) -> io::Result<()> {
        inbound.facts.clear();
        // SAFETY: zero is a valid mmsghdr and iovec.
        let (mut headers, mut vectors): ([mmsghdr; BATCH], [iovec; BATCH]) = unsafe { std::mem::zeroed() };
        for (i, header) in headers.iter_mut().enumerate() {
            vectors[i] = iovec { iov_base: inbound.buffers[i].as_mut_ptr().cast(), iov_len: MAX_DATAGRAM };
            header.msg_hdr.msg_name = (&raw mut inbound.names[i]).cast();
            header.msg_hdr.msg_namelen = size_of::<sockaddr_storage>() as _;
            header.msg_hdr.msg_iov = &raw mut vectors[i];
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = inbound.controls[i].as_mut_ptr();
            header.msg_hdr.msg_controllen = Control::SIZE as _;
        }
        let fd = self.socket.as_raw_fd();
        // SAFETY: every header points at buffers of the lengths it names, all of which outlive the call.
        let count = unsafe { libc::recvmmsg(fd, headers.as_mut_ptr(), BATCH as c_uint, 0, std::ptr::null_mut()) };
        if count < 0 {
            let error = io::Error::last_os_error();
            return if is_passing(&error) { Ok(()) } else { Err(error) };
        }
        // One offset for the batch: the two clocks are read once, right behind one another.
        let (now, wall) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        for (i, header) in headers[..count as usize].iter().enumerate() {
            let length = (header.msg_len as usize).min(MAX_DATAGRAM);
            let truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            let told = inbound.controls[i].facts(header.msg_hdr.msg_controllen);
            let mut name = SockAddrStorage::zeroed();
            // SAFETY: the kernel wrote an address of `msg_namelen` octets there.
            let remote = unsafe {
                *name.view_as() = inbound.names[i];
                SockAddr::new(name, header.msg_hdr.msg_namelen)
            };
            // A datagram without an address cannot be answered; UDP has none such.
            let remote = remote.as_socket().unwrap_or(self.local);
            let local = told.local.map_or(self.local, |(ip, interface)| self.on(ip, interface));
            let received = told.stamp.map_or(now, |stamp| instant(stamp, now, wall));
            let length = if truncated { 0 } else { length };
            inbound.facts.push(Facts { length, truncated, path: Path { local, remote }, received });
        }
        Ok(())
    }

    fn on(&self, ip: IpAddr, interface: u32) -> SocketAddr {
        match ip {
            IpAddr::V4(ip) => SocketAddr::new(ip.into(), self.local.port()),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, self.local.port(), 0, interface).into(),
        }
    }

    /// Sends as much as the kernel takes; what it refuses is counted in `sent`, and lost.
    pub fn send<'a>(&mut self, messages: impl Iterator<Item = (&'a Message, &'a [u8])>) {
        let mut chunk: [(&Message, &[u8]); BATCH] = [(&NOTHING, &[]); BATCH];
        let mut filled = 0;
        for (message, octets) in messages {
            if message.segments() > 1 && !self.segmentation {
                self.send_chunk(&chunk[..filled]);
                filled = 0;
                self.send_apart(message, octets);
                continue;
            }
            chunk[filled] = (message, octets);
            filled += 1;
            if filled == BATCH {
                self.send_chunk(&chunk);
                filled = 0;
            }
        }
        self.send_chunk(&chunk[..filled]);
    }

    /// At most [`BATCH`] messages, with one call as long as none is refused.
    fn send_chunk(&mut self, chunk: &[(&Message, &[u8])]) {
        let mut at = 0;
        while at < chunk.len() {
            match self.send_messages(&chunk[at..]) {
                Ok(count) => {
                    let cut = chunk[at..at + count].iter().filter(|(message, _)| message.segments() > 1).count();
                    self.sent.segmented += cut as u64;
                    at += count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let (message, octets) = chunk[at];
                    self.refused(&error, message, octets);
                    at += 1;
                }
            }
        }
    }

    /// The first of what remained was refused.
    fn refused(&mut self, error: &io::Error, message: &Message, octets: &[u8]) {
        match error.raw_os_error() {
            // EIO: the device on this route cannot (no checksum offload, IPsec); it is tried no more.
            // EINVAL: a segment does not fit this route's MTU, or the kernel knows no such option.
            Some(code @ (libc::EIO | libc::EINVAL)) if message.segments() > 1 => {
                self.segmentation &= code != libc::EIO;
                self.send_apart(message, octets);
            }
            _ => self.sent.refused += message.segments() as u64,
        }
    }

    /// The datagrams of a message one by one, still with one call for many of them.
    fn send_apart(&mut self, message: &Message, octets: &[u8]) {
        self.sent.unsegmented += message.segments() as u64;
        let segment = message.segment.max(1);
        let single =
            |datagram: &[u8]| Message { path: message.path, range: 0..datagram.len(), segment: datagram.len() };
        // A message has at most 32 segments, so this allocation is rare and small, and only where segmentation fails.
        let singles: Vec<Message> = octets.chunks(segment).map(single).collect();
        let chunk: Vec<(&Message, &[u8])> = singles.iter().zip(octets.chunks(segment)).collect();
        for part in chunk.chunks(BATCH) {
            self.send_chunk(part);
        }
    }

    /// One sendmmsg: how many it took, at least one.
    fn send_messages(&mut self, chunk: &[(&Message, &[u8])]) -> io::Result<usize> {
        let chunk = &chunk[..chunk.len().min(BATCH)];
        // SAFETY: zero is a valid mmsghdr and iovec.
        let (mut headers, mut vectors): ([mmsghdr; BATCH], [iovec; BATCH]) = unsafe { std::mem::zeroed() };
        self.names.clear();
        self.names.extend(chunk.iter().map(|(message, _)| SockAddr::from(message.path.remote)));
        for (i, (message, octets)) in chunk.iter().enumerate() {
            let segment = (message.segments() > 1).then_some(message.segment as u16);
            let header: &mut msghdr = &mut headers[i].msg_hdr;
            // The kernel only reads what is sent.
            vectors[i] = iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() };
            header.msg_name = self.names[i].as_ptr().cast_mut().cast();
            header.msg_namelen = self.names[i].len();
            header.msg_iov = &raw mut vectors[i];
            header.msg_iovlen = 1;
            header.msg_controllen = self.controls[i].ask(message.path.local, segment) as _;
            if header.msg_controllen > 0 {
                header.msg_control = self.controls[i].as_mut_ptr();
            }
        }
        let fd = self.socket.as_raw_fd();
        // SAFETY: every header points at octets, an address and control messages of the lengths it names.
        let count = unsafe { libc::sendmmsg(fd, headers.as_mut_ptr(), chunk.len() as c_uint, libc::MSG_DONTWAIT) };
        if count < 0 { Err(io::Error::last_os_error()) } else { Ok(count as usize) }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Fills the unused places of a chunk.
static NOTHING: Message = Message {
    path: Path {
        local: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0),
        remote: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0),
    },
    range: 0..0,
    segment: 1,
};

/// A stamp of the wall clock as the monotonic one would have had it.
fn instant(stamp: Duration, now: Instant, wall: Duration) -> Instant {
    match wall.checked_sub(stamp) {
        Some(age) if age <= OLDEST => now.checked_sub(age).unwrap_or(now),
        _ => now,
    }
}

/// Nothing there, or what the network said of an earlier datagram: the socket lives on.
fn is_passing(error: &io::Error) -> bool {
    const PASSING: [c_int; 9] = [
        libc::EAGAIN,
        libc::EINTR,
        libc::ECONNREFUSED,
        libc::EHOSTUNREACH,
        libc::EHOSTDOWN,
        libc::ENETUNREACH,
        libc::ENETDOWN,
        libc::ENOBUFS,
        libc::ENOMEM,
    ];
    error.raw_os_error().is_some_and(|code| PASSING.contains(&code))
}

fn set(socket: &socket2::Socket, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    let size = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the option's value is an int that outlives the call.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), size) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The first takes the right to pass the system's limit, the second stops at it; `sfu doctor` tells of small ones.
fn grow(socket: &socket2::Socket, forced: c_int, polite: c_int) {
    if set(socket, libc::SOL_SOCKET, forced, KERNEL_BUFFER as c_int).is_err() {
        let _ = set(socket, libc::SOL_SOCKET, polite, KERNEL_BUFFER as c_int);
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use plane_core::batch::Batch;

    use super::*;

    fn socket(address: &str) -> Socket {
        Socket::bind(address.parse().unwrap()).unwrap()
    }

    fn peer(address: &str) -> UdpSocket {
        let peer = UdpSocket::bind(address).unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        peer
    }

    fn path(socket: &Socket, peer: &UdpSocket) -> Path {
        Path { local: socket.local(), remote: peer.local_addr().unwrap() }
    }

    /// Loopback hands over within the sending call, but the time stamp option is switched on a little later.
    fn receive(socket: &Socket, inbound: &mut Inbound, count: usize) -> Vec<(Vec<u8>, Path)> {
        let mut all = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(5);
        while all.len() < count && Instant::now() < deadline {
            socket.receive(inbound).unwrap();
            all.extend(inbound.arrived().map(|arrived| (arrived.datagram.to_vec(), arrived.path)));
        }
        all
    }

    fn received_by(peer: &UdpSocket, count: usize) -> Vec<usize> {
        let mut buffer = [0; 4_096];
        (0..count).map(|_| peer.recv(&mut buffer).unwrap()).collect()
    }

    #[test]
    fn datagrams_come_in_batches_each_with_its_path() {
        let (socket, peers) = (socket("127.0.0.1:0"), [peer("127.0.0.1:0"), peer("127.0.0.1:0")]);
        for i in 0..100_u8 {
            peers[usize::from(i % 2)].send_to(&[i; 50], socket.local()).unwrap();
        }
        let mut inbound = Inbound::default();
        let all = receive(&socket, &mut inbound, 100);
        assert_eq!(all.len(), 100);
        for (i, (datagram, path_of)) in all.iter().enumerate() {
            assert_eq!((datagram.as_slice(), *path_of), (&[i as u8; 50][..], path(&socket, &peers[i % 2])));
        }
        socket.receive(&mut inbound).unwrap();
        assert_eq!(inbound.arrived().count(), 0);
    }

    #[test]
    fn what_does_not_fit_a_batch_waits_for_the_next() {
        let (socket, peer) = (socket("127.0.0.1:0"), peer("127.0.0.1:0"));
        for _ in 0..BATCH + 1 {
            peer.send_to(b"x", socket.local()).unwrap();
        }
        let mut inbound = Inbound::default();
        socket.receive(&mut inbound).unwrap();
        assert_eq!(inbound.arrived().count(), BATCH);
        socket.receive(&mut inbound).unwrap();
        assert_eq!(inbound.arrived().count(), 1);
    }

    #[test]
    fn a_host_with_two_addresses_answers_from_the_one_that_was_asked() {
        let mut socket = socket("0.0.0.0:0");
        let mut inbound = Inbound::default();
        for asked in ["127.0.0.1", "127.0.0.2", "127.1.2.3"] {
            let asked = SocketAddr::new(asked.parse().unwrap(), socket.local().port());
            let peer = peer("127.0.0.1:0");
            peer.send_to(b"who", asked).unwrap();
            let (_, path) = receive(&socket, &mut inbound, 1).remove(0);
            assert_eq!(path.local, asked);

            // As one datagram, and beside UDP_SEGMENT.
            let mut batch = Batch::default();
            batch.copy(path, &[0; 100]);
            batch.copy(path, &[0; 100]);
            batch.copy(path, &[0; 300]);
            socket.send(batch.messages());
            for _ in 0..3 {
                assert_eq!(peer.recv_from(&mut [0; 400]).unwrap().1, asked);
            }
        }
    }

    #[test]
    fn ipv6_keeps_its_local_address_too() {
        // A machine without IPv6 has nothing to show here.
        let Ok(mut socket) = Socket::bind("[::]:0".parse().unwrap()) else {
            return;
        };
        let asked = SocketAddr::new("::1".parse().unwrap(), socket.local().port());
        let peer = peer("[::1]:0");
        peer.send_to(b"who", asked).unwrap();
        let (_, path) = receive(&socket, &mut Inbound::default(), 1).remove(0);
        assert_eq!(path, Path { local: asked, remote: peer.local_addr().unwrap() });
        let mut batch = Batch::default();
        batch.copy(path, &[0; 100]);
        batch.copy(path, &[0; 40]);
        socket.send(batch.messages());
        assert_eq!(received_by(&peer, 2), [100, 40]);
    }

    #[test]
    fn one_message_of_many_segments_arrives_as_datagrams() {
        let (mut socket, peer) = (socket("127.0.0.1:0"), peer("127.0.0.1:0"));
        let path = path(&socket, &peer);
        let mut batch = Batch::default();
        for length in [1_200, 1_200, 1_200, 700, 1_200, 50] {
            batch.copy(path, &vec![7; length]);
        }
        socket.send(batch.messages());
        assert_eq!(received_by(&peer, 6), [1_200, 1_200, 1_200, 700, 1_200, 50]);
        if socket.has_segmentation() {
            assert_eq!(socket.sent, Sent { segmented: 2, unsegmented: 0, refused: 0 });
        }
    }

    #[test]
    fn where_the_kernel_refuses_to_cut_the_segments_leave_one_by_one() {
        let (mut socket, peer) = (socket("127.0.0.1:0"), peer("127.0.0.1:0"));
        // With checksums off, UDP_SEGMENT fails with EINVAL (Linux, net/ipv4/udp.c: udp_send_skb).
        set(&socket.socket, libc::SOL_SOCKET, libc::SO_NO_CHECK, 1).unwrap();
        let path = path(&socket, &peer);
        let mut batch = Batch::default();
        for length in [90, 1_000, 1_000, 1_000, 80] {
            batch.copy(path, &vec![7; length]);
        }
        socket.send(batch.messages());
        assert_eq!(received_by(&peer, 5), [90, 1_000, 1_000, 1_000, 80]);
        assert_eq!(socket.sent, Sent { segmented: 0, unsegmented: 4, refused: 0 });
    }

    #[test]
    fn without_segmentation_order_is_kept_between_messages() {
        let (mut socket, peer) = (socket("127.0.0.1:0"), peer("127.0.0.1:0"));
        socket.segmentation = false;
        let path = path(&socket, &peer);
        let mut batch = Batch::default();
        for length in [10, 20, 20, 30] {
            batch.copy(path, &vec![7; length]);
        }
        socket.send(batch.messages());
        assert_eq!(received_by(&peer, 4), [10, 20, 20, 30]);
    }

    #[test]
    fn a_refused_message_does_not_stop_those_behind_it() {
        let (mut socket, peer) = (socket("127.0.0.1:0"), peer("127.0.0.1:0"));
        let good = path(&socket, &peer);
        // Not an address of this machine (RFC 5737): the kernel will not send from it.
        let bad = Path { local: "192.0.2.1:7".parse().unwrap(), remote: good.remote };
        let mut batch = Batch::default();
        for (path, length) in [(good, 10), (bad, 20), (bad, 20), (good, 30)] {
            batch.copy(path, &vec![7; length]);
        }
        socket.send(batch.messages());
        assert_eq!(received_by(&peer, 2), [10, 30]);
        assert_eq!(socket.sent.refused, 2);
    }

    #[test]
    fn a_datagram_larger_than_any_we_take_is_marked_and_empty() {
        let (socket, peer) = (socket("127.0.0.1:0"), peer("127.0.0.1:0"));
        peer.send_to(&[0; MAX_DATAGRAM + 1], socket.local()).unwrap();
        let mut inbound = Inbound::default();
        socket.receive(&mut inbound).unwrap();
        let shapes: Vec<_> = inbound.arrived().map(|arrived| (arrived.datagram.len(), arrived.truncated)).collect();
        assert_eq!(shapes, [(0, true)]);
    }

    #[test]
    fn a_stamp_keeps_its_age_unless_the_wall_clock_was_set() {
        let (now, wall) = (Instant::now(), Duration::from_secs(1_700_000_000));
        let ms = Duration::from_millis;
        assert_eq!(instant(wall - ms(30), now, wall), now - ms(30));
        assert_eq!(instant(wall + ms(30), now, wall), now);
        assert_eq!(instant(wall - ms(3_600_000), now, wall), now);
    }
}
