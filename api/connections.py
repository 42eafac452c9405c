"""Limits the TCP connections of a listener: in total, and per address before authentication.

A connection is *known* once a token, or the secret of a session, was valid on it. Each address may have `per_address`
unknown connections. Connections beyond that are closed, idle ones first and the oldest first. A connection has
`limits.SETTLE_SECONDS` to authenticate before it counts as idle, so that a class that joins together is admitted. It
counts from its first packet on, also during its TLS handshake (`api/handshakes.py`).

A proxy has one address for all its clients: name it in SFU_TRUSTED_PROXIES, and it is not limited.
"""

import asyncio
import ipaddress
import logging
from collections.abc import Sequence
from typing import Any, Protocol

from sfu import limits

log = logging.getLogger(__name__)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Transport(Protocol):
    """The methods used of a transport, or of the `Handshake` before it (`api/handshakes.py`)."""

    def get_extra_info(self, name: str) -> Any: ...
    def abort(self) -> None: ...


class Connection:
    """A TCP connection. `is_busy`: a request on it is being answered."""

    def __init__(self, connections: "Connections", transport: Transport, address: str, at: float) -> None:
        self.transport = transport
        self.address = address
        self.at = at
        self.is_known = False
        self.is_busy = False
        self._connections = connections

    def know(self) -> None:
        """Marks the connection as known, because a token on it is valid."""
        if not self.is_known:
            self.is_known = True
            self._connections.note_known(self)


class Connections:
    def __init__(self, most: int, per_address: int, trusted: Sequence[Network] = ()) -> None:
        self.refused = 0
        self._most = most
        self._per_address = per_address
        self._trusted = tuple(trusted)
        self._all: dict[Transport, Connection] = {}
        self._unknown: dict[str, dict[Connection, None]] = {}
        """Unknown connections by address, oldest first. Those of trusted proxies share the empty address."""

    def __len__(self) -> int:
        return len(self._all)

    def unknown(self, address: str) -> int:
        return len(self._unknown.get(address, ()))

    def admit(self, transport: Transport) -> Connection | None:
        """Registers a new connection. None: the limits allow no more."""
        loop = asyncio.get_running_loop()
        address = "" if self._is_trusted(peer := _peer(transport)) else subscriber(peer)
        of_address = self._unknown.setdefault(address, {})
        if len(self._all) >= self._most and not self._make_room():
            self._refuse(address)
            return None
        if address and len(of_address) >= self._per_address * limits.UNSETTLED:
            self._refuse(address)
            return None
        connection = Connection(self, transport, address, loop.time())
        self._all[transport] = connection
        of_address[connection] = None
        if address and len(of_address) > self._per_address:
            loop.call_later(limits.SETTLE_SECONDS, self._settle, address)
        return connection

    def of(self, transport: Transport) -> Connection | None:
        return self._all.get(transport)

    def replace(self, transport: Transport, by: Transport) -> None:
        """Replaces the transport of a connection after its TLS handshake."""
        connection = self._all.pop(transport, None)
        if connection is not None:
            connection.transport = by
            self._all[by] = connection

    def forget(self, transport: Transport) -> None:
        """Removes a connection that is closed or closing."""
        connection = self._all.pop(transport, None)
        if connection is not None:
            self.note_known(connection)

    def note_known(self, connection: Connection) -> None:
        of_address = self._unknown.get(connection.address, {})
        of_address.pop(connection, None)
        if not of_address:
            self._unknown.pop(connection.address, None)

    def _settle(self, address: str) -> None:
        """Closes connections of an address that exceed its limit and had their time to authenticate."""
        of_address = self._unknown.get(address, {})
        settled = asyncio.get_running_loop().time() - limits.SETTLE_SECONDS
        beyond = len(of_address) - self._per_address
        idle = [one for one in of_address if one.at <= settled and not one.is_busy]
        for one in idle[: max(beyond, 0)]:
            self._close(one)

    def _make_room(self) -> bool:
        oldest = [next((one for one in of_address if not one.is_busy), None) for of_address in self._unknown.values()]
        idle = [one for one in oldest if one is not None]
        if not idle:
            return False
        self._close(min(idle, key=lambda one: one.at))
        return True

    def _close(self, connection: Connection) -> None:
        self.refused += 1
        self.forget(connection.transport)
        connection.transport.abort()

    def _refuse(self, address: str) -> None:
        self.refused += 1
        if not self._unknown.get(address):
            self._unknown.pop(address, None)

    def _is_trusted(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._trusted)


def _peer(transport: Transport) -> str:
    name = transport.get_extra_info("peername")
    return str(name[0]) if isinstance(name, tuple) and name else ""


def subscriber(address: str) -> str:
    """Returns the subscriber of an address: the /64 of an IPv6 host (RFC 6177), or IPv4 without its mapping (RFC 4291
    s2.5.5)."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address or "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
