"""Which events still go to which webhook: a table beside the events, filled in the transaction that writes them.

Each target gets the events of a room in order: the next one is due when the previous one was delivered, or given up.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sfu.config import Webhook

SCHEMA = (
    """
    create table if not exists delivery (
        target text not null, position integer not null, sid text not null, since integer not null,
        due integer not null, attempts integer not null, dead integer not null, error text not null,
        primary key (target, position)
    ) without rowid
    """,
    "create index if not exists delivery_room on delivery (target, dead, sid, position)",
)
ENQUEUE = """
    insert into delivery (target, position, sid, since, due, attempts, dead, error)
    select :target, position, sid, cast((julianday('now') - 2440587.5) * 86400000 as integer), 0, 0, 0, '' from event
    where position >= :first and room glob :rooms
        and (:types = '[]' or type in (select value from json_each(:types)))
"""
HEADS = """
    with recursive waiting (sid) as (
        select min(sid) from delivery where target = :target and dead = 0
        union all
        select (select min(sid) from delivery where target = :target and dead = 0 and sid > waiting.sid) from waiting
        where waiting.sid is not null
    ),
    head as (
        select sid, (
            select min(position) from delivery where target = :target and dead = 0 and delivery.sid = waiting.sid
        ) as position
        from waiting where sid is not null and sid not in (select value from json_each(:busy))
    ),
    ranked as (
        select delivery.*, row_number() over (partition by attempts > 0 order by max(due, since), position) as place
        from head join delivery using (position) where target = :target
    )
    select ranked.position, ranked.sid, since, due, attempts, event.body
    from ranked join event using (position) where place <= :limit order by max(due, since), ranked.position
"""
"""The rooms are found one after another in the index, whatever the number of events that wait."""
COUNT = """
    select count(*) filter (where dead = 0), count(*) filter (where dead = 1),
           coalesce(min(since) filter (where dead = 0), 0)
    from delivery where target = :target
"""
LAST = "select error from delivery where target = :target and error != '' order by due desc, position desc limit 1"


class Delivery(NamedTuple):
    """The next event of a room for one target."""

    position: int
    sid: str
    """The room's."""
    since: int
    """When it was written, or retried, in milliseconds since the epoch."""
    due: int
    """When it is to be sent, in milliseconds since the epoch."""
    attempts: int
    body: dict[str, Any]
    """The JSON of the event, without its id."""


class Outcome(NamedTuple):
    """What became of a delivery. `error`: empty if it was delivered."""

    position: int
    error: str = ""
    due: int = 0
    """When it is sent again."""
    dead: bool = False
    """True: it was given up."""


@dataclass(frozen=True, slots=True)
class WebhookInfo:
    """The state of a target."""

    name: str
    url: str
    pending: int
    """Events that are still to be delivered."""
    dead: int
    """Events that were given up. `retry` sends them again."""
    oldest: int
    """When the oldest pending event was written, in milliseconds since the epoch. 0: there is none."""
    error: str
    """Why the last attempt that failed did."""


class Deliveries:
    """Used by the thread of the database alone."""

    def __init__(self, database: sqlite3.Connection, targets: Sequence[Webhook]) -> None:
        self._database = database
        self._targets = targets
        self.expired = 0
        """Deliveries whose event was removed before."""
        for statement in SCHEMA:
            database.execute(statement)
        known = json.dumps([target.name for target in targets])
        database.execute("delete from delivery where target not in (select value from json_each(?))", (known,))

    def enqueue(self, first: int) -> None:
        """Adds the events from this place on, for each target that wants them."""
        for target in self._targets:
            values = {"target": target.name, "first": first, "rooms": target.rooms, "types": json.dumps(target.events)}
            self._database.execute(ENQUEUE, values)

    def heads(self, target: str, limit: int, busy: Sequence[str] = ()) -> list[Delivery]:
        """Returns the next event of each room for a target, except of the busy ones, by sid: the earliest due first. Of
        those that were never sent, and of those that were, up to `limit` each."""
        rows = self._database.execute(HEADS, {"target": target, "limit": limit, "busy": json.dumps(busy)})
        found = []
        for position, sid, since, due, attempts, body in rows:
            found.append(Delivery(position, sid, since, due, attempts, json.loads(body)))
        return found

    def forget(self, last: int) -> None:
        """Removes what still goes to a webhook of the events up to this place, which are removed, too."""
        for target in self._targets:
            forgotten = self._database.execute(
                "delete from delivery where target = ? and position <= ?", (target.name, last)
            )
            self.expired += forgotten.rowcount

    def drop(self, positions: Sequence[int]) -> None:
        """Removes what still goes to a webhook of events that are removed, too."""
        for target in self._targets:
            found = self._database.executemany(
                "delete from delivery where target = ? and position = ?", [(target.name, one) for one in positions]
            )
            self.expired += max(found.rowcount, 0)

    def note(self, target: str, outcomes: Sequence[Outcome]) -> None:
        done = [(target, one.position) for one in outcomes if not one.error]
        failed = [(one.error, one.due, one.dead, target, one.position) for one in outcomes if one.error]
        self._database.execute("begin immediate")
        try:
            self._database.executemany("delete from delivery where target = ? and position = ?", done)
            self._database.executemany(
                "update delivery set attempts = attempts + 1, error = ?, due = ?, dead = ? "
                "where target = ? and position = ?",
                failed,
            )
        except BaseException:
            self._database.execute("rollback")
            raise
        self._database.execute("commit")

    def retry(self, target: str, at: int) -> int:
        """Makes everything that waits, or was given up, due now. Returns the number of events."""
        changed = self._database.execute(
            "update delivery set dead = 0, due = 0, since = ?, attempts = 0 where target = ? and (dead = 1 or due > ?)",
            (at, target, at),
        )
        return changed.rowcount

    def list(self) -> list[WebhookInfo]:
        found = []
        for target in self._targets:
            pending, dead, oldest = self._database.execute(COUNT, {"target": target.name}).fetchone()
            last = self._database.execute(LAST, {"target": target.name}).fetchone()
            found.append(WebhookInfo(target.name, target.url, pending, dead, oldest, last[0] if last else ""))
        return found
