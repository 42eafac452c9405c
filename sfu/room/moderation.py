"""Changes of a participant, by itself or by a moderator: name, metadata, permissions, tokens, muted or unpublished
tracks, and its removal. Also applies the consequences for other participants.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TypedDict, Unpack

from sfu import names
from sfu.context import Context
from sfu.errors import NotAllowed
from sfu.facts import Facts, ParticipantHidden, TrackMuted, TrackUnpublished
from sfu.model import DisconnectReason, ParticipantState, Permissions, Source
from sfu.policy.permissions import is_reduced
from sfu.revocations import Revocations
from sfu.room.attendance import Attendance
from sfu.room.forwarding import Forwarding
from sfu.room.members import Members
from sfu.room.messaging import Messaging
from sfu.room.participant import Participant
from sfu.room.tracks import Track


class ParticipantChanges(TypedDict, total=False):
    """Changes of a participant. A field that is None or absent keeps its value."""

    name: str | None
    metadata: str | None
    attributes: Mapping[str, str] | None
    permissions: Permissions | None


class Moderation:
    def __init__(
        self,
        context: Context,
        room: str,
        members: Members,
        attendance: Attendance,
        forwarding: Forwarding,
        messaging: Messaging,
        facts: Facts,
        revocations: Revocations,
    ) -> None:
        self._context = context
        self._room = room
        """The room's name."""
        self._members = members
        self._attendance = attendance
        self._forwarding = forwarding
        self._messaging = messaging
        self._facts = facts
        self._revocations = revocations

    def update(self, participant: Participant, **changes: Unpack[ParticipantChanges]) -> None:
        name, metadata, attributes = changes.get("name"), changes.get("metadata"), changes.get("attributes")
        new_name = participant.name if name is None else names.text("a display name", name)
        new_metadata = participant.metadata if metadata is None else names.metadata(metadata)
        new_attributes = participant.attributes
        if attributes is not None:
            new_attributes = names.merged(participant.attributes, attributes)
        participant.describe(new_name, new_metadata, new_attributes)
        permissions = changes.get("permissions")
        if permissions is not None and permissions != participant.permissions:
            self._permit(participant, permissions)
        self._attendance.note(participant)

    def remove(self, identity: str, reason: DisconnectReason = DisconnectReason.PARTICIPANT_REMOVED) -> None:
        """Removes a participant for a moderator, together with all viewers who share the token, and revokes earlier
        tokens. A viewer with a numbered identity (`ada#2`) is removed alone, and the token stays valid."""
        present = self._members.named(identity)
        gone = [present] if present is not None and present.shares_token else self._sessions_of(identity)
        for participant in gone or [self._members.find(identity)]:
            if participant.grant.identity == identity:
                self.revoke(participant)
            self._attendance.depart(participant, reason)

    def note_token(self, participant: Participant, issued: float, expires: float, jti: str = "") -> None:
        """Records a token that was sent to the participant, in seconds since the epoch. Revocations must outlast it."""
        self._revocations.renew(self._room, participant.grant, jti)
        participant.grant = replace(participant.grant, issued=issued, expires=math.ceil(expires), jti=jti)

    def revoke(self, participant: Participant) -> None:
        """Revokes the tokens of a participant. It can neither join again with them nor resume its session."""
        participant.resume_secret = None
        self._revocations.remove(
            self._room, participant.grant.identity, participant.grant.expires, self._context.wall()
        )

    def mute(self, participant: Participant, sid: str, muted: bool) -> None:
        """Mutes or unmutes a track for its owner. Raises NotAllowed if a moderator muted it."""
        track = participant.publishing.find(sid)
        if track.silenced and not muted:
            raise NotAllowed("a moderator muted this track: only a moderator can unmute it")
        if track.muted != muted:
            track.muted = muted
            self._muted(participant, track, by_moderator=False)

    def silence(self, participant: Participant, track: str, muted: bool) -> None:
        """Mutes or unmutes a track for a moderator. The owner is notified."""
        found = participant.publishing.find(track)
        if found.silenced != muted:
            found.silenced = muted
            if muted:
                found.muted = True
            self._muted(participant, found, by_moderator=True)

    def silence_source(self, participant: Participant, source: Source, muted: bool) -> None:
        """Mutes or unmutes a source for a moderator: its present tracks, and those that are published later in this
        session."""
        muted_sources = participant.publishing.muted_sources
        if muted != (source in muted_sources):
            (muted_sources.add if muted else muted_sources.discard)(source)
            self._attendance.note(participant)
        for track in participant.publishing.of_source(source):
            self.silence(participant, track.sid, muted)

    def unpublish(self, participant: Participant, track: Track, reason: str) -> None:
        published = track.sid in participant.tracks
        self._forwarding.withdraw(track)
        participant.publishing.withdraw(track)
        self._facts.append(TrackUnpublished(participant.sid, track.sid, reason))
        if published:
            self._attendance.note(participant)

    def request_keyframes(self, track: Track) -> None:
        """Asks the publisher of a video track for keyframes of the encodings that are shown. The plane limits them."""
        for one in (track, track.backup):
            if one is not None and one.plane_id is not None:
                self._context.binding.plane.request_keyframe(one.plane_id)

    def _sessions_of(self, identity: str) -> list[Participant]:
        return [p for p in self._members if p.grant.identity == identity]

    def _muted(self, participant: Participant, track: Track, *, by_moderator: bool) -> None:
        is_muted = track.silenced if by_moderator else track.muted
        self._facts.append(TrackMuted(participant.sid, track.sid, is_muted, by_moderator))
        self._forwarding.mute(track)
        if track.sid in participant.tracks:
            self._attendance.note(participant)

    def _permit(self, participant: Participant, permissions: Permissions) -> None:
        before = participant.permissions
        participant.permit(permissions)
        if participant.shares_token:
            pass  # Other viewers share the token.
        elif is_reduced(before, permissions):
            participant.resume_secret = None
            expires, wall = participant.grant.expires, self._context.wall()
            self._revocations.reduce(self._room, participant.identity, permissions, expires, wall)
        else:
            self._revocations.extend(self._room, participant.identity, permissions)
        for track in [*participant.tracks.values(), *participant.publishing.declared.values()]:
            if track.primary is None and not participant.may_publish(track.source):
                self.unpublish(participant, track, "you may no longer publish it")
        if before.can_subscribe != permissions.can_subscribe:
            self._forwarding.touch(participant)
        if before.can_publish_data != permissions.can_publish_data:
            self._messaging.touch(participant)
        if before.hidden != permissions.hidden:
            self._forwarding.owner_changed(participant)
            if permissions.hidden:
                info = replace(participant.info(), state=ParticipantState.DISCONNECTED)
                self._facts.append(ParticipantHidden(info))
