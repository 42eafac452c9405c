"""Carries out the commands of `sfu/commands`: the only place where requests meet rooms and participants.

`execute` finds the author, checks the right that the command needs, calls the handler of its type, and records what
was done.
"""

import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast

from sfu import names
from sfu.commands import Command, DeleteRoom, Join, ListIceServers, Resume
from sfu.errors import InvalidRequest, LimitExceeded, RoomFull, TooManyRequests
from sfu.execution import audit, participants, rooms, sessions, tokens, tracks
from sfu.execution.node import Handler, Node
from sfu.execution.rights import Standing
from sfu.room.room import Room

__all__ = ["HANDLERS", "Node", "execute"]

R = TypeVar("R")

HANDLERS: Mapping[type[Command[Any]], Handler] = {
    Join: lambda node, command, _: node.joins.join(command),
    Resume: lambda node, command, _: node.joins.resume(command),
    ListIceServers: lambda node, command, _: node.joins.list_ice_servers(command),
    **rooms.HANDLERS,
    **tokens.HANDLERS,
    **tracks.HANDLERS,
    **participants.HANDLERS,
    **sessions.HANDLERS,
}


async def execute(node: Node, command: Command[R]) -> R:
    """Returns the command's result. Raises an SfuError, and has then changed nothing."""
    handler = HANDLERS.get(type(command))
    if handler is None:
        raise InvalidRequest(f"{type(command).__name__} is no command of this service")
    command = _by_name(node, command)
    standing = Standing.of(command.by, node.rooms)
    standing.require(command)
    room = _room_of(node, command)
    if isinstance(command, DeleteRoom) and room is not None:
        # Nothing follows the end of a room, and nothing prevents it.
        _record(node, room, command, standing, None)
        return cast(R, handler(node, command, standing))
    try:
        result = handler(node, command, standing)
    except (TooManyRequests, RoomFull, LimitExceeded) as refused:
        name = audit.limit_of(command, refused)
        if name:
            identity = standing.grant.identity if standing.grant is not None else ""
            named = room or standing.room
            node.history.note_limit(name, identity, named.sid if named is not None else "")
        raise
    if inspect.isawaitable(result):
        result = await result
    # The command may have made the room.
    _record(node, room or _room_of(node, command), command, standing, result)
    return cast(R, result)


def _record(node: Node, room: Room | None, command: Command[Any], standing: Standing, result: object) -> None:
    done = audit.describe(command, standing, result)
    if done is None:
        return
    if room is not None:
        room.note_command(done)
    else:
        node.history.note_command(done)


def _room_of(node: Node, command: Command[Any]) -> Room | None:
    """Returns the room that a command names, if it exists."""
    return node.rooms.get(getattr(command, "room", None) or "")


def _by_name(node: Node, command: Command[R]) -> Command[R]:
    """Replaces the sid of a room by its name, so that rights and handlers know names only."""
    room = getattr(command, "room", None)
    if room is None or not room.startswith(names.ROOM_SID):
        return command
    return replace(command, room=node.rooms.name_of(room))  # type: ignore[call-arg]  # those with a room
