"""Carries out commands about rooms, and about the service."""

from collections.abc import Awaitable, Mapping
from dataclasses import asdict, replace
from typing import Any

from sfu import commands, paging
from sfu.commands import Command, Page
from sfu.execution.node import Handler, Node
from sfu.execution.rights import Standing
from sfu.model import RoomChanges, RoomOptions
from sfu.room_events import EventPage
from sfu.views import ParticipantInfo, PublishedTrack, RoomInfo


def create_room(node: Node, command: commands.CreateRoom, standing: Standing) -> commands.Created:
    options = _options(node, command.options)
    room, is_new = node.rooms.create(command.room, options, key=_key(standing))
    return commands.Created(room.info(), is_new)


def put_room(node: Node, command: commands.PutRoom, standing: Standing) -> commands.Created:
    options = _options(node, command.options)
    present = node.rooms.get(command.room)
    if present is None:
        room, _ = node.rooms.create(command.room, options, key=_key(standing))
        return commands.Created(room.info(), is_new=True)
    if present.options != options:
        standing.require_moderator(command)
        present.update(**asdict(options))
    return commands.Created(present.info(), is_new=False)


def _options(node: Node, given: RoomChanges) -> RoomOptions:
    """Returns the options of a room, with the service's defaults for those that are not given."""
    values = {name: value for name, value in given.items() if value is not None}
    return replace(node.config.room, **values)  # type: ignore[arg-type]  # the names are those of RoomChanges


def _key(standing: Standing) -> str:
    return standing.grant.key if standing.grant is not None else ""


def list_rooms(node: Node, command: commands.ListRooms, _: Standing) -> Page[RoomInfo]:
    rooms = node.rooms
    entries = ((name, rooms[name].info()) for name in paging.by_name(rooms, command.after, command.limit))
    return Page(*paging.page(entries, command.limit, paging.of_room))


def show_room(node: Node, command: commands.ShowRoom, _: Standing) -> RoomInfo:
    return node.rooms.find(command.room).info()


def change_room(node: Node, command: commands.ChangeRoom, _: Standing) -> RoomInfo:
    room = node.rooms.find(command.room)
    room.update(**command.changes)
    return room.info()


def delete_room(node: Node, command: commands.DeleteRoom, _: Standing) -> None:
    node.rooms.delete(command.room)


def list_tracks(node: Node, command: commands.ListTracks, _: Standing) -> Page[PublishedTrack]:
    entries = paging.by_order(node.rooms.find(command.room).forwarding.overview.published(paging.order(command.after)))
    return Page(*paging.page(entries, command.limit, paging.of_track))


def send_data(node: Node, command: commands.SendData, _: Standing) -> int:
    room = node.rooms.find(command.room)
    return room.send_data(command.payload, reliable=command.reliable, to=command.to)


def list_participants(node: Node, command: commands.ListParticipants, _: Standing) -> Page[ParticipantInfo]:
    present = node.rooms.find(command.room).participants
    names = paging.by_name(present, command.after, command.limit)
    entries = ((identity, present[identity].info()) for identity in names)
    return Page(*paging.page(entries, command.limit, paging.of_participant))


def list_events(node: Node, command: commands.ListEvents, _: Standing) -> Awaitable[EventPage]:
    return node.history.page(command.after, command.room, command.limit)


def delete_events(node: Node, command: commands.DeleteEvents, _: Standing) -> Awaitable[int]:
    return node.history.forget(command.identity, command.room)


def drain(node: Node, command: commands.Drain, _: Standing) -> None:
    node.drain(command.limit)


HANDLERS: Mapping[type[Command[Any]], Handler] = {
    commands.CreateRoom: create_room,
    commands.PutRoom: put_room,
    commands.ListRooms: list_rooms,
    commands.ShowRoom: show_room,
    commands.ChangeRoom: change_room,
    commands.DeleteRoom: delete_room,
    commands.ListTracks: list_tracks,
    commands.SendData: send_data,
    commands.ListEvents: list_events,
    commands.DeleteEvents: delete_events,
    commands.ListParticipants: list_participants,
    commands.Drain: drain,
}
