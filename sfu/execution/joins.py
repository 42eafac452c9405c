"""Admits clients to rooms: joins and resumes of WebSockets, and sessions of WHIP and WHEP.

Every attempt, even a refused one, counts towards the quotas of its key and its address.
"""

import hmac
from collections.abc import Sequence
from dataclasses import replace

from sfu import names
from sfu.commands import Join, ListIceServers, Member, OpenMediaSession, Resume
from sfu.context import Context
from sfu.errors import InvalidRequest, NotAllowed, NotFound, Stale
from sfu.ice_servers import ice_servers, public_ice_servers, user_of
from sfu.lifecycle import Lifecycle
from sfu.model import Grant, IceServer, ParticipantKind
from sfu.quotas import Quotas
from sfu.quoting import quote
from sfu.revocations import Revocations
from sfu.room.room import Room
from sfu.rooms import Rooms
from sfu.signalling.media_session import MediaSession, MediaSessions


class Joins:
    def __init__(
        self,
        context: Context,
        lifecycle: Lifecycle,
        quotas: Quotas,
        revocations: Revocations,
        rooms: Rooms,
        sessions: MediaSessions,
    ) -> None:
        self._context = context
        self._lifecycle = lifecycle
        self._quotas = quotas
        self._revocations = revocations
        self._rooms = rooms
        self._sessions = sessions
        self.count = 0
        """The number of participants ever admitted."""

    def join(self, command: Join) -> Member:
        grant = command.by if isinstance(command.by, Grant) else None
        self._quotas.join(grant.key if grant is not None else "", command.address, self._context.now())
        if grant is None:
            raise NotAllowed("a join needs a grant")
        room = self._admit(grant, command.room)
        participant = room.admission.prepare(
            grant,
            ParticipantKind.STANDARD,
            auto_subscribe=command.auto_subscribe,
            client=command.client,
            via=command.via,
        )
        self._rooms.keep(room)
        room.attendance.enter(participant)
        self.count += 1
        return Member(room.name, participant.sid)

    def resume(self, command: Resume) -> Member:
        self._quotas.join("", command.address, self._context.now())
        room = self._rooms.get(command.room)
        participant = room.members.get(command.sid) if room is not None else None
        if room is None or participant is None or not participant.signals:
            raise Stale("your session has ended: join with a new session")
        if participant.resume_secret is None:
            raise Stale("your session was revoked: join with a new session and a new token")
        if not hmac.compare_digest(participant.resume_secret.encode(), command.secret.encode()):
            raise Stale("the secret of the session is wrong: join with a new session")
        if isinstance(command.by, Grant) and command.by.identity != participant.identity:
            raise Stale("the session belongs to another identity: join with a new session")
        return Member(room.name, participant.sid)

    def open_media_session(self, command: OpenMediaSession) -> MediaSession:
        grant, kind = command.by, command.kind
        if not isinstance(grant, Grant):
            raise NotAllowed("a media session needs a grant")
        if kind is ParticipantKind.STANDARD:
            raise InvalidRequest("a media session must publish or watch")
        permissions = grant.permissions
        if kind is ParticipantKind.INGRESS and not permissions.can_publish:
            raise NotAllowed("this token does not allow publishing")
        if kind is ParticipantKind.VIEWER:
            if not permissions.can_subscribe:
                raise NotAllowed("this token does not allow subscribing")
            permissions = replace(permissions, can_publish=False, can_publish_data=False, hidden=True)
        self._quotas.join(grant.key, command.address, self._context.now())
        room = self._admit(grant, command.room)
        grant = replace(grant, permissions=permissions)
        participant = room.admission.prepare(grant, kind, only=command.participant, via=command.via)
        try:
            session = MediaSession.open(room, participant, command.offer)
        finally:
            # A refused offer creates no room.
            if len(room.members):
                self._rooms.keep(room)
        self._sessions.add(session)
        self.count += 1
        return session

    def list_ice_servers(self, command: ListIceServers) -> Sequence[IceServer]:
        if not isinstance(command.by, Grant):
            return public_ice_servers(self._context.config)
        self._require_admissible(command.by, command.room)
        return self.ice_servers(user_of(command.by))

    def ice_servers(self, user: str) -> Sequence[IceServer]:
        """Returns the ICE servers of a participant (its sid) or another user, with new credentials."""
        return ice_servers(self._context.config, user, self._context.wall())

    def require_valid(self, grant: Grant, room: str) -> None:
        """Raises Revoked if a token with this grant is revoked for the room."""
        self._revocations.admit(room, grant, self._context.wall())

    def require_budget(self, grant: Grant, address: str) -> None:
        """Raises TooManyRequests if a join of this key or address would be refused now, for an early refusal."""
        self._quotas.require(grant.key, address, self._context.now())

    def readmit(self, room: str, identity: str, jti: str | None = None) -> None:
        """Readmits an identity that was removed, or whose grant was reduced: with the token of this `jti`, or without
        one with every token issued from now on. The room need not exist."""
        self._revocations.readmit(names.room_name(room), names.identity(identity), self._context.wall(), jti)

    def _admit(self, grant: Grant, name: str) -> Room:
        """Returns the room that a client with this grant may enter now. A new room is not listed before somebody
        enters."""
        self._lifecycle.admit()
        self._require_admissible(grant, name)
        present = self._rooms.get(name)
        if present is None or present.members.named(grant.identity) is None:
            self._quotas.require_participant(grant.key)
        if present is not None:
            return present
        config = self._context.config
        if not config.create_on_demand and not grant.room_create:
            raise NotFound(f"there is no room {quote(name)}")
        return self._rooms.build(name, config.room, grant.key)

    def _require_admissible(self, grant: Grant, name: str) -> None:
        """Checks what depends on the token alone. Raises NotAllowed or Revoked."""
        names.room_name(name)
        if not grant.room_join:
            raise NotAllowed("this token does not allow joining a room")
        if grant.room and grant.room != name:
            raise NotAllowed(f"this token is for the room {quote(grant.room)}, not for {quote(name)}")
        self.require_valid(grant, name)
        names.identity(grant.identity)
