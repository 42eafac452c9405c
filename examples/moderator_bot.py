"""A bot that moderates: in one room only those on stage speak. It mutes each other microphone when it appears.

SFU_KEYS="key: secret" python examples/moderator_bot.py URL ROOM
"""

import asyncio
import os
import sys

from sfu_client import Client, ClientError, NotFound


async def moderate(url: str, room: str) -> None:
    key, _, secret = os.environ["SFU_KEYS"].split(",")[0].partition(":")
    async with Client(url, key=key.strip(), secret=secret.strip()) as sfu:
        # First the place in the stream, then the state: whatever happens between both is seen twice, and never missed.
        latest = (await sfu.list_events(limit=1)).latest
        try:
            async for published in sfu.all_tracks(room):
                await judge(sfu, room, published.participant, published.track.sid, published.track.source)
        except NotFound:
            print("the room does not exist yet", flush=True)
        async with sfu.follow(after=latest, room=room) as events:
            async for event in events:
                if event.type == "track_published" and event.track and event.participant:
                    await judge(sfu, room, event.participant.identity, event.track.sid, event.track.source)


async def judge(sfu: Client, room: str, identity: str, track: str, source: str) -> None:
    try:
        if source != "microphone" or identity in (await sfu.show_room(room)).on_stage:
            return
        await sfu.mute_track(room, identity, track)
        print(f"muted {identity}", flush=True)
    except NotFound:
        print(f"{identity} is gone", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    try:
        asyncio.run(moderate(*sys.argv[1:]))
    except ClientError as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        pass
