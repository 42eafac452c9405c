"""The webhooks of a service: delivers events to them, lists them, and sends again what was given up."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from api.webhook_courier import Courier
from api.webhook_sender import DeliveryFailed, Sender
from sfu.config import Webhook
from sfu.errors import NotFound
from sfu.history.deliveries import WebhookInfo
from sfu.history.history import History
from sfu.model import random_text
from sfu.quoting import quote


class Webhooks:
    def __init__(
        self,
        history: History,
        targets: tuple[Webhook, ...],
        keys: Mapping[str, str],
        *,
        wall: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        """Attempts by target and result: `delivered`, `failed`, `dead`."""
        self._history = history
        self._targets = {target.name: target for target in targets}
        # Each target has its own connections and its own look-ups of names: a slow one delays no other.
        self._senders = {target.name: Sender(keys, wall) for target in targets}
        self._wall = wall
        self._chance = chance

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[None]:
        """Delivers for the length of the block."""
        tasks = [asyncio.create_task(self._courier(target).run()) for target in self._targets.values()]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for sender in self._senders.values():
                await sender.close()

    async def list(self) -> list[WebhookInfo]:
        return await self._history.ask(lambda store: store.deliveries.list())

    async def retry(self, name: str) -> int:
        """Sends everything that waits or was given up. Returns the number of events."""
        target, at = self._find(name), self._milliseconds()
        count = await self._history.ask(lambda store: store.deliveries.retry(target.name, at))
        self._history.wake_deliveries()
        return count

    async def test(self, name: str) -> str:
        """Sends an event of the type `test` at once. Returns the reason why it was not taken. Empty: it was."""
        room = {"sid": "RM_test", "name": "test"}
        event = {"type": "test", "at": self._milliseconds(), "room": room, "seq": 0, "node": "", "epoch": 0}
        target = self._find(name)
        try:
            await self._senders[name].send(target, f"test-{random_text(12)}", event)
        except DeliveryFailed as error:
            return str(error)
        return ""

    def _courier(self, target: Webhook) -> Courier:
        sender = self._senders[target.name]
        return Courier(self._history, target, sender, self.counts, wall=self._wall, chance=self._chance)

    def _find(self, name: str) -> Webhook:
        target = self._targets.get(name)
        if target is None:
            raise NotFound(f"there is no webhook {quote(name)}")
        return target

    def _milliseconds(self) -> int:
        return int(self._wall() * 1000)


def shown(info: WebhookInfo) -> dict[str, Any]:
    return {name: getattr(info, name) for name in info.__dataclass_fields__}
