"""Kills a service at random times while clients join and leave, and compares its events with what the clients saw.

`python -m tests.api.kill --kills 100` does it longer. The truth is the clients' own list of answered joins.
"""

import argparse
import asyncio
import contextlib
import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import websockets

from .server import bearer
from .test_process import Process, running

START = 120.0
"""Seconds after which a service that admits or answers nobody has failed."""


class Killed:
    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.answered: list[str] = []
        """Sids of participants whose client received `joined`."""
        self._folder = folder
        self._chance = chance
        self._joined = asyncio.Event()
        self._cursor = ""
        self._events: list[dict[str, Any]] = []

    async def run(self, kills: int, clients: int = 6) -> None:
        for _ in range(kills):
            async with running(self._folder, SFU_STATE_DIR=str(self._folder / "state")) as process:
                people = [asyncio.create_task(self._person(process, f"p{n}")) for n in range(clients)]
                # Not before some have joined, so each kill ends somebody.
                count = len(self.answered)
                async with asyncio.timeout(START):
                    while len(self.answered) < count + clients // 2:
                        self._joined.clear()
                        await self._joined.wait()
                await self._read(process)
                await asyncio.sleep(self._chance.random() * 0.3)
                process.child.kill()
                await process.child.wait()
                for person in people:
                    person.cancel()
                await asyncio.gather(*people, return_exceptions=True)

    async def check(self) -> None:
        """Starts the service once more, reads what is left, and checks that each join and each end is told once."""
        async with running(self._folder, SFU_STATE_DIR=str(self._folder / "state")) as process:
            await self._read(process)
        ids = [event["id"] for event in self._events]
        assert len(ids) == len(set(ids)), "an event was read twice"
        joined = self._sids("participant_joined")
        left = self._sids("participant_left")
        wrong = [sid for sid in self.answered if (joined[sid], left[sid]) != (1, 1)]
        assert not wrong, f"answered joins without one joined and one left: {wrong}"
        assert joined == left, "each joined has its left, and each left its joined"
        numbers: dict[str, list[int]] = {}
        for event in self._events:
            numbers.setdefault(event["room"]["sid"], []).append(event["seq"])
        for room, seqs in numbers.items():
            assert seqs == list(range(1, len(seqs) + 1)), f"the events of {room} have gaps or are out of order"
        assert Counter(e["type"] for e in self._events)["room_started"] == len(numbers)
        assert any(event.get("reason") == "server_lost" for event in self._events)

    def _sids(self, type: str) -> Counter[str]:
        return Counter(event["participant"]["sid"] for event in self._events if event["type"] == type)

    async def _person(self, process: Process, identity: str) -> None:
        """Joins, stays for a moment, leaves, and joins again, until the service is gone."""
        with contextlib.suppress(websockets.WebSocketException, OSError):
            while True:
                async with process.client(identity) as client:
                    self.answered.append(client.sid)
                    self._joined.set()
                    await asyncio.sleep(self._chance.random() * 0.05)
                    if self._chance.random() < 0.7:
                        await client.say("leave")
                        await client.hear("left")

    async def _read(self, process: Process) -> None:
        url = f"http://127.0.0.1:{process.port}"
        async with httpx.AsyncClient(base_url=url, headers=bearer(), timeout=START) as http:
            while True:
                reply = await http.get("/v1/events", params={"after": self._cursor} if self._cursor else {})
                body = reply.json()
                assert not body["missed"]
                self._events += body["events"]
                self._cursor = body["events"][-1]["id"] if body["events"] else self._cursor
                if not body["next"]:
                    return


async def main(kills: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        killed = Killed(Path(folder), random.Random(seed))
        await killed.run(kills)
        await killed.check()
        print(f"{kills} kills, {len(killed.answered)} answered joins: each has one joined and one left.")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--kills", type=int, default=100)
    arguments.add_argument("--seed", type=int, default=1)
    asyncio.run(main(**vars(arguments.parse_args())))
