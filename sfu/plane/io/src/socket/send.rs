//! Sends messages in batches (sendmmsg), each from the local address of its path, in segments if the kernel can split
//! them (UDP_SEGMENT).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

use libc::{c_uint, iovec, mmsghdr, msghdr};
use plane_core::batch::Message;
use plane_core::command::Path;
use socket2::SockAddr;

use super::{BATCH, Socket};

/// Counts what happened to the messages given to [`Socket::send`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sent {
    /// Messages of several datagrams that the kernel split.
    pub segmented: u64,
    /// Datagrams sent one by one that could have been sent as one message.
    pub unsegmented: u64,
    /// Datagrams that the kernel refused, because its buffer was full or the route is gone.
    pub refused: u64,
}

impl Socket {
    /// Sends as much as the kernel accepts. Refused datagrams are lost, and counted in `sent`.
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

    /// Sends at most [`BATCH`] messages, with one call as long as none is refused.
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

    /// Handles the refusal of a message.
    fn refused(&mut self, error: &io::Error, message: &Message, octets: &[u8]) {
        match error.raw_os_error() {
            // EIO: the device on this route cannot split (no checksum offload, IPsec), so segmentation is switched off.
            // EINVAL: a segment exceeds this route's MTU, or the kernel does not know the option.
            Some(code @ (libc::EIO | libc::EINVAL)) if message.segments() > 1 => {
                self.segmentation &= code != libc::EIO;
                self.send_apart(message, octets);
            }
            _ => self.sent.refused += message.segments() as u64,
        }
    }

    /// Sends the datagrams of a message one by one, still with one call for many of them.
    fn send_apart(&mut self, message: &Message, octets: &[u8]) {
        self.sent.unsegmented += message.segments() as u64;
        let segment = message.segment.max(1);
        let single =
            |datagram: &[u8]| Message { path: message.path, range: 0..datagram.len(), segment: datagram.len() };
        // A message has at most 32 segments, so this allocation is small, and it happens only where segmentation fails.
        let singles: Vec<Message> = octets.chunks(segment).map(single).collect();
        let chunk: Vec<(&Message, &[u8])> = singles.iter().zip(octets.chunks(segment)).collect();
        for part in chunk.chunks(BATCH) {
            self.send_chunk(part);
        }
    }

    /// Calls sendmmsg once. Returns how many messages it accepted, at least one.
    fn send_messages(&mut self, chunk: &[(&Message, &[u8])]) -> io::Result<usize> {
        let chunk = &chunk[..chunk.len().min(BATCH)];
        // SAFETY: zero is a valid mmsghdr and iovec.
        let (mut headers, mut vectors): ([mmsghdr; BATCH], [iovec; BATCH]) = unsafe { std::mem::zeroed() };
        self.names.clear();
        self.names.extend(chunk.iter().map(|(message, _)| SockAddr::from(message.path.remote)));
        for (i, (message, octets)) in chunk.iter().enumerate() {
            let segment = (message.segments() > 1).then_some(message.segment as u16);
            let header: &mut msghdr = &mut headers[i].msg_hdr;
            // The kernel only reads the octets.
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

/// Fills the unused entries of a chunk.
static NOTHING: Message = Message {
    path: Path::udp(
        SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0),
        SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0),
    ),
    range: 0..0,
    segment: 1,
};

#[cfg(test)]
mod tests {
    use plane_core::batch::Batch;

    use super::super::fixtures::{path, peer, received_by, socket};
    use super::super::set;
    use super::*;

    #[test]
    fn one_message_of_many_segments_arrives_as_datagrams() {
        let (mut socket, peer) = (socket("127.0.0.1:0"), peer("127.0.0.1:0"));
        let path = path(&socket, &peer);
        let mut batch = Batch::default();
        for length in [1_200, 1_200, 1_200, 700, 1_200, 50] {
            batch.copy(path, &vec![7; length]).unwrap();
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
            batch.copy(path, &vec![7; length]).unwrap();
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
            batch.copy(path, &vec![7; length]).unwrap();
        }
        socket.send(batch.messages());
        assert_eq!(received_by(&peer, 4), [10, 20, 20, 30]);
    }

    #[test]
    fn a_refused_message_does_not_stop_those_behind_it() {
        let (mut socket, peer) = (socket("127.0.0.1:0"), peer("127.0.0.1:0"));
        let good = path(&socket, &peer);
        // Not an address of this machine (RFC 5737): the kernel will not send from it.
        let bad = Path::udp("192.0.2.1:7".parse().unwrap(), good.remote);
        let mut batch = Batch::default();
        for (path, length) in [(good, 10), (bad, 20), (bad, 20), (good, 30)] {
            batch.copy(path, &vec![7; length]).unwrap();
        }
        socket.send(batch.messages());
        assert_eq!(received_by(&peer, 2), [10, 30]);
        assert_eq!(socket.sent.refused, 2);
    }
}
