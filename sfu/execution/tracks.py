"""Carries out commands about published tracks."""

from collections.abc import Mapping
from typing import Any

from sfu import commands
from sfu.commands import Command
from sfu.errors import Conflict
from sfu.execution.node import Handler, Node
from sfu.execution.rights import Standing
from sfu.model import Kind
from sfu.quoting import quote
from sfu.views import TrackDetails


def show_track(node: Node, command: commands.ShowTrack, _: Standing) -> TrackDetails:
    return node.rooms.find(command.room).forwarding.overview.details(command.track)


def remove_track(node: Node, command: commands.RemoveTrack, _: Standing) -> None:
    room = node.rooms.find(command.room)
    track = room.forwarding.overview.find_published(command.track)
    publisher = room.members.get(track.owner)
    if publisher is not None:
        room.moderation.unpublish(publisher, track, "a moderator ended it")


def request_keyframe(node: Node, command: commands.RequestKeyframe, _: Standing) -> None:
    room = node.rooms.find(command.room)
    track = room.forwarding.overview.find_published(command.track)
    if track.kind is not Kind.VIDEO:
        raise Conflict(f"the track {quote(track.sid)} is audio, which has no keyframes")
    room.moderation.request_keyframes(track)


HANDLERS: Mapping[type[Command[Any]], Handler] = {
    commands.ShowTrack: show_track,
    commands.RemoveTrack: remove_track,
    commands.RequestKeyframe: request_keyframe,
}
