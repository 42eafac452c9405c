"""Measures the cost of one join into a room of fifty in Python, for all members: `python -m tests.benchmark.crowd`.

Everybody publishes microphone and camera (three encodings), sees the last sixteen and hears everybody. It measures the
CPU time of this process from the first message of the new member until all messages are sent: signalling, negotiation,
slots, layers, routes, and every message to every member as JSON. Offers are Chromium's. The garbage collector is set as
in the service. The work of browsers and the plane is excluded. The packet plane is the fake one of the tests; there are
no sockets.
"""

import argparse
import asyncio
import cProfile
import functools
import pstats
import re
import statistics
import time
from collections import Counter
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Literal

import uvloop

from api import collector
from api import messages as wire
from sfu import limits
from sfu.model import Kind, Source
from sfu.plane import Event, Layer, LayerRate, Layers, Switched, _native
from sfu.room.tracks import Track
from sfu.signalling import messages

from ..live import rooms_of
from ..sfu.scene import Client, Scene, scene

MEMBERS = 50
VISIBLE = 16
TARGET_MS = 12.0
SIZES = ((320, 180), (640, 360), (1280, 720))
SECTIONS = [*["video recvonly"] * VISIBLE, *["audio recvonly"] * (MEMBERS + 8), "application"]
OFFERS = Path(__file__).parent.parent / "data" / "sdp"


class Crowd:
    def __init__(self, it: Scene) -> None:
        self.it = it
        self.clients: list[Client] = []
        self.octets = 0
        self.told: Counter[str] = Counter()
        self.negotiated = 0.0
        """Seconds spent on offers."""
        self.others = 0.0
        """Seconds spent by browsers and the plane, which are excluded."""

    async def join(self, name: str) -> None:
        """Joins like a browser: join, offer, media, two published tracks, and the plane's events about them."""
        client = await self.it.client(name)
        self.clients.append(client)
        self.read()
        await self.offer(client, SECTIONS, {})
        await client.media("connected")
        self.read()
        for label in client.participant.channels.own.values():
            await self.it.say(_native.ChannelState(client.transport, label, "open", "", "", ""))
        for cid, kind, source in (("m", Kind.AUDIO, Source.MICROPHONE), ("c", Kind.VIDEO, Source.CAMERA)):
            await client.ask(messages.Publish, cid=cid, kind=kind, source=source, width=1280, height=720)
        mid = len(client.sections)
        await self.offer(client, ["audio sendonly", "video sendonly"], {str(mid): "m", str(mid + 1): "c"})
        self.read()
        await self.arrive(client)
        # In a room of more than fifty, messages about others are sent with the tick.
        await self.it.pass_time(limits.NEWS_SECONDS)
        self.read()

    async def offer(self, client: Client, new: list[str], tracks: dict[str, str]) -> None:
        client.sections += [(kind, direction) for kind, _, direction in (section.partition(" ") for section in new)]
        begun = time.process_time()
        sdp = chromium(client.sections, client.ufrag)
        self.others += time.process_time() - begun
        begun = time.process_time()
        answer = await client.ask(messages.Offer, sdp=sdp, tracks=tracks)
        assert isinstance(answer, messages.Answer), answer
        self.negotiated += time.process_time() - begun

    async def arrive(self, client: Client) -> None:
        """Plays the plane's events: the first packet of each new track, which its viewers receive in the same batch,
        and what the new member receives."""
        begun = time.process_time()
        slots = set(client.participant.transport.slots.values())
        tracks = list(client.participant.tracks.values())
        batches = [[arriving(track), *self.switched(source=track.plane_id)] for track in tracks]
        batches.append(self.switched(slots=slots))
        self.others += time.process_time() - begun
        for batch in batches:
            await self.it.say(*batch)

    def switched(self, *, source: int | None = None, slots: Set[int] = frozenset()) -> list[Event]:
        """Returns the events of slots that show `source`, and of these slots."""
        return [
            Switched(slot, shown, Layer(0, 0), "none")
            for slot, shown in self.it.plane.sources.items()
            if shown is not None and (shown == source or slot in slots)
        ]

    def read(self) -> None:
        """Reads the messages of all members as JSON."""
        for client in self.clients:
            for seq, outgoing in client.delivered():
                self.octets += len(wire.encode(seq, outgoing))
                self.told[type(outgoing.message).__name__] += 1


