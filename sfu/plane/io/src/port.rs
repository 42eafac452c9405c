//! The UDP port of a worker: one socket per host address, all with the same port number. The local address of a
//! datagram's path selects the socket. If the kernel supports it, each has a second socket that receives only the
//! reports of peers.

use std::net::{IpAddr, SocketAddr};
use std::{error, fmt, io};

use plane_core::batch::Batch;

use crate::socket::{Sent, Socket};

pub struct Port {
    sockets: Vec<Socket>,
    /// The report sockets: one per host, or none at all.
    reports: Vec<Socket>,
    /// The bound address of each socket.
    addresses: Vec<SocketAddr>,
    /// Datagrams dropped because no socket has their local address.
    homeless: u64,
}

impl Port {
    /// Binds a socket for each host. If `number` is 0, the system picks a port for the first host, and the others get
    /// the same.
    pub fn bind(hosts: &[IpAddr], number: u16) -> io::Result<Port> {
        Port::bind_with(hosts, number, Socket::set_reports_apart)
    }

    fn bind_with(hosts: &[IpAddr], number: u16, apart: fn(&Socket) -> io::Result<Socket>) -> io::Result<Port> {
        let mut port = Port { sockets: Vec::new(), reports: Vec::new(), addresses: Vec::new(), homeless: 0 };
        for &host in hosts {
            let number = port.addresses.first().map_or(number, SocketAddr::port);
            let address = SocketAddr::new(host, number);
            let socket = Socket::bind(address)
                .map_err(|source| io::Error::new(source.kind(), CannotBind { protocol: "UDP", address, source }))?;
            port.addresses.push(socket.local());
            port.sockets.push(socket);
        }
        // Done before the port is known to any peer, because datagrams already queued at a socket stay there.
        port.reports = port.sockets.iter().map(apart).collect::<io::Result<_>>().unwrap_or_default();
        Ok(port)
    }

    /// The bound address for each host.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub fn sockets(&self) -> &[Socket] {
        &self.sockets
    }

    /// The sockets that receive the reports of peers. Empty if the kernel cannot separate them from media; then all
    /// datagrams come to `sockets`.
    pub fn reports(&self) -> &[Socket] {
        &self.reports
    }

    /// Sends the datagrams of a batch that leave over UDP.
    pub fn send(&mut self, batch: &Batch) {
        let messages = || batch.messages().filter(|(message, _)| !message.path.link.is_tcp());
        if let [socket] = self.sockets.as_mut_slice() {
            return socket.send(messages());
        }
        for (i, socket) in self.sockets.iter_mut().enumerate() {
            let is_its = |local| choose(&self.addresses, local) == Some(i);
            socket.send(messages().filter(|(message, _)| is_its(message.path.local.ip())));
        }
        let is_nobodys = |local| choose(&self.addresses, local).is_none();
        let lost = messages().filter(|(message, _)| is_nobodys(message.path.local.ip()));
        self.homeless += lost.map(|(message, _)| message.segments() as u64).sum::<u64>();
    }

    pub fn sent(&self) -> Sent {
        let none = Sent { refused: self.homeless, ..Sent::default() };
        self.sockets.iter().fold(none, |sum, socket| Sent {
            segmented: sum.segmented + socket.sent.segmented,
            unsegmented: sum.unsegmented + socket.sent.unsegmented,
            refused: sum.refused + socket.sent.refused,
        })
    }
}

/// The inner error of a port that cannot be bound: the address, and the system's error.
#[derive(Debug)]
pub struct CannotBind {
    /// UDP or TCP.
    pub protocol: &'static str,
    pub address: SocketAddr,
    pub source: io::Error,
}

impl fmt::Display for CannotBind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, address, source } = self;
        write!(f, "{protocol} port {} of {} cannot be used: {source}", address.port(), address.ip())
    }
}

impl error::Error for CannotBind {}

