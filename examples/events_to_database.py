"""Follows the events of all rooms into a SQLite database: each once, over restarts of the service and of this program.

SFU_KEYS="key: secret" python examples/events_to_database.py URL FILE
"""

import asyncio
import os
import sqlite3
import sys

from sfu_client import Client, ClientError

TABLE = """CREATE TABLE IF NOT EXISTS events
    (id TEXT PRIMARY KEY, at INTEGER, type TEXT, room TEXT, identity TEXT, body TEXT) STRICT"""


async def follow(url: str, file: str) -> None:
    key, _, secret = os.environ["SFU_KEYS"].split(",")[0].partition(":")
    database = sqlite3.connect(file)
    database.execute(TABLE)
    # The last row is the place to continue from. So an event and its place are one transaction.
    last = database.execute("SELECT id FROM events ORDER BY rowid DESC LIMIT 1").fetchone()

    async def missed() -> None:
        print("events were removed before this program read them", flush=True)

    async with (
        Client(url, key=key.strip(), secret=secret.strip()) as sfu,
        sfu.follow(after=last[0] if last else "", on_missed=missed) as events,
    ):
        async for event in events:
            identity = event.participant.identity if event.participant else None
            row = (event.id, event.at, event.type, event.room.name, identity, event.model_dump_json(exclude_unset=True))
            with database:
                database.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", row)
            print(event.type, event.room.name, identity or "", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    try:
        asyncio.run(follow(*sys.argv[1:]))
    except ClientError as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        pass
