"""WHIP and WHEP: publishing and watching with the token of a participant."""

from typing import Any

from ..address import given, ice_servers, path, session_url
from ..media import MediaPatch, MediaSession
from .requests import Requests

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = "application/trickle-ice-sdpfrag"


class MediaOperations(Requests):
    async def publish(self, offer: str, *, token: str, room: str | None = None) -> MediaSession:
        """Publishes what the offer (SDP) sends. `room`: for a token of any room."""
        return await self._open("whip", offer, token, room, {})

    async def watch(
        self, offer: str, *, token: str, room: str | None = None, participant: str | None = None
    ) -> MediaSession:
        """Watches one participant (identity), or the room."""
        return await self._open("whep", offer, token, room, given(participant=participant))

    async def patch_session(self, session: MediaSession, fragment: str, *, restart: bool = False) -> MediaPatch:
        """Trickles candidates, or restarts ICE (RFC 8840). A restart returns the server's credentials."""
        headers = {"Content-Type": FRAGMENT, "If-Match": "*" if restart else f'"{session.etag}"'}
        url = session_url(self._connection.base, session.location)
        reply = await self._connection.ask("PATCH", url, content=fragment, headers=headers, token="")
        return MediaPatch(reply.headers.get("etag", "").strip('"'), reply.text)

    async def end_session(self, session: MediaSession) -> None:
        """Ends a session; its participant leaves the room."""
        await self._connection.ask("DELETE", session_url(self._connection.base, session.location), token="")

    async def _open(self, door: str, offer: str, token: str, room: str | None, query: dict[str, Any]) -> MediaSession:
        where = path("v1", "rooms", room, door) if room is not None else path("v1", door)
        reply = await self._connection.ask("POST", where, query=query, content=offer, headers=SDP, token=token)
        headers = reply.headers
        return MediaSession(
            location=headers.get("location", ""),
            answer=reply.text,
            etag=headers.get("etag", "").strip('"'),
            ice_servers=ice_servers(headers),
            undecodable=_listed(headers.get("sfu-undecodable", "")),
            inactive=_listed(headers.get("sfu-inactive", "")),
        )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
