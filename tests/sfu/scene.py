"""A service over a fake plane, with clocks that the test advances, and its clients."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, replace
from typing import Any, TypeVar

from sfu import commands
from sfu.commands import ADMINISTRATOR as HOST
from sfu.config import Config
from sfu.model import Client as Caller
from sfu.model import Grant, Kind, ParticipantKind, PermissionChanges, Permissions, Source
from sfu.plane import Event, _native
from sfu.room.room import Room
from sfu.service import Sfu
from sfu.signalling import messages
from sfu.signalling.media_session import MediaSession
from sfu.signalling.outbox import Outgoing
from sfu.signalling.requests import SignallingSession
from sfu.views import Explanation, PublishedTrack, SubscriptionInfo, SubscriptionState

from ..live import driver_of, rooms_of
from .fake_plane import FakePlane

M = TypeVar("M")

START = 1_700_000_000.0
"""The start of the wall clock, in seconds since the epoch."""


class Clock:
    """Both clocks of the service. Only the test advances them."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def wall(self) -> float:
        return START + self.now - 1_000.0


async def turn() -> None:
    """Runs the loop until it has read descriptors and the rooms have reported their changes."""
    for _ in range(4):
        await asyncio.sleep(0)


def grant(
    identity: str, *, issued: float = START - 10, expires: int = int(START) + 3600, jti: str = "", **permissions: Any
) -> Grant:
    return Grant(
        identity=identity,
        name=identity.title(),
        room_join=True,
        permissions=Permissions(**permissions),
        issued=issued,
        expires=expires,
        jti=jti,
    )


def open_session(sfu: Sfu, who: Grant, room: str, kind: ParticipantKind, offer: str, **options: Any) -> MediaSession:
    """Carries out `OpenMediaSession`. Returns the live session."""
    return sfu._joins.open_media_session(commands.OpenMediaSession(who, room, kind, offer, **options))


def tracks_of(room: Room) -> list[PublishedTrack]:
    return [view for _, view in room.forwarding.overview.published()]


class Scene:
    def __init__(self, sfu: Sfu, plane: FakePlane, clock: Clock) -> None:
        self.sfu = sfu
        self.plane = plane
        self.clock = clock
        self.blocks = AsyncExitStack()

    async def pass_time(self, seconds: float) -> None:
        """Advances the clocks, handles timeouts, and lets the rooms report changes."""
        self.clock.now += seconds
        driver_of(self.sfu).handle_timeout(self.clock.now)
        await turn()

    async def say(self, *events: Event) -> None:
        self.plane.say(*events)
        await turn()

    async def client(
        self,
        identity: str,
        room: str = "room",
        *,
        auto_subscribe: bool = True,
        grant_: Grant | None = None,
        features: tuple[str, ...] = (),
        **may: Any,
    ) -> "Client":
        join = messages.Join("join", auto_subscribe=auto_subscribe, client=Caller("test", "1", features))
        return await self.attach(grant_ or grant(identity, **may), room, join)

    async def attach(self, who: Grant | None, room: str, join: messages.Join) -> "Client":
        block = AsyncExitStack()
        session = await block.enter_async_context(self.sfu.attach(who, room, join))
        await self.blocks.enter_async_context(block)
        return Client(self, session, block)

    async def resume(self, client: "Client", seq: int | None = None, secret: str | None = None) -> "Client":
        resume = messages.Resume(client.sid, secret or client.secret, client.seq if seq is None else seq)
        again = await self.attach(None, client.room.name, messages.Join("join", resume=resume))
        again.secret, again.sections, again.ufrag = client.secret, client.sections, client.ufrag
        again.codecs = client.codecs
        return again


@asynccontextmanager
async def scene(config: Config | None = None, **arguments: Any) -> AsyncIterator[Scene]:
    # The service has no tick: the tests advance time.
    config = replace(config or Config(), tick=1e6)
    plane, clock = FakePlane(config.workers), Clock()
    async with Sfu(config, plane=plane, clock=clock, wall=clock.wall, **arguments) as sfu:
        it = Scene(sfu, plane, clock)
        async with it.blocks:
            yield it


