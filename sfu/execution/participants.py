"""Carries out commands about participants."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from sfu import commands, limits, paging
from sfu.commands import Command, Page
from sfu.errors import LimitExceeded, NotAllowed, NotFound
from sfu.execution.node import Handler, Node
from sfu.execution.rights import Standing
from sfu.model import DisconnectReason
from sfu.views import Explanation, ParticipantInfo, SubscriptionInfo, TrackInfo, TransportCounters


def show_participant(node: Node, command: commands.ShowParticipant, standing: Standing) -> ParticipantInfo:
    _, participant = standing.find(node.rooms, command)
    return participant.info()


def change_participant(node: Node, command: commands.ChangeParticipant, standing: Standing) -> ParticipantInfo:
    asker = standing.participant
    if asker is not None and standing.is_own(command) and not standing.moderates(command.room):
        if command.permissions is not None:
            raise NotAllowed("you may not change your own permissions")
        if not asker.permissions.can_update_own_metadata:
            raise NotAllowed("you may not change your own name, metadata and attributes")
    room, participant = standing.find(node.rooms, command)
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


def remove_participant(node: Node, command: commands.RemoveParticipant, standing: Standing) -> None:
    # Viewers that share the token are removed even if no participant has the identity itself.
    identity = command.identity
    if identity is None:
        identity = standing.find(node.rooms, command)[1].identity
    node.rooms.find(command.room).moderation.remove(identity)


def readmit_participant(node: Node, command: commands.ReadmitParticipant, _: Standing) -> None:
    node.joins.readmit(command.room, command.identity, command.jti)


def mute_track(node: Node, command: commands.MuteTrack, standing: Standing) -> ParticipantInfo:
    room, participant = standing.find(node.rooms, command)
    if standing.is_own(command):
        room.moderation.mute(participant, command.track, command.muted)
    else:
        room.moderation.silence(participant, command.track, command.muted)
    return participant.info()


def mute_source(node: Node, command: commands.MuteSource, standing: Standing) -> ParticipantInfo:
    room, participant = standing.find(node.rooms, command)
    room.moderation.silence_source(participant, command.source, command.muted)
    return participant.info()


def list_subscriptions(node: Node, command: commands.ListSubscriptions, standing: Standing) -> Page[SubscriptionInfo]:
    room, participant = standing.find(node.rooms, command)
    entries = paging.by_order(room.forwarding.overview.subscriptions(participant, paging.order(command.after)))
    return Page(*paging.page(entries, command.limit, paging.of_subscription))


def set_subscriptions(node: Node, command: commands.SetSubscriptions, standing: Standing) -> None:
    room, participant = standing.find(node.rooms, command)
    count = len(command.wishes)
    if count > limits.WISHES:
        raise LimitExceeded(f"one request has settings of at most {limits.WISHES} tracks, not {count}")
    room.forwarding.requests.demand(participant, dict(command.wishes), command.only)
    room.flush_soon()


def subscribe(node: Node, command: commands.Subscribe, standing: Standing) -> None:
    room, participant = standing.find(node.rooms, command)
    room.forwarding.requests.subscribe(participant, command.tracks, command.on)
    room.flush_soon()


def explain(node: Node, command: commands.ExplainSubscriptions, standing: Standing) -> Page[Explanation]:
    room, participant = standing.find(node.rooms, command)
    entries = paging.by_order(room.forwarding.overview.explain(participant, paging.order(command.after)))
    return Page(*paging.page(entries, command.limit, paging.of_explanation))


def declare_track(node: Node, command: commands.DeclareTrack, standing: Standing) -> TrackInfo:
    _, participant = standing.own()
    return participant.declare(command.track).info()


def unpublish_track(node: Node, command: commands.UnpublishTrack, standing: Standing) -> None:
    room, participant = standing.own()
    room.moderation.unpublish(participant, participant.publishing.find(command.track), "you unpublished it")


def answer_offer(node: Node, command: commands.AnswerOffer, standing: Standing) -> commands.Answered:
    room, participant = standing.own()
    outcome = room.negotiations.offer(participant, command.offer, command.cids)
    return commands.Answered(outcome.answer, outcome.mids, outcome.undeclared)


def note_token(node: Node, command: commands.NoteToken, standing: Standing) -> None:
    room, participant = standing.own()
    room.moderation.note_token(participant, command.issued, command.expires, command.jti)


def leave(node: Node, _: commands.Leave, standing: Standing) -> None:
    room, participant = standing.own()
    room.attendance.depart(participant, DisconnectReason.CLIENT_INITIATED)


def show_counters(node: Node, command: commands.ShowCounters, standing: Standing) -> TransportCounters:
    _, participant = standing.find(node.rooms, command)
    transport = participant.transport.id
    counters = None if transport is None else node.counters(transport)
    if counters is None:
        raise NotFound(f"nothing was counted of {participant.identity}'s transport yet")
    names = [field.name for field in fields(TransportCounters) if field.name not in ("discards", "network")]
    discards = {why: count for why, count in sorted(counters.discards.items()) if count}
    found = {name: getattr(counters, name) for name in names}
    return TransportCounters(**found, discards=discards, network=participant.network)


def start_capture(node: Node, command: commands.StartCapture, standing: Standing) -> int:
    room, participant = standing.find(node.rooms, command)
    who = f"room={room.name} identity={participant.identity}"
    return node.captures.start(participant.transport.id, who, command.seconds, command.octets)


def stop_capture(node: Node, command: commands.StopCapture, _: Standing) -> None:
    node.captures.stop(command.id)


HANDLERS: Mapping[type[Command[Any]], Handler] = {
    commands.ShowParticipant: show_participant,
    commands.ChangeParticipant: change_participant,
    commands.RemoveParticipant: remove_participant,
    commands.ReadmitParticipant: readmit_participant,
    commands.MuteTrack: mute_track,
    commands.MuteSource: mute_source,
    commands.ListSubscriptions: list_subscriptions,
    commands.SetSubscriptions: set_subscriptions,
    commands.Subscribe: subscribe,
    commands.ExplainSubscriptions: explain,
    commands.DeclareTrack: declare_track,
    commands.UnpublishTrack: unpublish_track,
    commands.AnswerOffer: answer_offer,
    commands.NoteToken: note_token,
    commands.Leave: leave,
    commands.ShowCounters: show_counters,
    commands.StartCapture: start_capture,
    commands.StopCapture: stop_capture,
}
