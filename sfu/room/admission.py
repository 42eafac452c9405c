"""Admission to a room and the identity of a new participant: locks, limits, shared tokens, and WHIP takeovers."""

import itertools

from sfu import limits
from sfu.context import Context
from sfu.errors import Contended, NotAllowed, RoomFull, TooManyRequests
from sfu.model import Grant, ParticipantKind, RoomOptions
from sfu.negotiation.transport import MediaState
from sfu.quoting import quote
from sfu.revocations import Revocations
from sfu.room.members import Members
from sfu.room.participant import Participant


class Admission:
    """The admission of one room."""

    def __init__(self, context: Context, room: str, members: Members, revocations: Revocations) -> None:
        self._context = context
        self._room = room
        """The room's name."""
        self._members = members
        self._revocations = revocations
        self._begun: dict[str, list[float]] = {}
        """Times of recent WHIP sessions and refusals, by identity."""

    def admit(self, grant: Grant, kind: ParticipantKind, options: RoomOptions) -> str:
        """Returns the identity of a new participant: the grant's or, for a viewer, its own. Raises if refused."""
        self._revocations.admit(self._room, grant, self._context.wall())
        present = self._members.named(grant.identity)
        if kind is ParticipantKind.VIEWER or (present is not None and present.kind is ParticipantKind.VIEWER):
            # A viewer replaces nobody, and nobody replaces a viewer.
            present = None
        if options.locked and present is None:
            raise NotAllowed(f"the room {quote(self._room)} is locked")
        is_counted = kind is ParticipantKind.VIEWER or not grant.permissions.hidden
        # A participant that is already in may reconnect, even if the limit was lowered below the present number.
        adds_one = is_counted and (present is None or not _is_counted(present))
        if adds_one and 0 < options.max_participants <= sum(map(_is_counted, self._members)):
            raise RoomFull(f"the room {quote(self._room)} is full: {options.max_participants} are in it")
        if kind is ParticipantKind.INGRESS:
            self._take_over(grant.identity, present)
        if kind is not ParticipantKind.VIEWER:
            return grant.identity
        self._require_seat(grant)
        return self.free_identity(grant.identity)

    def begin(self, participant: Participant) -> None:
        """Records that the participant has entered the room."""
        if participant.kind is ParticipantKind.INGRESS:
            self._note(participant.identity)

    def free_identity(self, identity: str) -> str:
        """Returns the first of `ada`, `ada#2`, `ada#3` … that is free in the room."""
        numbered = (f"{identity}#{number}" for number in itertools.count(2))
        return next(name for name in itertools.chain([identity], numbered) if self._members.named(name) is None)

    def handle_timeout(self, now: float) -> None:
        if self._begun:
            self._begun = {name: at for name, at in self._begun.items() if now - at[-1] < limits.TAKEOVER_SECONDS}

    def _require_seat(self, grant: Grant) -> None:
        name, most = grant.identity, max(self._context.config.viewers_per_token, grant.max_viewers)
        of_token = (p for p in self._members if p.grant.identity == name)
        if sum(p.kind is ParticipantKind.VIEWER for p in of_token) >= most:
            sentence = f"the token of {quote(name)} has {most} viewers in this room, its maximum: try again later"
            raise TooManyRequests(sentence, "viewers_per_token", limits.RETRY_SECONDS)

    def _take_over(self, identity: str, present: Participant | None) -> None:
        """Raises Contended at the third WHIP session within ten seconds, unless the present one is disconnected.
        Without this limit, two encoders that both reconnect end each other forever. Refused attempts count like
        sessions."""
        is_replacing = present is not None and present.kind is ParticipantKind.INGRESS
        if not is_replacing or present is None or present.transport.state is MediaState.DISCONNECTED:
            return
        now = self._context.now()
        lately = [at for at in self._begun.get(identity, ()) if now - at < limits.TAKEOVER_SECONDS]
        if len(lately) >= limits.TAKEOVERS:
            self._note(identity)
            raise Contended(
                f"several publishers replace each other as {quote(identity)}: stop all but one, or try again in "
                f"{limits.TAKEOVER_SECONDS:g} s"
            )

    def _note(self, identity: str) -> None:
        self._begun[identity] = [*self._begun.get(identity, ()), self._context.now()][-limits.TAKEOVERS :]


def _is_counted(participant: Participant) -> bool:
    """Returns whether the participant counts towards the room's limit: viewers, and everybody who is not hidden."""
    return participant.kind is ParticipantKind.VIEWER or not participant.is_hidden
