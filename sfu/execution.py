"""Carries out the commands of `sfu/commands.py`: the only place where requests meet rooms and participants.

`execute` finds who asks, checks the right that the command needs, and calls the handler of its type. A handler is
synchronous, so that no other request comes between a check and the change.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, Protocol, TypeVar, cast

from sfu import commands, limits, paging
from sfu.commands import Command, Departed, Member, Page, Right
from sfu.config import Config
from sfu.errors import InvalidRequest, LimitExceeded, NotAllowed, NotFound, PreconditionRequired, Stale
from sfu.model import (
    DisconnectReason,
    Explanation,
    Grant,
    ParticipantInfo,
    ParticipantKind,
    PublishedTrack,
    RoomInfo,
    RoomOptions,
    SubscriptionInfo,
    TrackInfo,
)
from sfu.negotiation.sdp import SessionDescription
from sfu.quoting import quote
from sfu.room.participant import Participant
from sfu.room.room import Room
from sfu.signalling.media_session import MediaSession

R = TypeVar("R")


class Host(Protocol):
    """What commands need of the service."""

    config: Config
    rooms: dict[str, Room]

    def create_room(self, name: str, options: RoomOptions | None = None, *, key: str = "") -> tuple[Room, bool]: ...

    def room(self, name: str) -> Room: ...

    def delete_room(self, name: str) -> None: ...

    def readmit(self, room: str, identity: str, jti: str | None = None) -> None: ...

    def open_session(
        self,
        grant: Grant,
        room: str,
        kind: ParticipantKind,
        sdp: str | SessionDescription,
        *,
        participant: str | None = None,
        address: str = "",
        via: str | None = None,
    ) -> MediaSession: ...

    @property
    def media_sessions(self) -> Mapping[str, MediaSession]: ...

    def has_ended(self, id: str, kind: ParticipantKind, room: str | None) -> bool: ...

    def drain(self, limit: float | None = None) -> None: ...


class Standing(NamedTuple):
    """Who asks, as found when the command is carried out."""

    grant: Grant | None
    """None: the administrator, or somebody without a token."""
    participant: Participant | None
    room: str
    """Of the participant."""


class Execution:
    def __init__(self, host: Host) -> None:
        self._host = host

    async def execute(self, command: Command[R]) -> R:
        """Returns the command's result. Raises an SfuError, and has then changed nothing."""
        handler = HANDLERS.get(type(command))
        if handler is None:
            raise InvalidRequest(f"{type(command).__name__} is no command of this service")
        standing = self._standing(command)
        self._require(command, standing)
        return cast(R, handler(self, command, standing))

    # Who asks

    def _standing(self, command: Command[Any]) -> Standing:
        by = command.by
        if isinstance(by, Grant):
            return Standing(by, None, "")
        if not isinstance(by, Member):
            return Standing(None, None, "")
        room = self._host.rooms.get(by.room)
        participant = room.members.get(by.sid) if room is not None else None
        if participant is None:
            raise Departed("you have left this room")
        return Standing(participant.grant, participant, by.room)

    def _require(self, command: Command[Any], standing: Standing) -> None:
        right = commands.NEEDS[type(command)]
        if right is Right.OWN:
            if standing.participant is None:
                raise NotAllowed("only a participant can ask this, for itself")
            return
        if isinstance(command.by, commands.Administrator) or right in (Right.TOKEN, Right.SESSION):
            return
        if right is Right.OWN_OR_MODERATE and _is_own(command, standing):
            return
        grant = standing.grant
        if right is Right.ADMINISTER or grant is None:
            raise NotAllowed("only the administrator of the service can ask this")
        if right is Right.CREATE_ROOMS:
            if not grant.room_create:
                raise NotAllowed("this token does not allow to create rooms (roomCreate)")
        elif right is Right.LIST_ROOMS:
            if not grant.room_list:
                raise NotAllowed("this token does not allow to list rooms (roomList)")
        elif not ((right is Right.VIEW_ROOM and grant.room_list) or (right is Right.CLOSE_ROOM and grant.room_create)):
            _require_moderator(grant, command)

    def _find(self, command: commands.OfParticipant[Any], standing: Standing) -> tuple[Room, Participant]:
        if command.identity is None:
            if standing.participant is None:
                raise InvalidRequest("the command names no participant")
            return self._host.room(standing.room), standing.participant
        room = self._host.room(command.room)
        return room, room.participant(command.identity)

    # Rooms

    def _create_room(self, command: commands.CreateRoom, standing: Standing) -> commands.Created:
        given = {name: value for name, value in command.options.items() if value is not None}
        options = replace(self._host.config.room, **given)  # type: ignore[arg-type]  # the names are those of RoomChanges
        key = standing.grant.key if standing.grant is not None else ""
        room, is_new = self._host.create_room(command.room, options, key=key)
        return commands.Created(room.info(), is_new)

    def _list_rooms(self, command: commands.ListRooms, _: Standing) -> Page[RoomInfo]:
        rooms = self._host.rooms
        entries = ((name, rooms[name].info()) for name in paging.by_name(rooms, command.after, command.limit))
        return Page(*paging.page(entries, command.limit, paging.of_room))

    def _show_room(self, command: commands.ShowRoom, _: Standing) -> RoomInfo:
        return self._host.room(command.room).info()

    def _change_room(self, command: commands.ChangeRoom, _: Standing) -> RoomInfo:
        room = self._host.room(command.room)
        room.update(**command.changes)
        return room.info()

    def _delete_room(self, command: commands.DeleteRoom, _: Standing) -> None:
        self._host.delete_room(command.room)

    def _list_tracks(self, command: commands.ListTracks, _: Standing) -> Page[PublishedTrack]:
        entries = paging.by_order(self._host.room(command.room).stage.overview.published(paging.order(command.after)))
        return Page(*paging.page(entries, command.limit, paging.of_track))

    def _send_data(self, command: commands.SendData, _: Standing) -> int:
        room = self._host.room(command.room)
        return room.send_data(command.payload, reliable=command.reliable, to=command.to)

    def _list_participants(self, command: commands.ListParticipants, _: Standing) -> Page[ParticipantInfo]:
        present = self._host.room(command.room).participants
        names = paging.by_name(present, command.after, command.limit)
        entries = ((identity, present[identity].info()) for identity in names)
        return Page(*paging.page(entries, command.limit, paging.of_participant))

    # Participants

    def _show_participant(self, command: commands.ShowParticipant, standing: Standing) -> ParticipantInfo:
        _, participant = self._find(command, standing)
        return participant.info()

    def _change_participant(self, command: commands.ChangeParticipant, standing: Standing) -> ParticipantInfo:
        asker = standing.participant
        if asker is not None and _is_own(command, standing) and not _moderates(asker.grant, command.room):
            if command.permissions is not None:
                raise NotAllowed("you may not change your own permissions")
            if not asker.permissions.can_update_own_metadata:
                raise NotAllowed("you may not change your own name, metadata and attributes")
        room, participant = self._find(command, standing)
        permissions = participant.permissions
        if command.permissions is not None:
            permissions = replace(permissions, **command.permissions)
        room.moderation.update(
            participant,
            name=command.name,
            metadata=command.metadata,
            attributes=command.attributes,
            permissions=permissions,
        )
        return participant.info()

    def _remove_participant(self, command: commands.RemoveParticipant, standing: Standing) -> None:
        # Viewers that share the token are removed even if no participant has the identity itself.
        identity = command.identity
        if identity is None:
            identity = self._find(command, standing)[1].identity
        self._host.room(command.room).remove(identity)

    def _readmit_participant(self, command: commands.ReadmitParticipant, _: Standing) -> None:
        self._host.readmit(command.room, command.identity, command.jti)

    def _mute_track(self, command: commands.MuteTrack, standing: Standing) -> ParticipantInfo:
        room, participant = self._find(command, standing)
        if _is_own(command, standing):
            room.moderation.mute(participant, command.track, command.muted)
        else:
            room.moderation.silence(participant, command.track, command.muted)
        return participant.info()

    def _list_subscriptions(self, command: commands.ListSubscriptions, standing: Standing) -> Page[SubscriptionInfo]:
        room, participant = self._find(command, standing)
        entries = paging.by_order(room.stage.overview.subscriptions(participant, paging.order(command.after)))
        return Page(*paging.page(entries, command.limit, paging.of_subscription))

    def _set_subscriptions(self, command: commands.SetSubscriptions, standing: Standing) -> None:
        room, participant = self._find(command, standing)
        count = len(command.wishes)
        if count > limits.WISHES:
            raise LimitExceeded(f"one request has settings of at most {limits.WISHES} tracks, not {count}")
        room.stage.demand(participant, dict(command.wishes), command.only)
        room.flush_soon()

    def _subscribe(self, command: commands.Subscribe, standing: Standing) -> None:
        room, participant = self._find(command, standing)
        room.stage.subscribe(participant, command.tracks, command.on)
        room.flush_soon()

    def _explain(self, command: commands.ExplainSubscriptions, standing: Standing) -> Page[Explanation]:
        room, participant = self._find(command, standing)
        entries = paging.by_order(room.stage.overview.explain(participant, paging.order(command.after)))
        return Page(*paging.page(entries, command.limit, paging.of_explanation))

    # A participant, for itself

    def _own(self, standing: Standing) -> tuple[Room, Participant]:
        assert standing.participant is not None  # Right.OWN
        return self._host.room(standing.room), standing.participant

    def _declare_track(self, command: commands.DeclareTrack, standing: Standing) -> TrackInfo:
        _, participant = self._own(standing)
        return participant.declare(command.track).info()

    def _unpublish_track(self, command: commands.UnpublishTrack, standing: Standing) -> None:
        room, participant = self._own(standing)
        room.moderation.unpublish(participant, participant.publishing.find(command.track), "you unpublished it")

    def _answer_offer(self, command: commands.AnswerOffer, standing: Standing) -> commands.Answered:
        room, participant = self._own(standing)
        outcome = room.offer(participant, command.offer, command.cids)
        return commands.Answered(outcome.answer, outcome.mids, outcome.undeclared)

    def _note_token(self, command: commands.NoteToken, standing: Standing) -> None:
        room, participant = self._own(standing)
        room.note_token(participant, command.issued, command.expires, command.jti)

    def _leave(self, _: commands.Leave, standing: Standing) -> None:
        room, participant = self._own(standing)
        room.depart(participant, DisconnectReason.CLIENT_INITIATED)

    # WHIP and WHEP

    def _open_media_session(self, command: commands.OpenMediaSession, standing: Standing) -> commands.MediaSessionInfo:
        if standing.grant is None:
            raise NotAllowed("a media session needs a grant")
        return self._host.open_session(
            standing.grant,
            command.room,
            command.kind,
            command.offer,
            participant=command.participant,
            address=command.address,
            via=command.via,
        ).info()

    def _session(self, command: commands.OfMediaSession[Any]) -> MediaSession:
        found = self._host.media_sessions.get(command.id)
        if found is None or not found.is_open or found.participant.kind is not command.kind:
            raise NotFound("there is no such session: it has ended, or never was")
        if command.room not in (None, found.room.name):
            raise NotFound("there is no such session in this room")
        return found

    def _find_media_session(self, command: commands.FindMediaSession, _: Standing) -> commands.MediaSessionInfo:
        return self._session(command).info()

    def _trickle_ice(self, command: commands.TrickleIce, _: Standing) -> commands.MediaSessionInfo:
        session = self._session(command)
        if command.etags is not None:
            if session.etag not in command.etags:
                raise Stale("If-Match does not name the ETag of the session: ICE was restarted since")
            session.trickle(command.fragment)
        elif not session.is_of_session(command.fragment):
            raise PreconditionRequired("If-Match is needed: the ETag of the session, or * to restart ICE")
        return session.info()

    def _restart_ice(self, command: commands.RestartIce, _: Standing) -> commands.Restarted:
        session = self._session(command)
        fragment = session.restart(command.fragment)
        return commands.Restarted(session.etag, fragment)

    def _end_media_session(self, command: commands.EndMediaSession, _: Standing) -> None:
        if not self._host.has_ended(command.id, command.kind, command.room):
            self._session(command).close()

    # The service

    def _drain(self, command: commands.Drain, _: Standing) -> None:
        self._host.drain(command.limit)


