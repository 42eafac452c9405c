"""Delivers the events of rooms to webhooks: in order per room, at least once, with back-off."""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from api.webhook_sender import DeliveryFailed, Sender
from sfu import limits
from sfu.config import Webhook
from sfu.errors import NotFound
from sfu.history.deliveries import Delivery, Outcome, WebhookInfo
from sfu.history.history import History
from sfu.model import random_text
from sfu.quoting import quote

log = logging.getLogger(__name__)


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
        self._sender = Sender(keys, wall)
        self._wall = wall
        self._chance = chance

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[None]:
        """Delivers for the length of the block."""
        tasks = [asyncio.create_task(self._run(target)) for target in self._targets.values()]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._sender.close()

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
        try:
            await self._sender.send(self._find(name), f"test-{random_text(12)}", event)
        except DeliveryFailed as error:
            return str(error)
        return ""

    def _find(self, name: str) -> Webhook:
        target = self._targets.get(name)
        if target is None:
            raise NotFound(f"there is no webhook {quote(name)}")
        return target

    async def _run(self, target: Webhook) -> None:
        news = self._history.deliveries_news()
        while True:
            try:
                news.clear()
                wait = await self._deliver(target)
            except Exception as error:
                self._history.note_failure(error)
                wait = limits.WEBHOOK_FIRST_RETRY
            if wait != 0:
                try:
                    async with asyncio.timeout(wait):
                        await news.wait()
                except TimeoutError:
                    pass

    async def _deliver(self, target: Webhook) -> float | None:
        """Sends the next event of each room that is due. Returns the seconds until another one is. None: never."""
        heads = await self._history.ask(lambda store: store.deliveries.heads(target.name, limits.WEBHOOKS_AT_ONCE))
        now = self._milliseconds()
        due = [one for one in heads if one.due <= now]
        if not due:
            return max(heads[0].due - now, 1) / 1000 if heads else None
        outcomes = await asyncio.gather(*(self._send(target, one) for one in due))
        await self._history.ask(lambda store: store.deliveries.note(target.name, outcomes))
        return 0

    async def _send(self, target: Webhook, delivery: Delivery) -> Outcome:
        try:
            await self._sender.send(target, self._history.name(delivery.position), delivery.body)
        except DeliveryFailed as failure:
            now = self._milliseconds()
            dead = now - delivery.since >= limits.WEBHOOK_GIVE_UP * 1000
            self.counts[target.name, "dead" if dead else "failed"] += 1
            if dead or delivery.attempts == 0:
                what = "gave up" if dead else "could not send"
                log.warning("%s an event: webhook=%s why=%s", what, target.name, failure)
            return Outcome(delivery.position, str(failure)[:200], now + int(self._backoff(delivery.attempts)), dead)
        self.counts[target.name, "delivered"] += 1
        return Outcome(delivery.position)

    def _backoff(self, attempts: int) -> float:
        """Returns milliseconds: doubled with each attempt, less up to a half by chance."""
        most = min(limits.WEBHOOK_FIRST_RETRY * 2.0 ** min(attempts, 30), limits.WEBHOOK_LAST_RETRY)
        return most * 1000 * (1 - self._chance() / 2)

    def _milliseconds(self) -> int:
        return int(self._wall() * 1000)


def shown(info: WebhookInfo) -> dict[str, Any]:
    return {name: getattr(info, name) for name in info.__dataclass_fields__}
