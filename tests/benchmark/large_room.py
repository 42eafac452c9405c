"""Measures the cost of a change of a large room in Python: `python -m tests.benchmark.large_room`.

Publishers send a microphone and a camera; everybody has 8 sections of each kind and data channels. It measures the CPU
time of this process from the change until all messages are queued, without their delivery. Offers are Chromium's. The
packet plane is the fake one of the tests; there are no sockets.
"""

import argparse
import asyncio
import cProfile
import pstats
import statistics
import time
from collections.abc import Awaitable, Callable

from sfu import limits
from sfu.model import Kind, Source
from sfu.plane import _native
from sfu.signalling import messages

from ..live import driver_of, rooms_of
from ..sfu.scene import Client, Scene, scene, turn
from .crowd import Crowd, arriving

SECTIONS = [*["video recvonly"] * 8, *["audio recvonly"] * 8, "application"]
MUTE, LAYERS = "mute of a microphone", "layers of a camera, once a second"
DOMINANT = "change of the dominant speaker"
TARGETS = {  # ms, by members
    200: {MUTE: 2},
    300: {"join of a viewer": 4, "one more microphone": 6, DOMINANT: 4},
    1000: {"join of a viewer": 6, "one more microphone": 15, DOMINANT: 8},
}


class LargeRoom:
    def __init__(self, it: Scene) -> None:
        self.it = it
        self.crowd = Crowd(it)
        self.clients: list[Client] = []
        self.microphones: list[int] = []

    async def join(self, name: str) -> Client:
        client = await self.it.client(name)
        self.clients.append(client)
        await self.crowd.offer(client, SECTIONS, {})
        await client.media("connected")
        for label in client.participant.channels.own.values():
            await self.it.say(_native.ChannelState(client.transport, label, "open", "", "", ""))
        return client

    async def publish(self, client: Client, *kinds: Kind) -> None:
        tracks, mid = {}, len(client.sections)
        for kind in kinds:
            source = Source.MICROPHONE if kind is Kind.AUDIO else Source.CAMERA
            await client.ask(messages.Publish, cid=kind.value, kind=kind, source=source)
            tracks[str(mid + len(tracks))] = kind.value
        await self.crowd.offer(client, [f"{kind.value} sendonly" for kind in kinds], tracks)
        await self.crowd.arrive(client)
        published = client.participant.tracks.values()
        self.microphones += [track.plane_id or 0 for track in published if track.kind is Kind.AUDIO]

    def read(self) -> None:
        """Sends waiting messages and reads all messages: the service disconnects a client that reads nothing."""
        self.it.clock.now += limits.NEWS_SECONDS
        driver_of(self.it.sfu).handle_timeout(self.it.clock.now)
        for client in self.clients:
            client.heard()

    async def mute(self, client: Client) -> None:
        """Mutes or unmutes its microphone. The plane reports nothing about that."""
        tracks = client.participant.tracks.values()
        track = next(track for track in tracks if track.kind is Kind.AUDIO)
        await client.ask(messages.Mute, track=track.sid, muted=not track.muted)

    async def report(self, client: Client, fps: float) -> None:
        """Reports its camera, as the plane does."""
        camera = next(t for t in client.participant.tracks.values() if t.kind is Kind.VIDEO)
        await self.it.say(arriving(camera, fps))

    async def speak(self, microphone: int) -> None:
        """Makes one microphone loud and the others silent until the dominant speaker changes."""
        before = rooms_of(self.it.sfu).find("room").forwarding.speech.dominant
        for beat in range(100):
            self.it.clock.now += 0.1
            levels = [(one, bytes([18 if one == microphone and beat else 127]) * 5) for one in self.microphones]
            await self.it.say(_native.AudioLevels(levels=levels))
            if rooms_of(self.it.sfu).find("room").forwarding.speech.dominant is not before:
                return
        raise AssertionError("the dominant speaker did not change within ten seconds")


async def timed(change: Callable[[], Awaitable[object]], crowd: Crowd) -> float:
    """Returns milliseconds of CPU, without those of browsers and the plane."""
    await turn()
    crowd.others = 0.0
    begun = time.process_time()
    await change()
    await turn()
    return (time.process_time() - begun - crowd.others) * 1000


async def measure(members: int, publishers: int, rounds: int, profile: cProfile.Profile | None) -> dict[str, float]:
    async with scene() as it:
        room = LargeRoom(it)
        for number in range(members):
            await room.join(f"p{number}")
            room.read()
        people = list(room.clients)
        for publisher in people[:publishers]:
            await room.publish(publisher, Kind.AUDIO, Kind.VIDEO)
            room.read()
        spent: dict[str, list[float]] = {}
        if profile is not None:
            profile.enable()
        for number in range(rounds):
            changes: dict[str, Callable[[], Awaitable[object]]] = {
                "join of a viewer": lambda number=number: room.join(f"late{number}"),  # type: ignore[misc]
                "one more microphone": lambda number=number: room.publish(people[-1 - number], Kind.AUDIO),  # type: ignore[misc]
                MUTE: lambda: room.mute(people[7]),
                LAYERS: lambda number=number: room.report(people[0], 15.0 + number / 10),  # type: ignore[misc]
                DOMINANT: lambda number=number: room.speak(room.microphones[number]),  # type: ignore[misc]
            }
            if publishers >= SECTIONS.count("audio recvonly") + 2 * rounds:
                # The participants who joined last are in nobody's sections, so all change.
                last = room.microphones[publishers - 1 - number]
                changes[f"{DOMINANT}, who is shown to nobody"] = lambda last=last: room.speak(last)  # type: ignore[misc]
            for name, change in changes.items():
                spent.setdefault(name, []).append(await timed(change, room.crowd))
                room.read()
        if profile is not None:
            profile.disable()
        return {name: statistics.median(times) for name, times in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--members", type=int, default=300)
    parser.add_argument("--publishers", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    given = parser.parse_args()
    profile = cProfile.Profile() if given.profile else None
    targets = TARGETS.get(given.members, {})
    for name, median in asyncio.run(measure(given.members, given.publishers, given.rounds, profile)).items():
        target = targets.get(name)
        verdict = f"; target {target} ms, {'met' if median <= target else 'missed'}" if target else ""
        print(f"{name}, {given.members} members, {given.publishers} publishers: {median:.1f} ms of CPU{verdict}")
    if profile is not None:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(45)


if __name__ == "__main__":
    main()