def _is_own(command: Command[Any], standing: Standing) -> bool:
    """Whether a participant asks for itself."""
    asker = standing.participant
    if asker is None or not isinstance(command, commands.OfParticipant):
        return False
    return command.identity is None or (command.room, command.identity) == (standing.room, asker.identity)


def _moderates(grant: Grant, room: str) -> bool:
    return grant.room_admin and grant.room in ("", room)


def _require_moderator(grant: Grant, command: Any) -> None:
    room: str = command.room
    if not grant.room_admin:
        raise NotAllowed("this token does not allow to moderate a room (roomAdmin)")
    if grant.room and grant.room != room:
        raise NotAllowed(f"this token is for the room {quote(grant.room)}, not for {quote(room)}")


HANDLERS: Mapping[type[Command[Any]], Callable[[Execution, Any, Standing], Any]] = {
    commands.CreateRoom: Execution._create_room,
    commands.ListRooms: Execution._list_rooms,
    commands.ShowRoom: Execution._show_room,
    commands.ChangeRoom: Execution._change_room,
    commands.DeleteRoom: Execution._delete_room,
    commands.ListTracks: Execution._list_tracks,
    commands.SendData: Execution._send_data,
    commands.ListParticipants: Execution._list_participants,
    commands.ShowParticipant: Execution._show_participant,
    commands.ChangeParticipant: Execution._change_participant,
    commands.RemoveParticipant: Execution._remove_participant,
    commands.ReadmitParticipant: Execution._readmit_participant,
    commands.MuteTrack: Execution._mute_track,
    commands.ListSubscriptions: Execution._list_subscriptions,
    commands.SetSubscriptions: Execution._set_subscriptions,
    commands.Subscribe: Execution._subscribe,
    commands.ExplainSubscriptions: Execution._explain,
    commands.DeclareTrack: Execution._declare_track,
    commands.UnpublishTrack: Execution._unpublish_track,
    commands.AnswerOffer: Execution._answer_offer,
    commands.NoteToken: Execution._note_token,
    commands.Leave: Execution._leave,
    commands.OpenMediaSession: Execution._open_media_session,
    commands.FindMediaSession: Execution._find_media_session,
    commands.TrickleIce: Execution._trickle_ice,
    commands.RestartIce: Execution._restart_ice,
    commands.EndMediaSession: Execution._end_media_session,
    commands.Drain: Execution._drain,
}
