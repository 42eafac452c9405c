"""The database of events: SQLite with a write-ahead log, used by one thread.

A batch of events is written by a few statements, whatever its size, because each step of a statement releases the GIL
and must get it again. A commit is on the disk before it returns. Open rooms and their participants are kept beside the
events: those that are left when the database is opened again were in the process that was lost.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sfu import limits
from sfu.config import Webhook
from sfu.errors import StateError
from sfu.history.deliveries import Deliveries
from sfu.model import random_text
from sfu.room_events import (
    LOST,
    EventPage,
    EventRoom,
    EventType,
    KeptEvent,
    RoomEvent,
    Usage,
    decode_participant,
    encode,
    encode_usage,
)

FILE = "events.sqlite3"
VERSION = 1
SCHEMA = """
create table meta (name text primary key, value) without rowid;
create table event (
    position integer primary key autoincrement, at integer not null, type text not null,
    room text not null, sid text not null, seq integer not null, body text not null
);
create index event_room on event (room, position);
create table room (sid text primary key, name text not null, started_at integer not null, seq integer not null)
    without rowid;
create table participant (sid text primary key, room text not null, joined_at integer not null, body text not null)
    without rowid;
"""
USAGE = "create table if not exists usage (sid text primary key, body text not null) without rowid"
KEPT_ROOM = "create table if not exists kept_room (name text primary key, body text not null) without rowid"
REVOCATION = """
    create table if not exists revocation (
        room text not null, identity text not null, body text not null, primary key (room, identity)
    ) without rowid
"""
WRITE = (
    """
    insert into event (position, at, type, room, sid, seq, body)
    select json_extract(value, '$[0]'), json_extract(value, '$[1].at'), json_extract(value, '$[1].type'),
           json_extract(value, '$[1].room.name'), json_extract(value, '$[1].room.sid'),
           json_extract(value, '$[1].seq'), json_extract(value, '$[1]')
    from json_each(:batch)
    """,
    f"""
    insert into room (sid, name, started_at, seq)
    select sid, room, at, 0 from event where position >= :first and type = '{EventType.ROOM_STARTED}'
    """,
    f"""
    insert into participant (sid, room, joined_at, body)
    select json_extract(body, '$.participant.sid'), sid, coalesce(json_extract(body, '$.participant.joined_at'), 0),
           json_remove(json_extract(body, '$.participant'), '$.metadata', '$.attributes')
    from event where position >= :first and type = '{EventType.PARTICIPANT_JOINED}'
    """,
    f"""
    delete from participant where sid in (
        select json_extract(body, '$.participant.sid')
        from event where position >= :first and type = '{EventType.PARTICIPANT_LEFT}'
    )
    """,
    """
    update room set seq = last.seq
    from (select sid, max(seq) as seq from event where position >= :first group by sid) as last
    where room.sid = last.sid
    """,
    f"""
    delete from room where sid in (
        select sid from event where position >= :first and type = '{EventType.ROOM_FINISHED}'
    )
    """,
)
"""In this order: what starts and ends in one batch is added and removed."""
PAGE = """
    select group_concat(position || ' ' || body, char(10)) filter (where earlier < :octets), count(*) from (
        select position, body, sum(length(body)) over (order by position) - length(body) as earlier from (
            select position, body from event
            where position > :after and (:room is null or room = :room) order by position limit :limit
        )
    )
"""
OF_IDENTITY = """
    select position, length(body) from event
    where position > :after and position <= :last and (:room is null or room = :room)
        and :identity in (
            json_extract(body, '$.participant.identity'),
            json_extract(body, '$.command.identity'),
            json_extract(body, '$.command.author'),
            json_extract(body, '$.limit.identity')
        ) or position > :after and position <= :last and (:room is null or room = :room) and exists (
            select 1 from json_each(body, '$.quality.subscribers') where value = :identity
        )
