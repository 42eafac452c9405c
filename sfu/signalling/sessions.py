"""The sessions of participants with WebSockets: joining starts a session, and a new connection may resume one."""

from sfu.commands import Executor, Member
from sfu.context import Context
from sfu.errors import SfuError, Stale, TooManyRequests, Unavailable
from sfu.model import DisconnectReason
from sfu.room.participant import Participant
from sfu.room.room import Room
from sfu.signalling import messages
from sfu.signalling.outbox import GOING_AWAY, Outbox, Tail
from sfu.signalling.requests import SessionOwner, SignallingSession
from sfu.signalling.view import View


def refusal(error: SfuError) -> messages.Left:
    """Returns the reply to a client that is not admitted."""
    match error:
        case Stale():
            return messages.Left(DisconnectReason.STATE_MISMATCH, str(error), "rejoin")
        case TooManyRequests():
            return messages.Left(DisconnectReason.JOIN_FAILURE, str(error), "rejoin")
        case Unavailable():
            return messages.Left(DisconnectReason.SERVER_SHUTDOWN, str(error), "rejoin")
        case _:
            return messages.Left(DisconnectReason.JOIN_FAILURE, str(error), "none")


class Signalling:
    """The signalling of a service. Every room has a `View`, which sends events to its participants."""

    def __init__(self, context: Context, execute: Executor) -> None:
        self._context = context
        self._execute = execute
        self._views: dict[Room, View] = {}

    def open(self, room: Room) -> None:
        """Starts to report the events of a room to its participants."""
        view = self._views[room] = View(self._context, room)
        room.readers.append(view.read)

    def close(self, room: Room) -> None:
        """Forgets a room that is closed."""
        self._views.pop(room, None)

    def connect(self, room: Room, member: Member) -> SignallingSession:
        """Returns the session of a participant that has just joined."""
        return self._snapshot(room, _signals(room, member), is_resumed=False)

    def reconnect(self, room: Room, member: Member, seq: int) -> SignallingSession:
        """Returns the session of a participant over another connection, whose client has all messages up to `seq`.
        Raises Stale if there is no message of this number."""
        participant = _signals(room, member)
        tail = self._views[room].tail(participant)
        if seq > tail.seq or seq < 0:
            raise Stale("the session has no message with this seq: join with a new session")
        if not tail.reaches(seq):
            room.report_again(participant)
            return self._snapshot(room, participant, is_resumed=True)
        outbox = tail.open(seq, self._views[room].resumed(participant, seq + 1))
        participant.signal_gone = None
        return self._session(room, participant, tail, outbox)

    def detach(self, session: SignallingSession) -> None:
        """Handles a lost connection. The participant may resume over another one."""
        if session.tail.is_read_by(session.outbox):
            self._lose(session.owner, session.tail)

    def handle_timeout(self) -> None:
        for room, view in self._views.items():
            try:
                view.handle_timeout()
            except Exception as error:
                # The failure of one room does not affect the others of this tick.
                self._context.failures.note("tick", error, f"room={room.name}")
            for sid in view.poll_failed():
                room.report_participant(sid)

    def _snapshot(self, room: Room, participant: Participant, *, is_resumed: bool) -> SignallingSession:
        view = self._views[room]
        tail = view.tail(participant)
        outbox = tail.open(tail.seq)
        try:
            tail.put(view.joined(participant, resumed=is_resumed))
        except BaseException:
            # No connection detaches from this outbox, and the one before it was replaced.
            self._lose(participant, tail)
            raise
        participant.signal_gone = None
        return self._session(room, participant, tail, outbox, is_snapshot=is_resumed)

    def _lose(self, owner: SessionOwner, tail: Tail) -> None:
        tail.shut(GOING_AWAY, drop=True)
        owner.signal_gone = self._context.now()

    def _session(
        self, room: Room, participant: Participant, tail: Tail, outbox: Outbox, *, is_snapshot: bool = False
    ) -> SignallingSession:
        by = Member(room.name, participant.sid)
        return SignallingSession(by, participant, tail, outbox, self._context, self._execute, is_snapshot=is_snapshot)


def _signals(room: Room, member: Member) -> Participant:
    participant = room.members.get(member.sid)
    if participant is None:
        raise Stale("your session has ended: join with a new session")
    return participant
