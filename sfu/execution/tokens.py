"""Carries out the command that makes tokens."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sfu import commands, names
from sfu.commands import Command
from sfu.errors import NotAllowed
from sfu.execution.node import Handler, Node
from sfu.execution.rights import Standing
from sfu.model import Grant
from sfu.policy import delegation


def delegate_grant(node: Node, command: commands.DelegateGrant, standing: Standing) -> Grant:
    wanted, own = command.grant, standing.grant
    assert own is not None  # Right.CREATE_TOKENS
    names.identity(wanted.identity)
    names.text("a display name", wanted.name)
    names.metadata(wanted.metadata)
    names.attributes(wanted.attributes)
    if wanted.room:
        names.room_name(wanted.room)
        node.joins.require_valid(own, wanted.room)
    if more := delegation.excess(own, wanted):
        raise NotAllowed(f"this token does not allow handing out {more}")
    return replace(wanted, key=own.key)


HANDLERS: Mapping[type[Command[Any]], Handler] = {commands.DelegateGrant: delegate_grant}
