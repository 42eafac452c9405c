//! Receives datagrams in batches (recvmmsg), each with the kernel's timestamp and the address it was sent to.

use std::io;
use std::mem::size_of;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use libc::{c_int, c_uint, iovec, mmsghdr, sockaddr_storage};
use plane_core::command::Path;
use plane_core::limits::ANY_DATAGRAM;
use socket2::{SockAddr, SockAddrStorage};

use super::{BATCH, Socket};
use crate::control::Control;

/// A timestamp older than this means that the wall clock was set in between.
const OLDEST: Duration = Duration::from_secs(5);

/// The buffers for received datagrams, and the metadata of each datagram.
pub struct Inbound {
    buffers: Box<[[u8; ANY_DATAGRAM]; BATCH]>,
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
    /// Empty if the datagram was larger than [`ANY_DATAGRAM`].
    pub datagram: &'a mut [u8],
    pub truncated: bool,
    pub path: Path,
    pub received: Instant,
}

impl Default for Inbound {
    fn default() -> Self {
        Self {
            buffers: Box::new([[0; ANY_DATAGRAM]; BATCH]),
            // SAFETY: zero is a valid address of no family.
            names: Box::new(unsafe { std::mem::zeroed() }),
            controls: Box::new([Control::default(); BATCH]),
            facts: Vec::with_capacity(BATCH),
        }
    }
}

impl Inbound {
    pub fn count(&self) -> usize {
        self.facts.len()
    }

    /// True if the batch is full, so that more datagrams may be waiting.
    pub fn is_full(&self) -> bool {
        self.facts.len() == BATCH
    }

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
    /// Receives the waiting datagrams, at most one batch. An error means that the socket is unusable.
    pub fn receive(&self, inbound: &mut Inbound) -> io::Result<()> {
        inbound.facts.clear();
        // SAFETY: zero is a valid mmsghdr and iovec.
        let (mut headers, mut vectors): ([mmsghdr; BATCH], [iovec; BATCH]) = unsafe { std::mem::zeroed() };
        for (i, header) in headers.iter_mut().enumerate() {
            vectors[i] = iovec { iov_base: inbound.buffers[i].as_mut_ptr().cast(), iov_len: ANY_DATAGRAM };
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
        // One offset for the whole batch: both clocks are read once, one after the other.
        let (now, wall) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        for (i, header) in headers[..count as usize].iter().enumerate() {
            let length = (header.msg_len as usize).min(ANY_DATAGRAM);
            let truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            let facts = inbound.controls[i].facts(header.msg_hdr.msg_controllen);
            let mut name = SockAddrStorage::zeroed();
            // SAFETY: the kernel wrote an address of `msg_namelen` octets there.
            let remote = unsafe {
                *name.view_as() = inbound.names[i];
                SockAddr::new(name, header.msg_hdr.msg_namelen)
            };
            // A datagram without an address cannot be answered. UDP has none.
            let remote = remote.as_socket().unwrap_or(self.local);
            let local = facts.local.map_or(self.local, |(ip, interface)| self.on(ip, interface));
            let received = facts.stamp.map_or(now, |stamp| instant(stamp, now, wall));
            let length = if truncated { 0 } else { length };
            inbound.facts.push(Facts { length, truncated, path: Path::udp(local, remote), received });
        }
        Ok(())
    }

    fn on(&self, ip: IpAddr, interface: u32) -> SocketAddr {
        match ip {
            IpAddr::V4(ip) => SocketAddr::new(ip.into(), self.local.port()),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, self.local.port(), 0, interface).into(),
        }
    }
}

/// Converts a timestamp of the wall clock to the monotonic clock.
fn instant(stamp: Duration, now: Instant, wall: Duration) -> Instant {
    match wall.checked_sub(stamp) {
        Some(age) if age <= OLDEST => now.checked_sub(age).unwrap_or(now),
        _ => now,
    }
}

/// True if nothing was waiting, or if the network reported an error of an earlier datagram: the socket is still usable.
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

#[cfg(test)]
mod tests {
    use plane_core::batch::Batch;

    use super::super::fixtures::{path, peer, receive, received_by, socket};
    use super::*;

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
            batch.copy(path, &[0; 100]).unwrap();
            batch.copy(path, &[0; 100]).unwrap();
            batch.copy(path, &[0; 300]).unwrap();
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
        assert_eq!(path, Path::udp(asked, peer.local_addr().unwrap()));
        let mut batch = Batch::default();
        batch.copy(path, &[0; 100]).unwrap();
        batch.copy(path, &[0; 40]).unwrap();
        socket.send(batch.messages());
        assert_eq!(received_by(&peer, 2), [100, 40]);
    }

    #[test]
    fn a_datagram_larger_than_any_we_take_is_marked_and_empty() {
        let (socket, peer) = (socket("127.0.0.1:0"), peer("127.0.0.1:0"));
        peer.send_to(&[0; ANY_DATAGRAM + 1], socket.local()).unwrap();
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
