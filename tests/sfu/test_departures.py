"""A participant without a connection is removed after the resume window, whatever happened before, and leaves nothing
in the plane."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from sfu import commands
from sfu.commands import ADMINISTRATOR, ANYONE
from sfu.config import Config
from sfu.errors import SfuError
from sfu.model import Kind, ParticipantKind, RoomOptions, Source
from sfu.negotiation.channels import Channels
from sfu.plane import _native
from sfu.room.admission import Admission
from sfu.room.forwarding import Forwarding
from sfu.room.messaging import Messaging
from sfu.room.moderation import Moderation
from sfu.room.participant import Participant
from sfu.room.publications import Publications
from sfu.room.subscriptions import Subscriptions
from sfu.signalling import messages
from sfu.signalling.outbox import Tail
from sfu.signalling.sessions import Signalling
from sfu.signalling.view import View

from ..live import rooms_of
from .fake_plane import FakePlane
from .scene import Client, Scene, grant, scene, sdp, turn

T = TypeVar("T")

WINDOW = 10.0
EMPTY = 30.0
CONFIG = Config(resume_window=WINDOW, outbox=3, room=RoomOptions(departure_timeout=EMPTY, empty_timeout=EMPTY))
PEOPLE = st.sampled_from(("ada", "bob", "cyd"))

Bug = tuple[type, str]
"""A function, by its class and name."""

BREAKABLE: tuple[Bug, ...] = (
    (FakePlane, "add_transport"),
    (FakePlane, "add_track"),
    (FakePlane, "add_slot"),
    (FakePlane, "open_sctp"),
    (FakePlane, "open_channel"),
    (FakePlane, "set_source"),
    (FakePlane, "set_targets"),
    (FakePlane, "set_audio"),
    (FakePlane, "join_group"),
    (Admission, "begin"),
    (Admission, "handle_timeout"),
    (Channels, "expect"),
    (Channels, "handle_state"),
    (Messaging, "_update"),
    (Messaging, "touch"),
    (Moderation, "revoke"),
    (Participant, "info"),
    (Publications, "adopt"),
    (Forwarding, "flush"),
    (Forwarding, "forget"),
    (Forwarding, "handle_timeout"),
    (Forwarding, "publish"),
    (Forwarding, "report_again"),
    (Forwarding, "touch"),
    (Forwarding, "withdraw"),
    (Subscriptions, "adopt"),
    (Subscriptions, "clear"),
    (Signalling, "handle_timeout"),
    (Tail, "put"),
    (View, "joined"),
    (View, "read"),
)
"""What may raise. `remove` of the plane is not among them: it takes what is left away."""
BUGS = st.none() | st.sampled_from(BREAKABLE)


class Raised(Exception):
    pass


@contextmanager
def breaking(bug: Bug) -> Iterator[None]:
    """Its first call raises."""
    of, name = bug
    whole = getattr(of, name)

    def raises(*_: Any, **__: Any) -> Any:
        setattr(of, name, whole)
        raise Raised(name)

    setattr(of, name, raises)
    try:
        yield
    finally:
        setattr(of, name, whole)


async def published(client: Client, kind: Kind) -> None:
    """Declares a track, and offers it beside what was offered before. Both may be refused."""
    source = Source.MICROPHONE if kind is Kind.AUDIO else Source.CAMERA
    mid = str(len(client.sections))
    await client.ask(messages.Publish, cid=f"{source.value}-{mid}", kind=kind, source=source)
    await client.offer(f"{kind.value} sendonly", tracks={mid: f"{source.value}-{mid}"})


class Departures(RuleBasedStateMachine):
    """Joins, resumes, replacements and failures in any order. The plane reports transports, even those that Python has
    removed meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.block = scene(CONFIG)
        self.it: Scene = self.run(self.block.__aenter__())
        self.clients: list[Client] = []
        """Every connection there ever was."""
        self.open: list[Client] = []
        self.sessions: list[str] = []
        """Ids of WHIP and WHEP."""
        self.states: dict[int, str] = {}
        """What the plane said last of each transport."""
        self.count = 0
        self.had_bugs = False

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def act(self, work: Coroutine[Any, Any, T], bug: Bug | None) -> T | None:
        """Does this, to the end of the turn. A refusal or an exception is contained, as the doors do."""

        async def to_the_end() -> T | None:
            done = None
            with suppress(SfuError, Raised):
                done = await work
            await turn()
            return done

        self.had_bugs |= bug is not None
        with breaking(bug) if bug else nullcontext():
            return self.run(to_the_end())

    def pick(self, data: st.DataObject) -> Client:
        client = data.draw(st.sampled_from(self.clients))

        async def read() -> None:
            client.heard()

        self.run(read())  # One that reads nothing is not answered.
        return client

    # Connections

    @rule(who=PEOPLE, room=st.sampled_from(("room", "other")), bug=BUGS)
    def join(self, who: str, room: str, bug: Bug | None) -> None:
        self.attach(self.it.client(who, room), bug)

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), back=st.integers(0, 3), bug=BUGS)
    def resume(self, data: st.DataObject, back: int, bug: Bug | None) -> None:
        """Of a session that is open, cut or over; with few messages missed, or too many."""
        client = self.pick(data)
        self.attach(self.it.resume(client, max(client.seq - back, 0)), bug)

    def attach(self, work: Coroutine[Any, Any, Client], bug: Bug | None) -> None:
        client = self.act(work, bug)
        if client is not None:
            self.clients.append(client)
            self.open.append(client)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def cut(self, data: st.DataObject) -> None:
        client = data.draw(st.sampled_from(self.open))
        self.open.remove(client)
        self.run(client.cut())

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), bug=BUGS)
    def leave(self, data: st.DataObject, bug: Bug | None) -> None:
        self.act(self.pick(data).session.handle(messages.Leave("leave")), bug)

    # Media

    @precondition(lambda self: self.clients)
    @rule(
        data=st.data(), sections=st.sampled_from(((), ("application",), ("audio recvonly", "video recvonly"))), bug=BUGS
    )
    def offer(self, data: st.DataObject, sections: tuple[str, ...], bug: Bug | None) -> None:
        self.act(self.pick(data).offer(*sections), bug)

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), bug=BUGS)
    def begin_anew(self, data: st.DataObject, bug: Bug | None) -> None:
        """The client has a new peer connection: another association, and so another transport."""
        self.count += 1
        fingerprint = ":".join(f"{octet:02X}" for octet in self.count.to_bytes(32, "big"))
        text = sdp([("application", ""), ("audio", "sendonly")], f"anew{self.count:04}", fingerprint)
        self.act(self.pick(data).ask(messages.Offer, sdp=text, tracks={}), bug)

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), kind=st.sampled_from(list(Kind)), bug=BUGS)
    def publish(self, data: st.DataObject, kind: Kind, bug: Bug | None) -> None:
        self.act(published(self.pick(data), kind), bug)

    @rule(who=PEOPLE, kind=st.sampled_from((ParticipantKind.INGRESS, ParticipantKind.VIEWER)), bug=BUGS)
    def open_media_session(self, who: str, kind: ParticipantKind, bug: Bug | None) -> None:
        direction = "sendonly" if kind is ParticipantKind.INGRESS else "recvonly"

        async def work() -> None:
            offer = await self.it.sfu.read_offer(sdp([("audio", direction), ("video", direction)]))
            command = commands.OpenMediaSession(grant(who), "room", kind, offer, None, "", None)
            self.sessions.append((await self.it.sfu.execute(command)).id)

        self.act(work(), bug)

    @precondition(lambda self: self.sessions)
    @rule(data=st.data(), bug=BUGS)
    def end_media_session(self, data: st.DataObject, bug: Bug | None) -> None:
        id = data.draw(st.sampled_from(self.sessions))
        for kind in (ParticipantKind.INGRESS, ParticipantKind.VIEWER):
            self.act(self.it.sfu.execute(commands.EndMediaSession(ANYONE, id, kind, "room")), bug)

    @precondition(lambda self: self.known())
    @rule(
        data=st.data(), state=st.sampled_from(("connected", "connected", "disconnected", "failed", "closed")), bug=BUGS
    )
    def report(self, data: st.DataObject, state: Any, bug: Bug | None) -> None:
        """The plane reports a transport, perhaps one that was removed meanwhile."""
        id = data.draw(st.sampled_from(self.known()))
        self.states[id] = state
        self.act(self.it.say(_native.TransportState(transport=id, state=state, reason="test")), bug)

    def known(self) -> list[int]:
        ids = dict.fromkeys((*self.states, *self.it.plane.transports))
        return [id for id in ids if self.states.get(id) not in ("failed", "closed")]

    # The rest

    @rule(seconds=st.sampled_from((0.2, WINDOW / 2, WINDOW + 0.1, EMPTY + 1)), bug=BUGS)
    def pass_time(self, seconds: float, bug: Bug | None) -> None:
        self.act(self.it.pass_time(seconds), bug)

    @rule(who=PEOPLE, bug=BUGS)
    def remove(self, who: str, bug: Bug | None) -> None:
        self.act(self.it.sfu.execute(commands.RemoveParticipant(ADMINISTRATOR, "room", who)), bug)
        self.act(self.it.sfu.execute(commands.ReadmitParticipant(ADMINISTRATOR, "room", who)), None)

    @rule(bug=BUGS)
    def delete_room(self, bug: Bug | None) -> None:
        self.act(self.it.sfu.execute(commands.DeleteRoom(ADMINISTRATOR, "other")), bug)

    # The end

    def teardown(self) -> None:
        try:
            self.run(self.all_go())
            self.run(self.block.__aexit__(None, None, None))
        finally:
            self.runner.close()

    async def all_go(self) -> None:
        sfu, plane = self.it.sfu, self.it.plane
        for client in self.open:
            await client.cut()
        silent = [id for id in plane.transports if self.states.get(id) == "connected"]
        await self.it.say(*(_native.TransportState(transport=id, state="disconnected", reason="test") for id in silent))
        await self.it.pass_time(0.2)
        await self.it.pass_time(WINDOW)
        present = [(p.identity, p.signal_gone, p.media_gone) for room in rooms_of(sfu).values() for p in room.members]
        assert present == []
        left = [*plane.transports, *plane.tracks, *plane.slots, *plane.channels]
        assert left == []
        assert rooms_of(sfu)._by_participant == {}
        await self.it.pass_time(EMPTY)
        assert not rooms_of(sfu)
        assert (plane.groups, plane.audio) == ({}, {})
        if not self.had_bugs:
            assert sfu.failures.counts == {}
            # An id whose command raised stays known; no real plane refuses one.
            assert sfu._context.binding.owners == {}


Departures.TestCase.settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
TestDepartures = Departures.TestCase
