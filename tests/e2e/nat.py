"""A NAT between clients and the service, in Python: to the service each client has an address that can change."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

Address = tuple[str, int]

FRONT = "127.0.0.2"
"""The announced addresses of the service."""
SERVICE = "127.0.0.1"


class Nat:
    def __init__(self) -> None:
        self.port = 0
        """The addresses of both ends."""
        self.down = 0
        """Datagrams to clients since the last move."""
        self._front: asyncio.DatagramTransport | None = None
        self._legs: dict[Address, asyncio.Future[asyncio.DatagramTransport]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def move(self) -> None:
        """Gives every client another address. Datagrams to the old ones are lost."""
        for leg in self._legs.values():
            if leg.done():
                leg.result().close()
        self._legs.clear()
        self.down = 0

    async def _carry(self, client: Address, datagram: bytes) -> None:
        leg = self._legs.get(client)
        if leg is None:
            loop = asyncio.get_running_loop()
            leg = self._legs[client] = loop.create_future()
            out, _ = await loop.create_datagram_endpoint(lambda: _Leg(self, client), (SERVICE, 0))
            leg.set_result(out)
        (await leg).sendto(datagram, (SERVICE, self.port))

    def _deliver(self, client: Address, datagram: bytes) -> None:
        if self._front is not None:
            self.down += 1
            self._front.sendto(datagram, client)


class _Front(asyncio.DatagramProtocol):
    def __init__(self, nat: Nat) -> None:
        self._nat = nat

    def datagram_received(self, data: bytes, addr: Address) -> None:
        task = asyncio.get_running_loop().create_task(self._nat._carry(addr, data))
        self._nat._tasks.add(task)
        task.add_done_callback(self._nat._tasks.discard)


class _Leg(asyncio.DatagramProtocol):
    def __init__(self, nat: Nat, client: Address) -> None:
        self._nat, self._client = nat, client

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._nat._deliver(self._client, data)


@asynccontextmanager
async def behind_nat(front: str = FRONT) -> AsyncIterator[Nat]:
    nat = Nat()
    loop = asyncio.get_running_loop()
    nat._front, _ = await loop.create_datagram_endpoint(lambda: _Front(nat), (front, 0))
    nat.port = nat._front.get_extra_info("sockname")[1]
    try:
        yield nat
    finally:
        nat.move()
        nat._front.close()
