"""`sfu doctor`: checks the requirements of the service. Each finding has its fix."""

import ctypes
import ipaddress
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from api.ports import PortError, Ports
from api.settings import Settings
from sfu.errors import NativeModuleError

WANTED_BUFFER = 4 * 1024 * 1024
"""The wanted buffer of a UDP socket in octets: 300 Mbit/s for a tenth of a second, while a thread is paused."""
UDP_SEGMENT = 103
"""linux/udp.h: the kernel splits one message into datagrams."""
SO_ATTACH_REUSEPORT_CBPF = 51
"""asm-generic/socket.h: a BPF program selects one of the sockets of a port."""
RETURN_ZERO = struct.pack("=HBBI", 0x06, 0, 0, 0)
"""linux/filter.h, struct sock_filter: BPF_RET of a constant, the first socket."""


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    is_good: bool
    found: str
    fix: str = ""


def examine(settings: Settings) -> list[Finding]:
    internal = Ports.internal(settings)
    return [
        *_ports(Ports.public(settings)),
        *(_ports(internal) if internal else []),
        *_ports(Ports.media(settings)),
        *(_ports(tcp) if (tcp := Ports.media_tcp(settings)) else []),
        _buffer("receive", Path("/proc/sys/net/core/rmem_max")),
        _buffer("send", Path("/proc/sys/net/core/wmem_max")),
        _addresses(settings),
        _crypto(),
        _segmentation(),
        _reports_apart(),
    ]


def _ports(ports: Ports) -> list[Finding]:
    """Returns one finding for each unusable port, or one for all ports."""
    bad = [finding for host in ports.hosts for number in ports.numbers if (finding := _bad_port(ports, host, number))]
    if bad:
        return bad
    first, last = ports.numbers[0], ports.numbers[-1]
    numbers = f"{first} to {last}" if first != last else str(first)
    return [Finding(f"{ports.protocol} port {numbers} on {', '.join(ports.hosts)}", True, "free")]


def _bad_port(ports: Ports, host: str, number: int) -> Finding | None:
    kind = socket.SOCK_STREAM if ports.protocol == "TCP" else socket.SOCK_DGRAM
    version = ipaddress.ip_address(host).version
    try:
        with socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, kind) as probe:
            if ports.protocol == "TCP":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, number))
    except OSError as error:
        found = PortError(ports, host, number, error)
        return Finding(found.port, False, found.reason, found.fix)
    return None


def _buffer(direction: str, path: Path) -> Finding:
    what = f"UDP {direction} buffer"
    try:
        allowed = int(path.read_text())
    except (OSError, ValueError):
        return Finding(what, True, "unknown on this system")
    name = "net.core." + path.name
    if allowed < WANTED_BUFFER:
        found = f"at most {allowed // 1024} KiB; {WANTED_BUFFER // 1024} KiB are recommended"
        return Finding(what, False, found, f"sysctl -w {name}={WANTED_BUFFER}")
    return Finding(what, True, f"up to {allowed // 1024} KiB")


def _addresses(settings: Settings) -> Finding:
    what = "announced addresses"
    announced = settings.config().announced_addresses
    found = ", ".join(announced)
    only_here = all(ipaddress.ip_address(address).is_loopback for address in announced)
    if settings.reaches_only_here:
        fix = "set SFU_ANNOUNCED_ADDRESSES to the address that clients reach"
        return Finding(what, False, f"{found}: this machine has only loopback addresses", fix)
    if only_here and not settings.mode.dev:
        fix = "set SFU_ANNOUNCED_ADDRESSES to the address that clients reach, and SFU_HOST to 0.0.0.0"
        return Finding(what, False, f"{found}: reachable from this machine only", fix)
    if only_here:
        return Finding(what, True, f"{found}: reachable from this machine only, because of development mode")
    if all(ipaddress.ip_address(address).is_private for address in announced):
        return Finding(
            what, True, f"{found}: reachable from the same network only; for other networks set SFU_ANNOUNCED_ADDRESSES"
        )
    return Finding(what, True, found)


def _crypto() -> Finding:
    try:
        import sfu.plane  # noqa: F401
    except NativeModuleError as error:
        return Finding("native module", False, error.found, error.fix)
    try:
        flags = Path("/proc/cpuinfo").read_text().lower()
    except OSError:
        flags = ""
    has_aes = any(word in flags.split() for word in ("aes", "pmull"))
    return Finding(
        "crypto", True, "BoringSSL" + (", with AES in hardware" if has_aes else "; no AES in hardware found")
    )


def _segmentation() -> Finding:
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1200)
    except OSError:
        return Finding("UDP_SEGMENT", False, "not available: each datagram is sent alone", "Linux 4.18 or newer")
    return Finding("UDP_SEGMENT", True, "found")


def _reports_apart() -> Finding:
    what = "reports separate from media"
    program = ctypes.create_string_buffer(RETURN_ZERO)
    option = struct.pack("@HP", 1, ctypes.addressof(program))  # struct sock_fprog
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            probe.bind(("127.0.0.1", 0))
            probe.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, option)
    except OSError:
        found = "not available: each report of a viewer wakes a packet thread"
        return Finding(what, False, found, "Linux 4.6 or newer, and a sandbox that allows SO_ATTACH_REUSEPORT_CBPF")
    return Finding(what, True, "possible")
