//! A second socket on the same port, which receives the reports of peers. Where many peers watch, reports are most of
//! the arriving datagrams. They can wait for some milliseconds, and on their own socket they do not wake the worker.

use std::io;
use std::mem::size_of;
use std::os::fd::AsRawFd;

use libc::{sock_filter, sock_fprog};

use super::{Socket, set};

/// The sockets of a port, numbered in the order of binding. A program of SO_ATTACH_REUSEPORT_CBPF returns this number.
const FIRST: u32 = 0;
const SECOND: u32 = 1;

impl Socket {
    /// Opens a second socket for reports and returns it; all other datagrams still come to this socket. On error, all
    /// datagrams still come to this one.
    ///
    /// The port was bound without SO_REUSEPORT, so no other process has it. From now on a process with our user id can
    /// join by setting the option, but it receives nothing: the program returns only our two sockets.
    pub fn set_reports_apart(&self) -> io::Result<Socket> {
        set(&self.socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
        let apart = Socket::open(self.local, true).and_then(|second| self.attach(&program()).map(|()| second));
        if apart.is_err() {
            set(&self.socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, 0)?;
        }
        apart
    }

    fn attach(&self, program: &[sock_filter]) -> io::Result<()> {
        // The kernel only reads the program.
        let program = sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
        let (size, option) = (size_of::<sock_fprog>() as libc::socklen_t, libc::SO_ATTACH_REUSEPORT_CBPF);
        let fd = self.socket.as_raw_fd();
        // SAFETY: the option's value points at instructions that outlive the call.
        let result = unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, option, (&raw const program).cast(), size) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// Classic BPF over the UDP payload, which selects the socket of a datagram. A datagram too short to classify goes to
/// the first socket, because a load past its end ends the program with 0.
///
/// Reports are RTCP packets (RFC 7983 s7, RFC 5761 s4) that request nothing. SRTCP leaves the type and format of the
/// first packet of a compound unencrypted (RFC 3711 s3.4). Feedback formats from 11 on are reports (RFC 8888,
/// transport-wide, REMB); those below are requests (NACK, PLI, FIR: RFC 4585 s6, RFC 5104 s4). A NACK behind a receiver
/// report, as without reduced-size RTCP (RFC 5506), counts as a report.
fn program() -> [sock_filter; 13] {
    const FIRST_AT: usize = 11;
    const SECOND_AT: usize = 12;
    const TYPE_BITS: u32 = 0xC0;
    const FORMAT_BITS: u32 = 0x1F;
    [
        load(0),
        and(TYPE_BITS),
        if_equal(2, 0x80, 3, FIRST_AT), // STUN, DTLS and the unknown
        load(1),
        if_at_least(4, 192, 5, FIRST_AT), // RTP
        if_at_least(5, 224, FIRST_AT, 6),
        if_equal(6, 205, 8, 7),         // RTPFB
        if_equal(7, 206, 8, SECOND_AT), // PSFB; SR, RR and the like
        load(0),
        and(FORMAT_BITS),
        if_at_least(10, 11, SECOND_AT, FIRST_AT),
        hand_to(FIRST),
        hand_to(SECOND),
    ]
}

/// Loads the octet at `at` of the payload.
const fn load(at: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: at }
}

const fn and(bits: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16, jt: 0, jf: 0, k: bits }
}

/// Makes the instruction at `here` jump to `then` or `otherwise`. Jumps count from the next instruction.
const fn if_equal(here: usize, value: u32, then: usize, otherwise: usize) -> sock_filter {
    jump(libc::BPF_JEQ, here, value, then, otherwise)
}

const fn if_at_least(here: usize, value: u32, then: usize, otherwise: usize) -> sock_filter {
    jump(libc::BPF_JGE, here, value, then, otherwise)
}

const fn jump(test: u32, here: usize, value: u32, then: usize, otherwise: usize) -> sock_filter {
    let code = (libc::BPF_JMP | test | libc::BPF_K) as u16;
    sock_filter { code, jt: (then - here - 1) as u8, jf: (otherwise - here - 1) as u8, k: value }
}

