//! Writes a pcapng file (draft-ietf-opsawg-pcapng) of clear packets: each gets an IP and a UDP header, so that
//! Wireshark shows addresses and decodes RTP and RTCP. The original datagrams were encrypted, and were longer.

use std::net::{IpAddr, Ipv6Addr};

use crate::command::Path;

/// LINKTYPE_RAW: a packet begins with its IP header.
const RAW_IP: u16 = 101;
/// Octets of a UDP header (RFC 768).
const UDP: usize = 8;
const UDP_PROTOCOL: u8 = 17;
/// The option `if_tsresol`: timestamps are powers of ten of seconds, here 10^-9.
const NANOSECONDS: [u8; 8] = [9, 0, 1, 0, 9, 0, 0, 0];
const END_OF_OPTIONS: [u8; 4] = [0; 4];

/// The most octets that a packet takes beside itself: block, IPv6 and UDP headers, options, padding.
pub(crate) const OVERHEAD: usize = 32 + 40 + UDP + 12 + 3;

/// Whether a packet came from the peer, or was sent to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    /// It arrived.
    In,
    /// It was sent.
    Out,
}

/// Writes the blocks that begin a file: section header and interface.
pub(crate) fn write_header(out: &mut Vec<u8>) {
    block(out, 0x0A0D_0D0A, |out| {
        out.extend(0x1A2B_3C4D_u32.to_le_bytes());
        out.extend([1, 0, 0, 0]);
        // The length of the section is unknown.
        out.extend(u64::MAX.to_le_bytes());
    });
    block(out, 1, |out| {
        out.extend(RAW_IP.to_le_bytes());
        out.extend([0; 2]);
        // Packets are whole.
        out.extend(0_u32.to_le_bytes());
        out.extend(NANOSECONDS);
        out.extend(END_OF_OPTIONS);
    });
}

/// Writes one packet. `nanoseconds` are since 1970.
pub(crate) fn write_packet(out: &mut Vec<u8>, nanoseconds: u64, direction: Direction, path: &Path, packet: &[u8]) {
    let (from, to) = match direction {
        Direction::In => (path.remote, path.local),
        Direction::Out => (path.local, path.remote),
    };
    block(out, 6, |out| {
        out.extend(0_u32.to_le_bytes());
        out.extend(((nanoseconds >> 32) as u32).to_le_bytes());
        out.extend((nanoseconds as u32).to_le_bytes());
        let lengths = out.len();
        out.extend([0; 8]);
        let start = out.len();
        write_ip(out, from.ip(), to.ip(), UDP + packet.len());
        write_udp(out, (from.ip(), from.port()), (to.ip(), to.port()), packet);
        let length = ((out.len() - start) as u32).to_le_bytes();
        out[lengths..lengths + 4].copy_from_slice(&length);
        out[lengths + 4..lengths + 8].copy_from_slice(&length);
        out.resize(out.len().next_multiple_of(4), 0);
        // The option `epb_flags`, whose lowest two bits are the direction.
        let flags: u32 = if direction == Direction::In { 1 } else { 2 };
        out.extend([2, 0, 4, 0]);
        out.extend(flags.to_le_bytes());
        out.extend(END_OF_OPTIONS);
    });
}

/// Writes a block: its type and length, its body, whose length is a multiple of four, and its length again.
fn block(out: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend(kind.to_le_bytes());
    out.extend([0; 4]);
    body(out);
    let length = ((out.len() + 4 - start) as u32).to_le_bytes();
    out[start + 4..start + 8].copy_from_slice(&length);
    out.extend(length);
}