class Client:
    """The signalling of one browser: it offers sections and reads messages."""

    def __init__(self, scene: Scene, session: SignallingSession, block: AsyncExitStack) -> None:
        self.scene = scene
        self.session = session
        self.block = block
        self.seq = 0
        self.sections: list[tuple[str, str]] = []
        """Kind and direction of each section; the mid is the index."""
        self.codecs: tuple[str, ...] = ("VP8",)
        """Codecs of video; it sends the first one."""
        self.room = rooms_of(scene.sfu).find(session.by.room)
        participant = self.room.members.get(session.by.sid)
        assert participant is not None
        self.participant = participant
        self.ufrag = f"client{self.sid[-6:]}"
        self.mids: dict[str, str] = {}
        self._heard: list[messages.ServerMessage] = []
        self._requests = 0
        first = self.heard()
        joined = next((message for message in first if isinstance(message, messages.Joined)), None)
        self.secret = joined.resume_secret if joined else ""
        self._heard = first

    @property
    def sid(self) -> str:
        return self.session.by.sid

    # What it hears

    def heard(self, *kinds: type[Any]) -> list[Any]:
        """Returns the messages since the last call. With `kinds`: only those; the others are kept."""
        self._heard += [outgoing.message for _, outgoing in self.delivered()]
        if not kinds:
            heard, self._heard = self._heard, []
            return heard
        matching = [m for m in self._heard if isinstance(m, kinds)]
        self._heard = [m for m in self._heard if m not in matching]
        return matching

    def delivered(self) -> list[tuple[int, Outgoing]]:
        """Returns the messages that its connection sends, with numbers."""
        found = []
        with contextlib.suppress(StopAsyncIteration):
            while (item := self.session.outbox.poll()) is not None:
                found.append(item)
                self.seq = item[0]
        return found

    def last(self, kind: type[M]) -> M:
        found = self.heard(kind)
        assert found, f"no {kind.__name__} among what was told"
        last: M = found[-1]
        return last

    def heard_states(self) -> list[SubscriptionState]:
        """Returns the reported states of its subscriptions since the last call."""
        return [state for message in self.heard(messages.Subscriptions) for state in message.subscriptions]

    def last_state(self) -> SubscriptionState:
        """Returns the last reported state of a subscription."""
        found = self.heard_states()
        assert found, "no state among what was told"
        return found[-1]

    # What it says

    async def ask(self, request: type[Any], /, **fields: Any) -> Any:
        """Sends a request. Returns its reply: `ok`, `published`, `answer` or `error`."""
        self._requests += 1
        name = request.__name__.lower()
        await self.session.handle(request(type=name, id=self._requests, **fields))
        answers = self.heard(messages.Ok, messages.Published, messages.Answer, messages.Error)
        await turn()
        return answers[-1] if answers else None

    async def offer(self, *new: str, tracks: dict[str, str] | None = None) -> Any:
        """Offers again, with additional sections: `audio recvonly`, `video sendonly`, `application`."""
        for section in new:
            kind, _, direction = section.partition(" ")
            self.sections.append((kind, direction or "sendrecv"))
        text = sdp(self.sections, self.ufrag, codecs=self.codecs)
        answer = await self.ask(messages.Offer, sdp=text, tracks=tracks or {})
        if isinstance(answer, messages.Answer):
            self.mids = dict(answer.mids)
        return answer

    async def connect(self, *sections: str) -> None:
        """Offers, and connects its transport."""
        answer = await self.offer(*sections)
        assert isinstance(answer, messages.Answer), answer
        await self.media("connected")

    async def media(self, state: Any) -> None:
        await self.scene.say(_native.TransportState(transport=self.transport, state=state, reason="test"))

    async def publish(self, kind: Kind, source: Source, **fields: Any) -> str:
        """Declares a track and offers its section. Returns its sid."""
        cid = fields.pop("cid", f"{source.value}-{len(self.sections)}")
        published = await self.ask(messages.Publish, cid=cid, kind=kind, source=source, **fields)
        assert isinstance(published, messages.Published), published
        mid = str(len(self.sections))
        answer = await self.offer(f"{kind.value} sendonly", tracks={mid: cid})
        assert isinstance(answer, messages.Answer), answer
        assert answer.mids[mid] == published.track.sid
        return published.track.sid

    async def camera(self, **fields: Any) -> str:
        return await self.publish(Kind.VIDEO, Source.CAMERA, **fields)

    async def microphone(self, **fields: Any) -> str:
        return await self.publish(Kind.AUDIO, Source.MICROPHONE, **fields)

    # Requests of a moderator about it

    async def silence(self, track: str, muted: bool) -> None:
        await self.scene.sfu.execute(commands.MuteTrack(HOST, self.room.name, self.identity, track, muted))

    async def change(self, permissions: Permissions | None = None, **changes: Any) -> None:
        if permissions is not None:
            changes["permissions"] = PermissionChanges(**asdict(permissions))  # type: ignore[typeddict-item]
        await self.scene.sfu.execute(commands.ChangeParticipant(HOST, self.room.name, self.identity, **changes))

    async def subscriptions(self) -> list[SubscriptionInfo]:
        page = await self.scene.sfu.execute(commands.ListSubscriptions(HOST, self.room.name, self.identity))
        return list(page.entries)

    async def explain(self) -> list[Explanation]:
        page = await self.scene.sfu.execute(commands.ExplainSubscriptions(HOST, self.room.name, self.identity))
        return list(page.entries)

    @property
    def identity(self) -> str:
        return self.participant.identity

    async def cut(self) -> None:
        """The WebSocket breaks."""
        await self.block.aclose()
        await turn()

    # What the plane knows of it

    @property
    def transport(self) -> int:
        id = self.participant.transport.id
        assert id is not None
        return id

    def slot(self, mid: str) -> int:
        return self.participant.transport.slots[mid]

    def plane_track(self, sid: str) -> int:
        id = self.participant.tracks[sid].plane_id
        assert id is not None
        return id

    def switched(self, mid: str, layer: _native.Layer | None, cause: "_native._Cause" = "none") -> _native.Switched:
        return _native.Switched(self.slot(mid), self.scene.plane.sources[self.slot(mid)], layer, cause)

    def refused(self, mid: str, reason: str) -> _native.Refused:
        return _native.Refused(self.slot(mid), self.scene.plane.sources[self.slot(mid)], reason)

    def shows(self) -> dict[str, str | None]:
        """Returns the sid of the track that the plane shows in each section, by mid."""
        tracks = {track.plane_id: track.sid for track in self.room.forwarding.tracks.values()}
        sources = {mid: self.scene.plane.sources.get(id) for mid, id in self.participant.transport.slots.items()}
        return {mid: tracks[source] if source is not None else None for mid, source in sources.items()}

    def ladder(self, mid: str) -> list[tuple[int, int]]:
        """Returns the ladder of the slot; of a muted track it is empty."""
        plane, slot = self.scene.plane, self.slot(mid)
        return [] if plane.sources.get(slot) in plane.muted else plane.ladders[slot]

    def channel(self, label: str) -> int:
        return self.participant.channels.own[label]


