"""Drives rooms and sessions: hands them the events of the plane, and the time."""

import asyncio

from sfu.captures import Captures
from sfu.context import Context
from sfu.ending import Ending
from sfu.history.history import History
from sfu.plane import Event, _native
from sfu.quotas import Quotas
from sfu.revocations import Revocations
from sfu.rooms import Rooms
from sfu.signalling.media_session import MediaSessions
from sfu.signalling.sessions import Signalling


class Driver:
    def __init__(
        self,
        context: Context,
        rooms: Rooms,
        signalling: Signalling,
        media_sessions: MediaSessions,
        revocations: Revocations,
        quotas: Quotas,
        captures: Captures,
        history: History,
        ending: Ending,
    ) -> None:
        self._context = context
        self._rooms = rooms
        self._signalling = signalling
        self._media_sessions = media_sessions
        self._revocations = revocations
        self._quotas = quotas
        self._captures = captures
        self._history = history
        self._ending = ending

    async def run(self) -> None:
        """Handles timeouts in every tick, until it is cancelled."""
        while True:
            await asyncio.sleep(self._context.config.tick)
            try:
                self.handle_timeout(self._context.now())
            except Exception as error:
                # Without ticks the service would keep participants who left, and would never end a drain.
                self._context.failures.note("tick", error)

    def handle_timeout(self, now: float) -> None:
        """Does what is due: speakers, participants who left too long ago, empty rooms, the end of a drain."""
        contained = self._context.failures.contained
        # A part that fails in every tick keeps nobody else in a room, and does not delay the end of a drain.
        with contained("tick"):
            self._rooms.handle_timeout(now)
        with contained("tick"):
            self._signalling.handle_timeout()
        with contained("tick"):
            self._media_sessions.handle_timeout()
        with contained("tick"):
            self._revocations.handle_timeout(self._context.wall())
        with contained("tick"):
            self._quotas.handle_timeout(now)
        with contained("tick"):
            self._history.handle_timeout(now)
        self._ending.handle_timeout(now)

    def handle_event(self, event: Event) -> None:
        match event:
            # The most frequent one first.
            case _native.Switched(slot=id) | _native.Refused(slot=id):
                self._hand_out(id, event)
            case _native.AudioLevels(levels=levels):
                self._rooms.handle_levels(levels)
            case _native.WorkerFailed(worker=worker, reason=reason):
                self._ending.fail(f"worker {worker} failed: {reason}")
            case _native.Captured():
                self._captures.handle(event)
            case _native.TransportState(transport=id) | _native.ChannelState(transport=id):
                self._hand_out(id, event)
            case _native.Estimate(transport=id):
                self._hand_out(id, event)
            case _native.Layers(track=id):
                self._hand_out(id, event)
            case _native.Message(channel=id) | _native.Buffered(channel=id):
                self._hand_out(id, event)

    def _hand_out(self, id: int, event: Event) -> None:
        """Hands an event to the room of the participant that owns this object, if it is still present."""
        sid = self._context.binding.owners.get(id)
        room = self._rooms.of_participant(sid) if sid is not None else None
        if sid is not None and room is not None:
            room.events.handle(sid, event)
