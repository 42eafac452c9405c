"""Who did what: describes the commands that change something for others, for the events of rooms.

Recorded are commands that were carried out for a token, a moderator, or the administrator. What a participant does for
itself is seen in other events.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from sfu import commands, limits
from sfu.commands import Command, Right
from sfu.errors import LimitExceeded, RoomFull, TooManyRequests
from sfu.execution.rights import Standing
from sfu.views import AdminCommand

CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def _changes(changes: Mapping[str, object] | None) -> str:
    """Returns the names of what is changed, and values that are no texts: those may be private, or long."""
    found = []
    for name, value in (changes or {}).items():
        if value is not None:
            is_plain = isinstance(value, bool | int | float)
            found.append(f"{name}={str(value).lower()}" if is_plain else name)
    return ", ".join(found)


def _of_participant(command: commands.ChangeParticipant, _: object) -> str:
    texts = {name: getattr(command, name) for name in ("name", "metadata", "attributes")}
    return ", ".join(filter(None, (_changes(texts), _changes(command.permissions))))


DETAILS: Mapping[type[Command[Any]], Callable[[Any, Any], str]] = {
    commands.CreateRoom: lambda command, _: _changes(command.options),
    commands.PutRoom: lambda command, _: _changes(command.options),
    commands.ChangeRoom: lambda command, _: _changes(command.changes),
    commands.DeleteRoom: lambda command, _: "",
    commands.SendData: lambda command, count: f"octets={len(command.payload)} receivers={count}",
    commands.ChangeParticipant: _of_participant,
    commands.RemoveParticipant: lambda command, _: "",
    commands.ReadmitParticipant: lambda command, _: f"jti={command.jti}" if command.jti else "",
    commands.MuteTrack: lambda command, _: "muted" if command.muted else "unmuted",
    commands.MuteSource: lambda command, _: f"{command.source.value} {'muted' if command.muted else 'unmuted'}",
    commands.RemoveTrack: lambda command, _: "",
    commands.RequestKeyframe: lambda command, _: "",
    commands.SetSubscriptions: lambda command, _: f"tracks={len(command.wishes)}",
    commands.Subscribe: lambda command, _: f"tracks={len(command.tracks)} on={str(command.on).lower()}",
    commands.StartCapture: lambda command, id: f"capture={id} seconds={command.seconds:g}",
    commands.StopCapture: lambda command, _: f"capture={command.id}",
    commands.Drain: lambda command, _: "" if command.limit is None else f"seconds={command.limit:g}",
    commands.DelegateGrant: lambda _, grant: f"jti={grant.jti} expires={grant.expires}",
    commands.DeleteEvents: lambda command, count: f"events={count}",
}
"""What is told of a command, by its fields and its result."""


def limit_of(command: Command[Any], refused: TooManyRequests | RoomFull | LimitExceeded) -> str:
    """Returns the name of the limit that refused a command. Empty: the request itself is too long."""
    if isinstance(refused, TooManyRequests):
        return refused.limit
    if isinstance(refused, RoomFull):
        return "max_participants"
    return "max_tracks" if isinstance(command, commands.DeclareTrack) else ""


def describe(command: Command[Any], standing: Standing, result: object) -> AdminCommand | None:
    """Returns what is recorded of a command that was carried out. None: nothing."""
    detail = DETAILS.get(type(command))
    if detail is None:
        return None
    if type(command) is commands.CreateRoom and isinstance(result, commands.Created) and not result.is_new:
        return None
    if commands.NEEDS[type(command)] is Right.OWN_OR_MODERATE and standing.is_own(command):
        return None
    grant, author = standing.grant, standing.participant
    # Who asks that the events of an identity are removed does not want it in a new one.
    identity = None if isinstance(command, commands.DeleteEvents) else getattr(command, "identity", None)
    return AdminCommand(
        name=CAPITAL.sub("_", type(command).__name__).lower(),
        by="participant" if author is not None else "token" if grant is not None else "administrator",
        key=grant.key if grant is not None else "",
        author=author.identity if author is not None else grant.identity if grant is not None else "",
        sid=author.sid if author is not None else "",
        jti=grant.jti if grant is not None else "",
        identity=identity or "",
        track=getattr(command, "track", ""),
        detail=detail(command, result)[: limits.COMMAND_DETAIL],
    )
