"""The addresses at which clients reach this machine, if the settings name none."""

import fcntl
import ipaddress
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from sfu import limits

LOOPBACK = "127.0.0.1"

# linux/netlink.h, linux/rtnetlink.h, linux/if_addr.h, linux/if.h
RTM_NEWADDR, RTM_GETADDR = 20, 22
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST_DUMP = 0x301
IFA_ADDRESS, IFA_LOCAL, IFA_FLAGS = 1, 2, 8
TEMPORARY, DAD_FAILED, DEPRECATED, TENTATIVE = 0x01, 0x08, 0x20, 0x40
SIOCGIFFLAGS = 0x8913
UP, RUNNING = 0x1, 0x40


@dataclass(frozen=True, slots=True)
class Found:
    """An address of this machine. `scope` is RT_SCOPE: 0 anywhere, 253 on its link only, 254 on this host only."""

    address: str
    scope: int
    flags: int
    interface: int

    @property
    def is_usable(self) -> bool:
        """Returns whether clients on other machines can reach it and it is permanent. IPv6 privacy addresses (RFC 8981)
        last only a day."""
        address = ipaddress.ip_address(self.address)
        is_local = address.is_loopback or address.is_link_local or address.is_multicast
        is_passing = self.flags & (TEMPORARY | DAD_FAILED | DEPRECATED | TENTATIVE)
        return self.scope < 253 and not is_local and not is_passing


def announced(hosts: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the addresses to announce for sockets bound to `hosts`. For 0.0.0.0 and :: these are all usable ones, the
    default route's first. If there is none, it is the loopback address: see `reaches_only_here`."""
    found: dict[str, None] = {}
    for host in hosts:
        address = ipaddress.ip_address(host)
        if address.is_unspecified:
            found.update(dict.fromkeys(usable(address.version)))
        else:
            found[host] = None
    return tuple(found)[: limits.ANNOUNCED_ADDRESSES] or (LOOPBACK,)


def reaches_only_here(addresses: tuple[str, ...]) -> bool:
    """Returns whether no client on another machine can reach any of them."""
    return all(ipaddress.ip_address(address).is_loopback for address in addresses)


def usable(version: int = 4) -> list[str]:
    """Returns this machine's addresses of this IP version that other machines can reach, the default route's first."""
    first = default_address(version)
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    ours = [one.address for one in _all(family) if one.is_usable and _is_running(one.interface)]
    return list(dict.fromkeys([*([first] if first else []), *ours]))


def own_address() -> str | None:
    """Returns the IPv4 address that best identifies this machine. None: it has only the loopback address."""
    return next(iter(usable(4)), None)


def default_address(version: int = 4) -> str | None:
    """Returns this machine's address on the default route. None: there is no route. Connecting a UDP socket sends
    nothing."""
    family, elsewhere = (socket.AF_INET, "192.0.2.1") if version == 4 else (socket.AF_INET6, "2001:db8::1")
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None


def parse(family: int, reply: bytes) -> Iterator[Found]:
    """Returns the addresses in a reply to RTM_GETADDR (rtnetlink(7))."""
    while len(reply) >= 16:
        length, kind = struct.unpack_from("=IH", reply)
        if length < 16 or length > len(reply):
            return
        if kind == RTM_NEWADDR and length >= 24:
            of, _, flags, scope, interface = struct.unpack_from("=BBBBI", reply, 16)
            attributes = dict(_attributes(reply[24:length]))
            octets = attributes.get(IFA_LOCAL) or attributes.get(IFA_ADDRESS)
            if IFA_FLAGS in attributes and len(attributes[IFA_FLAGS]) == 4:
                (flags,) = struct.unpack("=I", attributes[IFA_FLAGS])
            if of == family and octets is not None and len(octets) in (4, 16):
                yield Found(str(ipaddress.ip_address(octets)), scope, flags, interface)
        reply = reply[_aligned(length) :]


def _attributes(octets: bytes) -> Iterator[tuple[int, bytes]]:
    while len(octets) >= 4:
        length, kind = struct.unpack_from("=HH", octets)
        if length < 4 or length > len(octets):
            return
        yield kind, octets[4:length]
        octets = octets[_aligned(length) :]


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _all(family: socket.AddressFamily) -> list[Found]:
    """Returns all addresses of this machine. Empty if the system does not list them; then only the default route is
    known."""
    request = struct.pack("=IHHIIBBBBI", 24, RTM_GETADDR, NLM_F_REQUEST_DUMP, 1, 0, family, 0, 0, 0, 0)
    found: list[Found] = []
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
            netlink.settimeout(1.0)
            netlink.send(request)
            while True:
                reply = netlink.recv(65_536)
                found += parse(family, reply)
                if _is_last(reply):
                    return found
    except (OSError, AttributeError):
        return found


def _is_last(reply: bytes) -> bool:
    while len(reply) >= 16:
        length, kind = struct.unpack_from("=IH", reply)
        if kind in (NLMSG_DONE, NLMSG_ERROR) or length < 16:
            return True
        reply = reply[_aligned(length) :]
    return not reply


def _is_running(interface: int) -> bool:
    """Returns whether the interface is running. A bridge without members is up, but not running."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            name = socket.if_indextoname(interface).encode()
            answer = fcntl.ioctl(probe, SIOCGIFFLAGS, struct.pack("16sH14x", name, 0))
    except OSError:
        return True
    (flags,) = struct.unpack_from("=H", answer, 16)
    return bool(flags & UP and flags & RUNNING)
