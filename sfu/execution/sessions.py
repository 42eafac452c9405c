"""Carries out commands about the sessions of WHIP and WHEP. `joins.py` opens them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sfu import commands
from sfu.commands import Command
from sfu.errors import PreconditionRequired, Stale
from sfu.execution.node import Handler, Node
from sfu.execution.rights import Standing


def open_media_session(node: Node, command: commands.OpenMediaSession, _: Standing) -> commands.MediaSessionInfo:
    session = node.joins.open_media_session(command)
    return replace(session.info(), ice_servers=node.joins.ice_servers(session.participant.sid))


def find_media_session(node: Node, command: commands.FindMediaSession, _: Standing) -> commands.MediaSessionInfo:
    return node.sessions.find(command.id, command.kind, command.room).info()


def trickle_ice(node: Node, command: commands.TrickleIce, _: Standing) -> commands.MediaSessionInfo:
    session = node.sessions.find(command.id, command.kind, command.room)
    if command.etags is not None:
        if session.etag not in command.etags:
            raise Stale("If-Match does not name the ETag of the session: ICE was restarted since")
        session.trickle(command.fragment)
    elif not session.is_of_session(command.fragment):
        raise PreconditionRequired("If-Match is needed: the ETag of the session, or * to restart ICE")
    return session.info()


def restart_ice(node: Node, command: commands.RestartIce, _: Standing) -> commands.Restarted:
    session = node.sessions.find(command.id, command.kind, command.room)
    fragment = session.restart(command.fragment)
    return commands.Restarted(session.etag, fragment, node.joins.ice_servers(session.participant.sid))


def end_media_session(node: Node, command: commands.EndMediaSession, _: Standing) -> None:
    if not node.sessions.has_ended(command.id, command.kind, command.room):
        node.sessions.find(command.id, command.kind, command.room).close()


HANDLERS: Mapping[type[Command[Any]], Handler] = {
    commands.OpenMediaSession: open_media_session,
    commands.FindMediaSession: find_media_session,
    commands.TrickleIce: trickle_ice,
    commands.RestartIce: restart_ice,
    commands.EndMediaSession: end_media_session,
}
