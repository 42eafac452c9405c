//! The control messages of a datagram (recvmsg(2), ip(7), ipv6(7), udp(7)). Received ones carry the time of arrival and
//! our address it was sent to; sent ones carry our source address and the segment size.

use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use libc::{c_int, c_uint, cmsghdr, in_addr, in_pktinfo, in6_addr, in6_pktinfo, timespec};

/// Room for a timestamp and packet information, or for packet information and a segment size, of either family.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub struct Control([u8; Self::SIZE]);

impl Default for Control {
    fn default() -> Self {
        Self([0; Self::SIZE])
    }
}

/// The control information that the kernel gave for a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    /// Our address that the datagram was sent to, and the interface if the address is valid only there (0 otherwise).
    pub local: Option<(IpAddr, u32)>,
    /// When the kernel received the datagram, in wall time since 1970.
    pub stamp: Option<Duration>,
}

impl Control {
    pub const SIZE: usize = 128;

    pub fn as_mut_ptr(&mut self) -> *mut libc::c_void {
        self.0.as_mut_ptr().cast()
    }

    /// Parses the first `length` octets, as the kernel wrote them.
    pub fn facts(&self, length: usize) -> Facts {
        let mut facts = Facts::default();
        let mut rest = &self.0[..length.min(Self::SIZE)];
        while let Some(header) = read::<cmsghdr>(rest) {
            let Some(value) = rest.get(aligned(size_of::<cmsghdr>())..header.cmsg_len) else {
                break;
            };
            match (header.cmsg_level, header.cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    facts.stamp = read::<timespec>(value).map(|t| Duration::new(t.tv_sec as u64, t.tv_nsec as u32));
                }
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    // Not ipi_addr: that may be a broadcast address, which cannot be a source address.
                    facts.local = read::<in_pktinfo>(value)
                        .map(|info| (Ipv4Addr::from_bits(u32::from_be(info.ipi_spec_dst.s_addr)).into(), 0));
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    facts.local = read::<in6_pktinfo>(value).map(|info| {
                        let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                        (address.into(), if address.is_unicast_link_local() { info.ipi6_ifindex } else { 0 })
                    });
                }
                _ => {}
            }
            rest = rest.get(aligned(header.cmsg_len)..).unwrap_or_default();
        }
        facts
    }

    /// Writes the control messages to send from `local`, in segments of `segment` octets if it is given. Returns the
    /// length in octets.
    pub fn ask(&mut self, local: SocketAddr, segment: Option<u16>) -> usize {
        let mut used = 0;
        match local {
            SocketAddr::V4(local) if !local.ip().is_unspecified() => {
                let address = in_addr { s_addr: local.ip().to_bits().to_be() };
                let info = in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: address, ipi_addr: in_addr { s_addr: 0 } };
                used = self.put(used, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
            }
            SocketAddr::V6(local) if !local.ip().is_unspecified() => {
                let address = in6_addr { s6_addr: local.ip().octets() };
                let info = in6_pktinfo { ipi6_addr: address, ipi6_ifindex: local.scope_id() as c_uint };
                used = self.put(used, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
            }
            _ => {}
        }
        if let Some(segment) = segment {
            used = self.put(used, libc::SOL_UDP, libc::UDP_SEGMENT, segment);
        }
        used
    }

    fn put<T: Copy>(&mut self, at: usize, level: c_int, kind: c_int, value: T) -> usize {
        let start = at + aligned(size_of::<cmsghdr>());
        let end = start + size_of::<T>();
        assert!(aligned(end) <= Self::SIZE, "control messages are larger than their buffer");
        // SAFETY: zero is a valid cmsghdr. Some C libraries pad it with private fields.
        let mut header: cmsghdr = unsafe { std::mem::zeroed() };
        header.cmsg_len = (end - at) as _;
        header.cmsg_level = level;
        header.cmsg_type = kind;
        // SAFETY: both writes end inside the buffer, as asserted above.
        unsafe {
            self.0.as_mut_ptr().add(at).cast::<cmsghdr>().write_unaligned(header);
            self.0.as_mut_ptr().add(start).cast::<T>().write_unaligned(value);
        }
        aligned(end)
    }
}

/// CMSG_ALIGN of cmsg(3).
const fn aligned(length: usize) -> usize {
    length.next_multiple_of(size_of::<usize>())
}

/// Reads a `T`, which must be one of the kernel's plain structures, valid for any bytes.
fn read<T: Copy>(bytes: &[u8]) -> Option<T> {
    // SAFETY: there are enough bytes, alignment does not matter, and the structures used here have no invalid values.
    (bytes.len() >= size_of::<T>()).then(|| unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_of_the_kernel_reads_back_as_the_address_to_send_from() {
        for (local, address) in [
            ("192.0.2.7:7882", Some(("192.0.2.7", 0))),
            ("[2001:db8::7]:7882", Some(("2001:db8::7", 0))),
            ("[fe80::7%3]:7882", Some(("fe80::7", 3))),
            ("0.0.0.0:7882", None),
            ("[::]:7882", None),
        ] {
            let mut control = Control::default();
            let length = control.ask(local.parse().unwrap(), Some(1_200));
            let expected = address.map(|(ip, interface)| (ip.parse().unwrap(), interface));
            assert_eq!(control.facts(length).local, expected, "{local}");
        }
    }

    #[test]
    fn a_time_stamp_is_read_beside_an_address() {
        let mut control = Control::default();
        let length = control.ask("192.0.2.7:7882".parse().unwrap(), None);
        let stamp = timespec { tv_sec: 1_700_000_000, tv_nsec: 5 };
        let length = control.put(length, libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, stamp);
        assert_eq!(control.facts(length).stamp, Some(Duration::new(1_700_000_000, 5)));
        assert!(control.facts(length).local.is_some());
    }

    #[test]
    fn a_length_that_lies_ends_the_reading() {
        let mut control = Control::default();
        control.ask("192.0.2.7:7882".parse().unwrap(), None);
        for lie in [0_usize, 1, 15, 4_096, usize::MAX] {
            control.0[..8].copy_from_slice(&lie.to_ne_bytes());
            assert_eq!(control.facts(Control::SIZE), Facts::default(), "cmsg_len {lie}");
        }
    }
}