const fn hand_to(socket: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: socket }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::super::fixtures::{path, peer, receive, received_by, socket};
    use super::super::{Inbound, Socket};
    use super::*;

    /// Loopback delivers within the send call: the receiving socket is decided when `send_to` returns.
    fn lengths_at(socket: &Socket, count: usize) -> Vec<usize> {
        let mut inbound = Inbound::default();
        let all = receive(socket, &mut inbound, count);
        socket.receive(&mut inbound).unwrap();
        all.iter().map(|(datagram, _)| datagram.len()).chain(inbound.arrived().map(|one| one.datagram.len())).collect()
    }

    #[test]
    fn reports_come_to_the_second_socket_and_all_else_to_the_first() {
        let first = socket("127.0.0.1:0");
        let second = first.set_reports_apart().unwrap();
        assert_eq!(second.local(), first.local());
        let (mut of_first, mut of_second) = (Vec::new(), Vec::new());
        // The length says which one it was.
        for (length, (octets, is_report)) in (20..).zip([
            ([0x80, 200], true),        // sender report
            ([0x81, 201], true),        // receiver report with a block
            ([0xA1, 201], true),        // and padding
            ([0x81, 202], true),        // SDES
            ([0x81, 203], true),        // BYE
            ([0x80, 207], true),        // XR
            ([0x8F, 205], true),        // transport-wide feedback
            ([0x8B, 205], true),        // RFC 8888
            ([0x8F, 206], true),        // REMB
            ([0x80, 192], true),        // the ends of the range of RFC 5761
            ([0x80, 223], true),        //
            ([0x81, 205], false),       // NACK
            ([0x81, 206], false),       // PLI
            ([0x84, 206], false),       // FIR
            ([0x80, 96], false),        // RTP
            ([0x90, 0x80 | 96], false), // RTP with a marker: 224
            ([0x80, 0x80 | 63], false), // RTP, payload type 63 with a marker: 191
            ([0x00, 0x01], false),      // STUN binding request
            ([0x01, 0x01], false),      // and its answer
            ([22, 0xFE], false),        // DTLS handshake
            ([0x40, 201], false),       // a channel of TURN
            ([0xC0, 201], false),       // nothing known
        ]) {
            let mut datagram = vec![0; length];
            datagram[..2].copy_from_slice(&octets);
            peer("127.0.0.1:0").send_to(&datagram, first.local()).unwrap();
            if is_report { of_second.push(length) } else { of_first.push(length) }
        }
        assert_eq!(lengths_at(&first, of_first.len()), of_first);
        assert_eq!(lengths_at(&second, of_second.len()), of_second);
    }

    #[test]
    fn what_is_too_short_to_tell_comes_to_the_first() {
        let first = socket("127.0.0.1:0");
        let second = first.set_reports_apart().unwrap();
        for datagram in [&[0x80_u8][..], &[], &[0x80, 201]] {
            peer("127.0.0.1:0").send_to(datagram, first.local()).unwrap();
        }
        assert_eq!(lengths_at(&first, 2), [1, 0]);
        assert_eq!(lengths_at(&second, 1), [2]);
    }

    #[test]
    fn a_report_keeps_the_address_it_was_sent_to() {
        let mut addresses = vec![("0.0.0.0:0", "127.0.0.2"), ("127.0.0.1:0", "127.0.0.1")];
        // A machine without IPv6 has no more to show.
        if UdpSocket::bind("[::1]:0").is_ok() {
            addresses.extend([("[::]:0", "::1"), ("[::1]:0", "::1")]);
        }
        for (bound, asked) in addresses {
            let first = socket(bound);
            let second = first.set_reports_apart().unwrap();
            let asked = std::net::SocketAddr::new(asked.parse().unwrap(), first.local().port());
            let peer = peer(if asked.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" });
            peer.send_to(&[0x80, 96, 0], asked).unwrap();
            peer.send_to(&[0x80, 201, 0], asked).unwrap();
            for socket in [&first, &second] {
                let (_, path) = receive(socket, &mut Inbound::default(), 1).remove(0);
                assert_eq!((path.local, path.remote), (asked, peer.local_addr().unwrap()), "{bound}");
            }
        }
    }

    #[test]
    fn where_the_kernel_will_not_all_comes_to_the_first() {
        let mut first = socket("127.0.0.1:0");
        // A locked filter (socket(7)) refuses every program with EPERM.
        set(&first.socket, libc::SOL_SOCKET, libc::SO_LOCK_FILTER, 1).unwrap();
        let error = first.set_reports_apart().err().unwrap();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));
        let peer = peer("127.0.0.1:0");
        for datagram in [[0x80, 96], [0x80, 201]] {
            peer.send_to(&datagram, first.local()).unwrap();
        }
        let all = receive(&first, &mut Inbound::default(), 2);
        assert_eq!(all.into_iter().map(|(datagram, _)| datagram).collect::<Vec<_>>(), [[0x80, 96], [0x80, 201]]);
        let mut batch = plane_core::batch::Batch::default();
        batch.copy(path(&first, &peer), b"sent").unwrap();
        first.send(batch.messages());
        assert_eq!(received_by(&peer, 1), [4]);
    }

    #[test]
    fn nobody_else_gets_the_port_and_who_insists_gets_nothing() {
        let first = socket("127.0.0.1:0");
        let second = first.set_reports_apart().unwrap();
        assert_eq!(Socket::bind(first.local()).err().unwrap().kind(), io::ErrorKind::AddrInUse);
        let third = Socket::open(first.local(), true).unwrap();
        for i in 0..40 {
            // Of many ports, so that a hash of the addresses would choose each of the sockets.
            peer("127.0.0.1:0").send_to(&[0x80, if i % 2 == 0 { 96 } else { 201 }, i], first.local()).unwrap();
        }
        assert_eq!(
            [lengths_at(&first, 20).len(), lengths_at(&second, 20).len(), lengths_at(&third, 0).len()],
            [20, 20, 0]
        );
    }
}
