"""One participant of a room: its permissions, publications and subscriptions.

Everything here concerns this participant alone. The room applies the consequences for others.
"""

import asyncio
import math
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace

from sfu import names
from sfu.context import Context
from sfu.errors import NotAllowed
from sfu.model import (
    Candidate,
    Client,
    Declaration,
    DisconnectReason,
    Grant,
    ParticipantKind,
    ParticipantState,
    Permissions,
    Source,
    new_sid,
)
from sfu.negotiation.channels import Channels
from sfu.negotiation.negotiation import Allow
from sfu.negotiation.sdp import SessionDescription
from sfu.negotiation.transport import MediaState, Transport
from sfu.policy.permissions import may_publish
from sfu.policy.presence import departs_at
from sfu.room.bandwidth import Bandwidth
from sfu.room.current import CurrentLayers
from sfu.room.filling import Filling
from sfu.room.notes import Notes
from sfu.room.publications import Outcome, Publications
from sfu.room.reports import Reports
from sfu.room.subscriptions import Subscriptions
from sfu.room.tracks import Track
from sfu.views import Network, ParticipantInfo, TrackInfo


class Participant:
    def __init__(
        self,
        context: Context,
        grant: Grant,
        kind: ParticipantKind,
        notes: Notes,
        *,
        identity: str,
        worker: int,
        order: int,
        candidates: tuple[Candidate, ...],
        auto_subscribe: bool = True,
        only: str | None = None,
        client: Client | None = None,
    ) -> None:
        self.sid = new_sid("PA")
        self.identity = names.identity(grant.identity) if identity == grant.identity else identity
        """The identity in its room. Equals that of the grant, except for viewers who share a grant (`ada#2`)."""
        self.name = names.text("a display name", grant.name)
        self.metadata = names.metadata(grant.metadata)
        self.attributes: Mapping[str, str] = names.merged({}, grant.attributes)
        self.permissions = grant.permissions
        self.grant = grant
        self.kind = kind
        self.client = client or Client()
        self.joined_at = context.milliseconds()
        self.version = 1
        self.disconnect_reason: DisconnectReason | None = None
        self.grant_changed = asyncio.Event()
        """Set when the permissions change."""

        self.resume_secret: str | None = secrets.token_urlsafe(24)
        """None after revocation."""
        self.signal_gone: float | None = -math.inf
        """When its WebSocket closed. None: it is open."""
        self.media_gone: float | None = context.now()
        """When its media was last connected. None: it is connected."""

        self.transport = Transport(context.binding, worker, self.sid, context.fingerprint, candidates)
        self.channels = Channels(context.binding, worker, self.sid)
        self.publishing = Publications(
            context,
            self.transport,
            owner=self.sid,
            identity=self.identity,
            order=order,
            is_ingress=kind is ParticipantKind.INGRESS,
        )
        self.viewing = Subscriptions(notes, self.sid, identity, auto_subscribe, only)
        self.filling = Filling(context, self.viewing)
        self.current = CurrentLayers(context, self.viewing)
        self.bandwidth = Bandwidth(context, self.viewing, self.transport)
        self.reports = Reports(context, self.viewing)
        self.network: Network | None = None
        """The last estimate of what its network carries. None: there is none."""
        self._context = context
        self._described: ParticipantInfo | None = None
        """The last `info`, while nothing of it changed, except perhaps its tracks."""
        self.on_change: Callable[[Participant], None] | None = None
        """Called when `info` may have changed, except its tracks."""

    # Views

    @property
    def state(self) -> ParticipantState:
        if self.disconnect_reason is not None:
            return ParticipantState.DISCONNECTED
        if self.transport.id is None:
            return ParticipantState.JOINING
        return ParticipantState.ACTIVE if self.transport.state is MediaState.CONNECTED else ParticipantState.JOINED

    @property
    def signals(self) -> bool:
        """Returns whether it uses a WebSocket, open or to be resumed. WHIP and WHEP sessions have none."""
        return self.kind is ParticipantKind.STANDARD

    @property
    def tracks(self) -> Mapping[str, Track]:
        """Published tracks by sid, including backups while they are sent."""
        return self.publishing.tracks

    @property
    def is_hidden(self) -> bool:
        return self.permissions.hidden

    def info(self) -> ParticipantInfo:
        # Each join needs the info of all, and usually nothing of it changed. Equal infos are one object, which is
        # encoded once.
        described = self._described
        if described is None:
            self._described = described = self._describe()
        elif described.tracks:
            # Tracks change by themselves. The first one comes with an offer.
            tracks = self._describe_tracks()
            if tracks != described.tracks:
                self._described = described = replace(described, tracks=tracks)
        return described

    def describe(self, name: str, metadata: str, attributes: Mapping[str, str]) -> None:
        """Sets what the others are told of it."""
        self.name, self.metadata, self.attributes = name, metadata, attributes
        self.grant = replace(self.grant, name=name, metadata=metadata, attributes=attributes)
        self._forget_description()

    def permit(self, permissions: Permissions) -> None:
        self.permissions = permissions
        self.grant = replace(self.grant, permissions=permissions)
        self.grant_changed.set()
        self._forget_description()

    def changed(self) -> None:
        """Counts a change of `info`."""
        self.version += 1
        self._forget_description()

    def _forget_description(self) -> None:
        self._described = None
        if self.on_change is not None:
            self.on_change(self)

    def _describe(self) -> ParticipantInfo:
        return ParticipantInfo(
            sid=self.sid,
            identity=self.identity,
            name=self.name,
            state=self.state,
            kind=self.kind,
            metadata=self.metadata,
            attributes=self.attributes,
            permissions=self.permissions,
            joined_at=self.joined_at,
            version=self.version,
            tracks=self._describe_tracks(),
            disconnect_reason=self.disconnect_reason,
            muted_sources=tuple(sorted(self.publishing.muted_sources)),
        )

    def _describe_tracks(self) -> tuple[TrackInfo, ...]:
        return tuple(track.info() for track in self.tracks.values() if track.primary is None)

    @property
    def shares_token(self) -> bool:
        """Returns whether its identity differs from its token's. If so, changes of this participant do not apply to the
        token."""
        return self.identity != self.grant.identity

    def rename(self, identity: str) -> None:
        """Renames a viewer whose identity a publisher takes. Nobody else knows the viewer, because it is hidden."""
        self.identity = self.viewing.identity = identity
        self._forget_description()

    @property
    def is_absent(self) -> bool:
        """Returns whether it is removed at `departs_at` if it does not come back."""
        return self.signal_gone is not None and self.media_gone is not None

    def departs_at(self) -> float | None:
        """Returns when it is removed for absence. None: it is present."""
        return departs_at(self.signal_gone, self.media_gone, self._context.config.resume_window)

    # Publishing

    def may_publish(self, source: Source) -> bool:
        return may_publish(self.permissions, source)

    def declare(self, declaration: Declaration) -> Track:
        """Declares a track before it is offered. Raises if the participant may not publish it."""
        if not self.permissions.can_publish:
            raise NotAllowed("you may not publish in this room")
        if not self.may_publish(declaration.source):
            raise NotAllowed(f"you may not publish the source {declaration.source.value}")
        return self.publishing.declare(declaration)

    # Negotiation

    async def read_offer(self, sdp: str) -> SessionDescription:
        """Parses an offer without blocking the event loop. Raises NegotiationError."""
        return await self._context.reading.read(sdp, self.sid)

    def answer(self, offer: SessionDescription, named: Mapping[str, str]) -> Outcome:
        """Answers an offer and sends the resulting commands to the plane. A refused offer changes nothing.

        `named`: the cids of sending sections by mid, as far as the client gives them.
        """
        intended = self.publishing.intended(offer, named, self.permissions)
        # RFC 9725 s4.2: a WHIP publisher may offer sendrecv, and is answered recvonly.
        may_watch = self.permissions.can_subscribe and self.kind is not ParticipantKind.INGRESS
        allow = Allow(publish=lambda mid, _: mid in intended, subscribe=may_watch, data=True)
        negotiated, local = self.transport.consider(offer, allow)

        # Nothing below fails.
        self._forget_description()
        had_data = self.transport.has_data
        renewed = self.transport.adopt(negotiated, local)
        if renewed:
            self.channels.close()
            self._lose_media()
        if self.transport.has_data and (renewed or not had_data) and self.transport.id is not None:
            self.channels.open(self.transport.id)
        elif not self.transport.has_data:
            self.channels.forget()
        outcome = self.publishing.adopt(negotiated, intended, offer)
        self.viewing.adopt(self.transport)
        return outcome

    def handle_media(self, state: MediaState) -> None:
        """Handles a state that the plane reports for the transport."""
        self.transport.state = state
        self._forget_description()
        if state is MediaState.CONNECTED:
            self.media_gone = None
        else:
            self._lose_media()

    def lose_transport(self) -> list[Track]:
        """Closes the transport after its media ended. Returns the published tracks, which wait for another offer."""
        self._forget_description()
        self.transport.close()
        self.channels.close()
        self.viewing.clear()
        return self.publishing.unbind()

    def _lose_media(self) -> None:
        if self.media_gone is None:
            self.media_gone = self._context.now()
