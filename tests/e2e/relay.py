"""A UDP relay that simulates a bad network: it loses, duplicates and delays datagrams between one client and the
service."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import cast

CANDIDATE = re.compile(r"^(a=candidate:\S+ 1 udp \d+) (\S+) (\d+) typ host\r?$", re.IGNORECASE | re.MULTILINE)


QUEUE = 0.3
"""Seconds for which a datagram waits at most for a limited link."""


@dataclass(slots=True)
class Network:
    """The faults of each direction, from one seeded generator: equal traffic loses equal datagrams."""

    loss: float = 0.0
    """0 to 1."""
    duplicates: float = 0.0
    late: float = 0.0
    """The probability that a datagram is delayed by another `delay`, so that later ones overtake it."""
    delay: float = 0.01
    """Seconds in each direction."""
    rate: float = 0.0
    """Bits per second to the client, behind a queue of `QUEUE`. 0: without a limit."""


@dataclass(slots=True)
class Relay:
    """Numbers of datagrams: to the client, and to the service."""

    network: Network
    down: int = 0
    up: int = 0
    lost_down: int = 0
    lost_up: int = 0
    _busy: float = 0.0
    """Until when the limited link to the client sends."""
    _random: Random = field(default_factory=lambda: Random(1))
    _address: tuple[str, int] = ("", 0)
    _client: tuple[str, int] | None = None
    _outside: asyncio.DatagramTransport | None = None
    _inside: asyncio.DatagramTransport | None = None
    _service: tuple[str, int] = ("", 0)

    async def move(self) -> None:
        """Changes the address of the client that the service sees. Datagrams to the previous one are lost."""
        before = self._inside
        loop = asyncio.get_running_loop()
        self._inside, _ = await loop.create_datagram_endpoint(lambda: _Inside(self), remote_addr=self._service)
        if before is not None:
            before.close()

    def answer(self, sdp: str) -> str:
        """Returns the answer with this relay's address instead of the service's."""
        lines = [line for line in sdp.splitlines() if not line.startswith("a=candidate:")]
        found = _candidate(sdp)
        host, port = self._address
        at = next(index for index, line in enumerate(lines) if line.startswith("a=end-of-candidates"))
        lines.insert(at, f"{found[1]} {host} {port} typ host")
        return "\r\n".join([*lines, ""])

    def from_client(self, datagram: bytes, address: tuple[str, int]) -> None:
        self._client = address
        self.up += 1
        self.lost_up += not self._carry(self._inside, datagram, None)

    def from_service(self, datagram: bytes) -> None:
        self.down += 1
        self.lost_down += not self._carry(self._outside, datagram, self._client)

    def _carry(self, way: asyncio.DatagramTransport | None, datagram: bytes, to: tuple[str, int] | None) -> bool:
        network, chance = self.network, self._random.random
        if way is None or chance() < network.loss:
            return False
        queued = self._queued(len(datagram)) if way is self._outside else 0.0
        if queued > QUEUE:
            return False
        for _ in range(1 + (chance() < network.duplicates)):
            delay = queued + network.delay * (1 + (chance() < network.late))
            asyncio.get_running_loop().call_later(delay, self._send, way, datagram, to)
        return True

    def _queued(self, octets: int) -> float:
        """Returns the seconds until so many octets have left the limited link. More than `QUEUE`: they are dropped."""
        now, rate = asyncio.get_running_loop().time(), self.network.rate
        if not rate:
            return 0.0
        queued = max(self._busy - now, 0.0) + octets * 8 / rate
        if queued <= QUEUE:
            self._busy = now + queued
        return queued

    def _send(self, way: asyncio.DatagramTransport, datagram: bytes, to: tuple[str, int] | None) -> None:
        if not way.is_closing():
            way.sendto(datagram, to)


def _candidate(answer: str) -> re.Match[str]:
    """Returns the last candidate: Firefox cannot reach a service at 127.0.0.1."""
    found = list(CANDIDATE.finditer(answer))
    assert found, "the answer has a candidate"
    return found[-1]


class _Outside(asyncio.DatagramProtocol):
    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._relay.from_client(data, addr)


class _Inside(_Outside):
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._relay.from_service(data)


@asynccontextmanager
async def relaying(answer: str, network: Network) -> AsyncIterator[Relay]:
    """Runs a relay between one client and the service."""
    found = _candidate(answer)
    relay = Relay(network)
    loop = asyncio.get_running_loop()
    outside, _ = await loop.create_datagram_endpoint(lambda: _Outside(relay), local_addr=(found[2], 0))
    relay._outside, relay._service = outside, (found[2], int(found[3]))
    await relay.move()
    relay._address = cast(tuple[str, int], outside.get_extra_info("sockname"))[:2]
    try:
        yield relay
    finally:
        outside.close()
        if relay._inside is not None:
            relay._inside.close()
