"""The sessions of participants with WebSockets: joining starts a session, and a new connection may resume one."""

import hmac

from sfu.commands import Executor, Member
from sfu.context import Context
from sfu.errors import SfuError, Stale, TooManyRequests, Unavailable
from sfu.model import DisconnectReason, Grant
from sfu.room.participant import Participant
from sfu.room.room import Room
from sfu.signalling import messages
from sfu.signalling.outbox import GOING_AWAY, Outbox, Tail
from sfu.signalling.requests import Session
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

    def join(self, room: Room, participant: Participant) -> Session:
        """Returns the session of a participant that has just entered."""
        return self._snapshot(room, participant, is_resumed=False)

    def resume(self, room: Room | None, grant: Grant | None, resume: messages.Resume) -> Session:
        """Resumes the session of a participant over another connection. Raises Stale if there is none, or it is not the
        client's."""
        participant = room.members.get(resume.sid) if room is not None else None
        if room is None or participant is None or not participant.signals:
            raise Stale("your session has ended: join anew")
        if participant.resume_secret is None:
            raise Stale("your session was revoked: join anew, with a new token")
        if not hmac.compare_digest(participant.resume_secret.encode(), resume.secret.encode()):
            raise Stale("this is not the secret of the session: join anew")
        if grant is not None and grant.identity != participant.identity:
            raise Stale("the session belongs to another identity: join anew")
        tail = self._views[room].tail(participant)
        if resume.seq > tail.seq or resume.seq < 0:
            raise Stale("the session never had a message of this number: join anew")
        if not tail.reaches(resume.seq):
            room.retell(participant)
            return self._snapshot(room, participant, is_resumed=True)
        outbox = tail.open(resume.seq, messages.Resumed(resume.seq + 1))
        participant.signal_gone = None
        return self._session(room, participant, tail, outbox)

    def detach(self, session: Session) -> None:
        """Handles a lost connection. The participant may resume over another one."""
        if session.tail.is_read_by(session.outbox):
            session.tail.shut(GOING_AWAY, drop=True)
            session.standing.signal_gone = self._context.now()

    def handle_timeout(self, room: Room) -> None:
        for sid in self._views[room].poll_failed():
            room.tell_again(sid)

    def _snapshot(self, room: Room, participant: Participant, *, is_resumed: bool) -> Session:
        view = self._views[room]
        tail = view.tail(participant)
        outbox = tail.open(tail.seq)
        tail.put(view.joined(participant, resumed=is_resumed))
        participant.signal_gone = None
        return self._session(room, participant, tail, outbox, is_snapshot=is_resumed)

    def _session(
        self, room: Room, participant: Participant, tail: Tail, outbox: Outbox, *, is_snapshot: bool = False
    ) -> Session:
        by = Member(room.name, participant.sid)
        return Session(by, participant, tail, outbox, self._context, self._execute, is_snapshot=is_snapshot)