FINGERPRINT = ":".join(["CD"] * 32)


def sdp(
    sections: Iterable[tuple[str, str]],
    ufrag: str = "client00",
    fingerprint: str = FINGERPRINT,
    codecs: Sequence[str] = ("VP8",),
) -> str:
    """Returns a minimal offer of a browser. Sections with `/3` after the kind offer three encodings, q;h;f; those with
    `/fhq` offer these in this order."""
    sections = list(sections)
    lines = [
        "v=0",
        "o=- 4611732 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        f"a=group:BUNDLE {' '.join(str(mid) for mid in range(len(sections)))}",
        "a=extmap-allow-mixed",
    ]
    for mid, (kind, direction) in enumerate(sections):
        if kind == "application":
            lines += ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0"]
        elif kind == "audio":
            lines += ["m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0"]
        else:
            numbers = " ".join(str(96 + number) for number in range(2 * len(codecs)))
            lines += [f"m=video 9 UDP/TLS/RTP/SAVPF {numbers}", "c=IN IP4 0.0.0.0"]
        lines += [
            f"a=mid:{mid}",
            f"a=ice-ufrag:{ufrag}",
            "a=ice-pwd:clientpasswordclientpassword",
            f"a=fingerprint:sha-256 {fingerprint}",
            "a=setup:actpass",
        ]
        if kind == "application":
            lines += ["a=sctp-port:5000", "a=max-message-size:262144"]
            continue
        lines += [f"a={direction}", "a=rtcp-mux", "a=rtcp-rsize", "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid"]
        if direction in ("sendonly", "sendrecv"):
            lines.append(f"a=msid:stream track-{mid}")
        if kind == "audio":
            lines += ["a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;useinbandfec=1"]
            continue
        for number, codec in zip(range(96, 127, 2), codecs, strict=False):
            feedback = [f"a=rtcp-fb:{number} {name}" for name in ("nack", "nack pli", "ccm fir")]
            lines += [f"a=rtpmap:{number} {codec}/90000", *feedback]
            lines += [f"a=rtpmap:{number + 1} rtx/90000", f"a=fmtp:{number + 1} apt={number}"]
        if kind.startswith("video/"):
            rids = kind.removeprefix("video/").replace("3", "qhf")
            lines += [
                "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
                "a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
                *(f"a=rid:{rid} send" for rid in rids),
                f"a=simulcast:send {';'.join(rids)}",
            ]
    return "\r\n".join(lines) + "\r\n"
