"""Admission to a room, and new participants: locks, limits, the identities of shared tokens, and WHIP takeovers."""

import itertools

from sfu import limits
from sfu.context import Context
from sfu.errors import Contended, NotAllowed, RoomFull, TooManyRequests
from sfu.model import Candidate, Client, Grant, ParticipantKind
from sfu.negotiation.transport import MediaState
from sfu.quoting import quote
from sfu.revocations import Revocations
from sfu.room.members import Members
from sfu.room.notes import Notes
from sfu.room.participant import Participant


class Admission:
    """The admission of one room."""

    def __init__(
        self,
        context: Context,
        room: str,
        members: Members,
        revocations: Revocations,
        notes: Notes,
        worker: int,
        candidates: tuple[Candidate, ...],
    ) -> None:
        self._context = context
        self._room = room
        """The room's name."""
        self._members = members
        self._revocations = revocations
        self._notes = notes
        self._worker = worker
        self._candidates = candidates
        self._order = 0
        self._locked = False
        self._max_participants = 0
        self._begun: dict[str, list[float]] = {}
        """Times of recent WHIP sessions and refusals, by identity."""

    def set_policy(self, locked: bool, max_participants: int) -> None:
        """Sets who may join, see `RoomOptions`."""
        self._locked = locked
        self._max_participants = max_participants

    def prepare(
        self,
        grant: Grant,
        kind: ParticipantKind,
        *,
        auto_subscribe: bool = True,
        only: str | None = None,
        client: Client | None = None,
        via: str | None = None,
    ) -> Participant:
        """Returns a new participant that may `enter`. Raises if the room is locked or full, or the token revoked."""
        identity = self._admit(grant, kind)
        self._order += 1
        return Participant(
            self._context,
            grant,
            kind,
            self._notes,
            identity=identity,
            worker=self._worker,
            order=self._order,
            # The address that the client has reached once is the most likely to be reachable again.
            candidates=tuple(sorted(self._candidates, key=lambda candidate: candidate.address != via)),
            auto_subscribe=auto_subscribe,
            only=only,
            client=client,
        )

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

    def _admit(self, grant: Grant, kind: ParticipantKind) -> str:
        """Returns the identity of a new participant: the grant's or, for a viewer, its own. Raises if refused."""
        self._revocations.admit(self._room, grant, self._context.wall())
        present = self._members.named(grant.identity)
        if kind is ParticipantKind.VIEWER or (present is not None and present.kind is ParticipantKind.VIEWER):
            # A viewer replaces nobody, and nobody replaces a viewer.
            present = None
        if self._locked and present is None:
            raise NotAllowed(f"the room {quote(self._room)} is locked")
        is_counted = kind is ParticipantKind.VIEWER or not grant.permissions.hidden
        # A participant that is already in may reconnect, even if the limit was lowered below the present number.
        adds_one = is_counted and (present is None or not _is_counted(present))
        if adds_one and 0 < self._max_participants <= sum(map(_is_counted, self._members)):
            raise RoomFull(f"the room {quote(self._room)} is full: {self._max_participants} are in it")
        if kind is ParticipantKind.INGRESS:
            self._take_over(grant.identity, present)
        if kind is not ParticipantKind.VIEWER:
            return grant.identity
        self._require_seat(grant)
        return self.free_identity(grant.identity)

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