/// Chooses the socket bound to exactly this address, otherwise the one bound to all addresses of its family.
fn choose(sockets: &[SocketAddr], local: IpAddr) -> Option<usize> {
    let is_wildcard = |socket: &SocketAddr| socket.ip().is_unspecified() && socket.is_ipv4() == local.is_ipv4();
    sockets.iter().position(|socket| socket.ip() == local).or_else(|| sockets.iter().position(is_wildcard))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use plane_core::command::Path;

    use super::*;

    #[test]
    fn all_hosts_share_the_number_that_the_first_one_got() {
        let hosts: Vec<IpAddr> = ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map(|host| host.parse().unwrap()).to_vec();
        let port = Port::bind(&hosts, 0).unwrap();
        let number = port.addresses()[0].port();
        assert_ne!(number, 0);
        assert_eq!(port.addresses(), hosts.iter().map(|&host| SocketAddr::new(host, number)).collect::<Vec<_>>());
    }

    #[test]
    fn a_taken_port_is_told_of_in_a_sentence_and_by_its_address() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let number = address.port();
        let error = Port::bind(&["127.0.0.1".parse().unwrap()], number).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().starts_with(&format!("UDP port {number} of 127.0.0.1 cannot be used: ")), "{error}");
        let cause = error.into_inner().unwrap().downcast::<CannotBind>().unwrap();
        assert_eq!((cause.address, cause.source.raw_os_error()), (address, Some(libc::EADDRINUSE)));
    }

    #[test]
    fn a_datagram_leaves_by_the_socket_of_its_local_address() {
        let hosts = ["127.0.0.1".parse().unwrap(), "127.0.0.2".parse().unwrap()];
        let mut port = Port::bind(&hosts, 0).unwrap();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let remote = peer.local_addr().unwrap();
        let nobodys = SocketAddr::new("127.0.0.9".parse().unwrap(), port.addresses()[0].port());
        let mut batch = Batch::default();
        batch.copy(Path::udp(port.addresses()[1], remote), b"second").unwrap();
        batch.copy(Path::udp(nobodys, remote), b"nobody's").unwrap();
        batch.copy(Path::udp(port.addresses()[0], remote), b"first").unwrap();
        port.send(&batch);
        let mut buffer = [0; 20];
        let mut from: Vec<SocketAddr> = (0..2).map(|_| peer.recv_from(&mut buffer).unwrap().1).collect();
        from.sort();
        assert_eq!(from, port.addresses());
        assert_eq!(port.sent().refused, 1);
    }

    #[test]
    fn each_host_has_a_socket_for_reports_or_none_has() {
        let hosts: Vec<IpAddr> = ["127.0.0.1", "127.0.0.2"].map(|host| host.parse().unwrap()).to_vec();
        let port = Port::bind(&hosts, 0).unwrap();
        assert_eq!(port.reports().iter().map(Socket::local).collect::<Vec<_>>(), port.addresses());

        let refuses_second = |socket: &Socket| match socket.local().ip().to_string().as_str() {
            "127.0.0.1" => socket.set_reports_apart(),
            _ => Err(io::ErrorKind::Unsupported.into()),
        };
        let port = Port::bind_with(&hosts, 0, refuses_second).unwrap();
        assert!(port.reports().is_empty());
        // The kernel's program names a closed socket, so the kernel chooses among the open ones.
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut inbound = crate::socket::Inbound::default();
        for (address, socket) in port.addresses().iter().zip(port.sockets()) {
            peer.send_to(&[0x80, 201, 0, 1], address).unwrap();
            socket.receive(&mut inbound).unwrap();
            assert_eq!(inbound.arrived().count(), 1, "{address}");
        }
    }

    #[test]
    fn an_exact_address_is_chosen_before_a_wildcard_of_the_family() {
        let sockets = ["0.0.0.0:1", "127.0.0.2:1", "[::]:1"].map(|address| address.parse().unwrap());
        for (local, chosen) in [("127.0.0.2", Some(1)), ("10.0.0.1", Some(0)), ("2001:db8::1", Some(2))] {
            assert_eq!(choose(&sockets, local.parse().unwrap()), chosen, "{local}");
        }
        assert_eq!(choose(&sockets[..2], "::1".parse().unwrap()), None);
    }
}