"""
KEPT = 0.9
"""The share of the maximum that is kept when it is exceeded, so that not each batch removes a few."""


class Store:
    """`folder`: None keeps the events in memory. Raises StateError if the database cannot be used."""

    def __init__(
        self,
        folder: Path | None,
        *,
        node: str,
        age: float,
        octets: int,
        at: int,
        webhooks: Sequence[Webhook] = (),
    ) -> None:
        self.dropped = {"age": 0, "size": 0, "deleted": 0}
        """Numbers of events that were removed, by reason."""
        self._age = age
        self._most = octets
        self._database = _open(folder)
        try:
            self.id, self.epoch = self._adopt(at)
            self._database.execute(USAGE)
            self._database.execute(REVOCATION)
            self._database.execute(KEPT_ROOM)
            self.rooms = self._database.execute("select name, body from kept_room order by name").fetchall()
            """Name and JSON of the rooms that were kept when the database was opened."""
            self.revocations = self._database.execute("select room, identity, body from revocation").fetchall()
            """Room, identity and JSON of the revocations that were kept when the database was opened."""
            self.deliveries = Deliveries(self._database, webhooks)
            self.octets: int = self._value("select coalesce(sum(length(body)), 0) from event")
            """Octets of the events that are kept."""
            self.position: int = self._value("select coalesce(max(seq), 0) from sqlite_sequence")
            """The place of the last event that was ever written."""
            self.lost = self._end_what_was_lost(node)
            """The number of participants that were in rooms when the last process ended without removing them."""
        except sqlite3.Error as error:
            self._database.close()
            raise StateError(f"the events in {_path(folder)} cannot be read: {error}") from None

    def append(self, events: Sequence[tuple[int, str]]) -> None:
        """Writes events, each as its place and its body. Raises sqlite3.Error, and has then written nothing."""
        batch = "[" + ",".join(f"[{position},{body}]" for position, body in events) + "]"
        with self._transaction():
            for statement in WRITE:
                self._database.execute(statement, {"batch": batch, "first": events[0][0]})
            self.deliveries.enqueue(events[0][0])
        self.octets += sum(len(body) for _, body in events)
        self.position = events[-1][0]
        if self.octets > self._most:
            self._shrink()

    def read(self, after: int | None, room: str | None, limit: int) -> EventPage:
        """Returns a page of the events after this place, of one room by its name or of all. `after`: None begins with
        the first event; a place of another store is -1."""
        wanted = {"after": after or 0, "room": room, "limit": limit + 1, "octets": limits.LIST_OCTETS}
        text, count = self._database.execute(PAGE, wanted).fetchone()
        # A body is one line.
        lines = text.split("\n", limit)[:limit] if text else ()
        kept = tuple(
            KeptEvent(f"{self.id}-{position}", body) for position, _, body in (x.partition(" ") for x in lines)
        )
        first = self._value("select coalesce(min(position), :next) from event", next=self.position + 1)
        missed = after is not None and after + 1 < first
        return EventPage(kept, kept[-1].id if count > len(kept) else "", self.name(self.position), missed)

    def keep_alive(self, at: int) -> None:
        """Notes the time, and removes events that are too old."""
        with self._transaction():
            self._set("alive", at)
            oldest = at - int(self._age * 1000)
            # Places and times have one order, except where the clock was set back.
            last = self._value("select coalesce(max(position), 0) from event where at < :at", at=oldest)
            if last:
                self.dropped["age"] += self._remove(last)

    def forget(self, identity: str, room: str | None, after: int, last: int) -> int:
        """Removes the events that name an identity, in this range of places. Returns their number."""
        wanted = {"identity": identity, "room": room, "after": after, "last": last}
        with self._transaction():
            found = self._database.execute(OF_IDENTITY, wanted).fetchall()
            places = [(position,) for position, _ in found]
            self._database.executemany("delete from event where position = ?", places)
            self.deliveries.drop([position for position, _ in found])
        self.octets -= sum(octets for _, octets in found)
        self.dropped["deleted"] += len(found)
        return len(found)

    def shred(self) -> None:
        """Overwrites what was removed, also in the write-ahead log."""
        self._database.execute("pragma wal_checkpoint(truncate)").fetchone()

    def keep_revocations(self, entries: Sequence[tuple[str, str, str]]) -> None:
        """Keeps revocations, as room, identity and JSON. Empty JSON: it has ended."""
        with self._transaction():
            self._database.executemany(
                "insert or replace into revocation (room, identity, body) values (?, ?, ?)",
                [entry for entry in entries if entry[2]],
            )
            self._database.executemany(
                "delete from revocation where room = ? and identity = ?",
                [(room, identity) for room, identity, body in entries if not body],
            )

    def keep_rooms(self, rooms: Sequence[tuple[str, str]]) -> None:
        """Keeps rooms, as name and JSON. Empty JSON: it is kept no more."""
        with self._transaction():
            self._database.executemany(
                "insert or replace into kept_room (name, body) values (?, ?)", [room for room in rooms if room[1]]
            )
            self._database.executemany(
                "delete from kept_room where name = ?", [(name,) for name, body in rooms if not body]
            )

    def note_usage(self, usages: Sequence[tuple[str, Usage]]) -> None:
        """Notes what was used until now, by the sid of a participant, or of the room of those that have left: what the
        next start reports if the process is lost."""
        rows = json.dumps([(sid, encode_usage(usage)) for sid, usage in usages])
        with self._transaction():
            self._database.execute("delete from usage")
            self._database.execute(
                "insert or replace into usage (sid, body) "
                "select json_extract(value, '$[0]'), json_extract(value, '$[1]') from json_each(?)",
                (rows,),
            )

    def name(self, position: int) -> str:
        """Returns the id of the event at a place."""
        return f"{self.id}-{position}"

    def close(self) -> None:
        self._database.close()

    def _adopt(self, at: int) -> tuple[str, int]:
        """Returns the id of the store, which is made with it, and the number of this start."""
        with self._transaction():
            version: int = self._value("pragma user_version")
            if version == 0:
                for statement in SCHEMA.split(";"):
                    self._database.execute(statement)
                self._database.execute(f"pragma user_version = {VERSION}")
                self._set("store", random_text(8))
            elif version != VERSION:
                raise StateError(f"the events are of version {version}, which this service does not know")
            last = self._value("select max(value) from meta where name = 'epoch'") or 0
            epoch = max(at // 1000, last + 1)
            self._set("epoch", epoch)
            return self._value("select value from meta where name = 'store'"), epoch

    def _end_what_was_lost(self, node: str) -> int:
        """Ends the rooms and participants of the process that was lost, at the last time seen."""
        seen = self._value(
            "select max(coalesce((select value from meta where name = 'alive'), 0), coalesce(max(at), 0)) from event"
        )
        events: list[RoomEvent] = []
        used = {sid: Usage(**json.loads(body)) for sid, body in self._database.execute("select sid, body from usage")}
        rooms = self._database.execute("select sid, name, started_at, seq from room order by started_at").fetchall()
        for sid, name, started_at, seq in rooms:
            people = self._database.execute(
                "select sid, joined_at, body from participant where room = ? order by joined_at", (sid,)
            )
            event = RoomEvent(
                "", EventType.ROOM_FINISHED, seen, EventRoom(sid, name), seq, node, self.epoch, reason=LOST
            )
            left = [
                replace(
                    event,
                    type=EventType.PARTICIPANT_LEFT,
                    participant=decode_participant(json.loads(body)),
                    duration=max(seen - joined_at, 0),
                    usage=replace(used.get(gone, Usage()), present=max(seen - joined_at, 0)),
                )
                for gone, joined_at, body in people
            ]
            total = used.get(sid, Usage())
            for one in left:
                total = total.plus(one.usage or Usage())
            finished = replace(event, duration=max(seen - started_at, 0), usage=total)
            events += [replace(one, seq=seq + number) for number, one in enumerate([*left, finished], 1)]
        if events:
            self.append([(self.position + number, encode(event)) for number, event in enumerate(events, 1)])
        return len(events) - len(rooms)

    def _shrink(self) -> None:
        excess = self.octets - int(self._most * KEPT)
        last = self._value(
            "select coalesce(min(position), :newest) from (select position, sum(length(body)) "
            "over (order by position) as octets from event) where octets >= :excess",
            excess=excess,
            newest=self.position,
        )
        with self._transaction():
            self.dropped["size"] += self._remove(last)

    def _remove(self, last: int) -> int:
        """Removes the events up to this place. Returns their number."""
        self.octets -= self._value(
            "select coalesce(sum(length(body)), 0) from event where position <= :last", last=last
        )
        self.deliveries.forget(last)
        return self._database.execute("delete from event where position <= ?", (last,)).rowcount

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._database.execute("rollback")
            raise
        self._database.execute("commit")

    def _set(self, name: str, value: object) -> None:
        self._database.execute("insert or replace into meta (name, value) values (?, ?)", (name, value))

    def _value(self, statement: str, **arguments: object) -> Any:
        return self._database.execute(statement, arguments).fetchone()[0]


def _path(folder: Path | None) -> str:
    return str(folder / FILE) if folder is not None else "memory"


def _open(folder: Path | None) -> sqlite3.Connection:
    try:
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = ":memory:" if folder is None else folder / FILE
        database = sqlite3.connect(path, isolation_level=None, timeout=1.0, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise StateError(f"the events cannot be kept in {_path(folder)}: {error}") from None
    try:
        # One process uses a folder: the lock is held until the connection is closed, or the process has ended.
        for setting in ("locking_mode = exclusive", "journal_mode = wal", "synchronous = full", "secure_delete = on"):
            database.execute(f"pragma {setting}")
        database.execute("begin immediate")
        database.execute("commit")
    except sqlite3.Error as error:
        database.close()
        held = "another process uses it" if "locked" in str(error) else str(error)
        raise StateError(f"the events cannot be kept in {_path(folder)}: {held}") from None
    return database