def arriving(track: Track, fps: float = 15.0) -> Layers:
    """Returns the plane's report of a track, once a second. `fps`: of the lower of two temporal layers of video."""
    assert track.plane_id is not None
    layers = [LayerRate(Layer(0, 0), 40_000, 0, 0, 50.0)]
    if track.kind is Kind.VIDEO:
        layers = [
            LayerRate(Layer(spatial, temporal), 200_000 << spatial, *size, fps * (temporal + 1))
            for spatial, size in enumerate(SIZES)
            for temporal in range(2)
        ]
    codec: Literal["vp8", "opus"] = "vp8" if track.kind is Kind.VIDEO else "opus"
    return Layers(track.plane_id, codec, layers, False, False, lacks_parameters=False)


def chromium(sections: Sequence[tuple[str, str]], ufrag: str) -> str:
    """An offer with these sections as Chromium writes them."""
    lines = [_session()]
    for mid, (kind, direction) in enumerate(sections):
        lines.append(re.sub(r"a=mid:\S+", f"a=mid:{mid}", _section(kind, direction)))
    text = re.sub(
        r"a=group:BUNDLE .*", f"a=group:BUNDLE {' '.join(str(mid) for mid in range(len(sections)))}", "".join(lines)
    )
    return re.sub(r"a=ice-ufrag:\S+", f"a=ice-ufrag:{ufrag}", text).replace("\n", "\r\n")


@functools.cache
def _parts(name: str) -> list[str]:
    text = (OFFERS / name).read_bytes().decode().replace("\r\n", "\n")
    return re.split(r"^(?=m=)", text, flags=re.MULTILINE)


def _session() -> str:
    return _parts("chromium-recvonly-audio-video.sdp")[0]


@functools.cache
def _section(kind: str, direction: str) -> str:
    name = "chromium-recvonly-audio-video.sdp"
    if kind == "application":
        name = "chromium-datachannel.sdp"
    elif direction == "sendonly":
        name = "chromium-audio-vp8-simulcast-3rids.sdp"
    section = next(part for part in _parts(name) if part.startswith(f"m={kind}"))
    return re.sub(r"^a=(sendrecv|recvonly|sendonly)$", f"a={direction}", section, flags=re.MULTILINE)


async def measure(joins: int, profile: cProfile.Profile | None) -> list[float]:
    async with scene() as it:
        crowd = Crowd(it)
        for number in range(MEMBERS):
            await crowd.join(f"p{number}")
            rooms_of(it.sfu).find("room").update(last_n=VISIBLE)
        spent = []
        for number in range(joins):
            crowd.told.clear()
            crowd.octets, crowd.negotiated, crowd.others = 0, 0.0, 0.0
            if profile is not None:
                profile.enable()
            begun = time.process_time()
            await crowd.join(f"late{number}")
            spent.append((time.process_time() - begun - crowd.others) * 1000)
            if profile is not None:
                profile.disable()
            assert crowd.told["Renegotiate"] == 0, "nobody offers again for a join"
        told = ", ".join(f"{count} {name}" for name, count in crowd.told.most_common())
        print(
            f"the last join: {told}; {crowd.octets / 1000:.0f} kB of JSON; {crowd.negotiated * 1000:.1f} ms on offers"
        )
        return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--joins", type=int, default=5)
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    arguments = parser.parse_args()
    profile = cProfile.Profile() if arguments.profile else None
    collector.settle()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # The loop of the service.
        spent = runner.run(measure(arguments.joins, profile))
    median, worst = statistics.median(spent), max(spent)
    print(f"one join into {MEMBERS} x {MEMBERS}, {VISIBLE} visible: {median:.1f} ms of CPU, at most {worst:.1f} ms")
    print(f"target: {TARGET_MS:.0f} ms, {'met' if worst <= TARGET_MS else 'missed'}")
    if profile is not None:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(45)


if __name__ == "__main__":
    main()
