"""Delivers the events of rooms to one webhook: in order per room, many rooms at once, at least once.

A room that waits for the receiver, or for its next attempt, delays no other room. Attempts that repeat a failure have a
bound of their own, so events that were never sent have a place whatever the failed ones wait for.
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable

from api.webhook_sender import DeliveryFailed, Sender
from sfu import limits
from sfu.config import Webhook
from sfu.history.deliveries import Delivery, Outcome
from sfu.history.history import History
from sfu.history.store import Store

log = logging.getLogger(__name__)


class Courier:
    """`counts`: attempts by target and result: `delivered`, `failed`, `dead`."""

    def __init__(
        self,
        history: History,
        target: Webhook,
        sender: Sender,
        counts: Counter[tuple[str, str]],
        *,
        wall: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._history = history
        self._target = target
        self._sender = sender
        self._counts = counts
        self._wall = wall
        self._chance = chance
        self._sending: dict[str, Delivery] = {}
        """What is being sent, by the room's sid: one event of each room."""
        self._outcomes: list[Outcome] = []
        """Outcomes that are not in the database."""
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Delivers until it is cancelled."""
        self._news = self._history.deliveries_news()
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._news.clear()
                try:
                    wait = await self._turn(tasks)
                except Exception as error:
                    self._history.note_failure(error)
                    wait = limits.WEBHOOK_FIRST_RETRY
                try:
                    async with asyncio.timeout(wait):
                        await self._news.wait()
                except TimeoutError:
                    pass

    async def _turn(self, tasks: asyncio.TaskGroup) -> float | None:
        """Notes what was sent, and sends what is due. Returns the seconds until more is. None: not before news."""
        outcomes, self._outcomes = self._outcomes, []
        busy = list(self._sending)

        def ask(store: Store) -> list[Delivery]:
            if outcomes:
                store.deliveries.note(self._target.name, outcomes)
            if len(busy) == limits.WEBHOOKS_AT_ONCE:
                return []
            return store.deliveries.heads(self._target.name, limits.WEBHOOKS_AT_ONCE, busy)

        try:
            heads = await self._history.ask(ask)
        except BaseException:
            self._outcomes = outcomes + self._outcomes
            raise
        now = self._milliseconds()
        for one in heads:
            if one.due <= now and self._has_place(one):
                self._sending[one.sid] = one
                tasks.create_task(self._send(one))
        later = [one.due for one in heads if one.due > now]
        return (min(later) - now) / 1000 if later else None

    def _has_place(self, delivery: Delivery) -> bool:
        if len(self._sending) >= limits.WEBHOOKS_AT_ONCE:
            return False
        again = sum(one.attempts > 0 for one in self._sending.values())
        return delivery.attempts == 0 or again < limits.WEBHOOK_RETRIES_AT_ONCE

    async def _send(self, delivery: Delivery) -> None:
        try:
            outcome = await self._attempt(delivery)
        except Exception as error:
            # A bug must not end the other deliveries.
            self._history.note_failure(error)
            outcome = self._failed(delivery, f"{type(error).__name__}: {error}")
        self._outcomes.append(outcome)
        del self._sending[delivery.sid]
        self._news.set()

    async def _attempt(self, delivery: Delivery) -> Outcome:
        try:
            await self._sender.send(self._target, self._history.name(delivery.position), delivery.body)
        except DeliveryFailed as failure:
            return self._failed(delivery, str(failure))
        self._counts[self._target.name, "delivered"] += 1
        return Outcome(delivery.position)

    def _failed(self, delivery: Delivery, why: str) -> Outcome:
        now = self._milliseconds()
        dead = now - delivery.since >= limits.WEBHOOK_GIVE_UP * 1000
        self._counts[self._target.name, "dead" if dead else "failed"] += 1
        if dead or delivery.attempts == 0:
            what = "gave up" if dead else "could not send"
            log.warning("%s an event: webhook=%s why=%s", what, self._target.name, why)
        return Outcome(delivery.position, why[:200], now + int(self._backoff(delivery.attempts)), dead)

    def _backoff(self, attempts: int) -> float:
        """Returns milliseconds: doubled with each attempt, less up to a half by chance."""
        most = min(limits.WEBHOOK_FIRST_RETRY * 2.0 ** min(attempts, 30), limits.WEBHOOK_LAST_RETRY)
        return most * 1000 * (1 - self._chance() / 2)

    def _milliseconds(self) -> int:
        return int(self._wall() * 1000)
