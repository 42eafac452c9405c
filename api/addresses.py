"""At which addresses clients reach this machine, where nobody said so."""

import ipaddress
import socket


def announced(hosts: tuple[str, ...]) -> tuple[str, ...]:
    """Addresses to announce for sockets bound to `hosts`."""
    found: dict[str, None] = {}
    for host in hosts:
        address = ipaddress.ip_address(host)
        if not address.is_unspecified:
            found[host] = None
        elif (routed := default_address(address.version)) is not None:
            found[routed] = None
    return tuple(found) or ("127.0.0.1",)


def default_address(version: int = 4) -> str | None:
    """Ours on the default route; None without one. Connecting a UDP socket sends nothing."""
    family, elsewhere = (socket.AF_INET, "192.0.2.1") if version == 4 else (socket.AF_INET6, "2001:db8::1")
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None