/// Writes the header of IPv4 (RFC 791), or of IPv6 (RFC 8200) if an address is of that family.
fn write_ip(out: &mut Vec<u8>, from: IpAddr, to: IpAddr, length: usize) {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let start = out.len();
            out.extend([0x45, 0]);
            out.extend(((20 + length) as u16).to_be_bytes());
            out.extend([0, 0, 0x40, 0, 64, UDP_PROTOCOL, 0, 0]);
            out.extend(from.octets());
            out.extend(to.octets());
            let sum = checksum(0, &out[start..]).to_be_bytes();
            out[start + 10..start + 12].copy_from_slice(&sum);
        }
        (from, to) => {
            out.extend([0x60, 0, 0, 0]);
            out.extend((length as u16).to_be_bytes());
            out.extend([UDP_PROTOCOL, 64]);
            out.extend(as_v6(from).octets());
            out.extend(as_v6(to).octets());
        }
    }
}

/// Writes the UDP header (RFC 768), with a checksum, and the packet.
fn write_udp(out: &mut Vec<u8>, from: (IpAddr, u16), to: (IpAddr, u16), packet: &[u8]) {
    let start = out.len();
    let length = (UDP + packet.len()) as u16;
    for number in [from.1, to.1, length, 0] {
        out.extend(number.to_be_bytes());
    }
    out.extend_from_slice(packet);
    // The sum of the pseudo header. IPv4-mapped addresses are summed in the form in which they are written.
    let addresses = match (from.0, to.0) {
        (IpAddr::V4(from), IpAddr::V4(to)) => sum(0, &from.octets()) + sum(0, &to.octets()),
        (from, to) => sum(0, &as_v6(from).octets()) + sum(0, &as_v6(to).octets()),
    };
    let pseudo = addresses + u32::from(UDP_PROTOCOL) + u32::from(length);
    let sum = match checksum(pseudo, &out[start..]) {
        0 => 0xFFFF,
        sum => sum,
    };
    out[start + 6..start + 8].copy_from_slice(&sum.to_be_bytes());
}

fn as_v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// The sum of 16-bit words, not yet folded. A datagram has too few of them to overflow it.
fn sum(start: u32, octets: &[u8]) -> u32 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    octets.chunks(2).map(word).fold(start, |sum, word| sum + word)
}

/// The Internet checksum (RFC 1071).
fn checksum(start: u32, octets: &[u8]) -> u16 {
    let mut sum = sum(start, octets);
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_the_checksums_that_their_receivers_compute() {
        // The example of an IPv4 header in RFC 1071's own words: the sum over a header with its checksum is zero.
        for (local, remote) in [("192.0.2.1:7882", "198.51.100.7:40000"), ("[2001:db8::1]:7882", "[2001:db8::2]:9")] {
            let path = Path::udp(local.parse().unwrap(), remote.parse().unwrap());
            for packet in [&[0x80, 96, 0, 1, 2][..], &[0xFF; 1_200]] {
                let mut out = Vec::new();
                write_packet(&mut out, 1, Direction::Out, &path, packet);
                let ip = &out[28..];
                let (header, addresses) = if ip[0] >> 4 == 4 { (20, &ip[12..20]) } else { (40, &ip[8..40]) };
                let udp = &ip[header..header + UDP + packet.len()];
                let pseudo = sum(0, addresses) + u32::from(UDP_PROTOCOL) + udp.len() as u32;
                assert_eq!(checksum(pseudo, udp), 0, "{local}");
                assert!(header == 40 || checksum(0, &ip[..20]) == 0);
                assert_eq!(&udp[UDP..], packet);
                assert_eq!(out.len() % 4, 0);
                assert!(out.len() <= packet.len() + OVERHEAD);
                assert_eq!(out[4..8], out[out.len() - 4..], "a block has its length at both ends");
            }
        }
    }

    #[test]
    fn a_file_begins_with_its_section_and_a_raw_interface() {
        let mut out = Vec::new();
        write_header(&mut out);
        assert_eq!(out[..12], [0x0A, 0x0D, 0x0D, 0x0A, 28, 0, 0, 0, 0x4D, 0x3C, 0x2B, 0x1A]);
        assert_eq!(out[28..38], [1, 0, 0, 0, 32, 0, 0, 0, 101, 0]);
        assert_eq!(out.len(), 28 + 32);
    }
}
