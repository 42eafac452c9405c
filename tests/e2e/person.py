"""A participant in a browser's page, with the client of `api/web`."""

from collections.abc import Callable
from typing import Any, Self

from .browser import Browser, Page
from .server import Server, token
from .waiting import until

FRAMES = 15
"""The number of decoded frames that proves a flowing picture: more than half a second after the first keyframe."""

Flow = dict[str, Any]


class Person:
    def __init__(self, page: Page, room: str, identity: str) -> None:
        self.page = page
        self.room = room
        self.identity = identity
        self.sid = ""

    @classmethod
    async def enter(
        cls,
        browser: Browser,
        site: str,
        server: Server,
        room: str,
        identity: str,
        *,
        url: str | None = None,
        options: dict[str, Any] | None = None,
        cipher: dict[str, Any] | None = None,
        **permissions: Any,
    ) -> Self:
        """Joins. `url`: the address of the service, if it is not reached directly. `options`: those of `join` in
        client.js. `cipher`: the options of `pages/cipher.js`, for end-to-end encryption or a record."""
        person = cls(await browser.page(site), room, identity)
        if cipher:
            await person.page.call("encryptEverything", cipher)
        given = {"url": url or server.url, "name": room, "token": token(identity, room, **permissions)}
        person.sid = (await person.page.call("enter", given | {"options": options or {}}))["sid"]
        return person

    async def close(self) -> None:
        await self.page.close()

    async def call(self, name: str, *arguments: Any) -> Any:
        return await self.page.call(name, *arguments)

    async def describe(self) -> str:
        """Describes the state, for the message of a failed test."""
        parts = [f"{name}: {await self.call(name)}" for name in ("state", "people", "flows", "sent", "happened")]
        return "\n  ".join(["", *parts])

    async def events(self, type: str) -> list[dict[str, Any]]:
        return [event for event in await self.call("happened") if event["type"] == type]

    async def flow(self, of: str, source: str) -> Flow | None:
        """Returns the counters of what arrives of this participant's camera, microphone, …"""
        flows: list[Flow] = await self.call("flows")
        return next((flow for flow in flows if (flow["participant"], flow["source"]) == (of, source)), None)

    async def see(
        self, of: str, source: str = "camera", *, holds: Callable[[Flow], object] | None = None, limit: float = 20.0
    ) -> Flow:
        """Waits until this picture was decoded for a while and `holds` is true."""
        first = 0

        def is_seen(flow: Flow | None) -> bool:
            nonlocal first
            if flow is None or flow["frames"] == 0 or (holds is not None and not holds(flow)):
                first = 0
                return False
            first = first or flow["frames"]
            return int(flow["frames"]) >= first + FRAMES

        what = f"{self.identity} sees the {source} of {of}"
        found = await until(lambda: self.flow(of, source), is_seen, what, limit=limit)
        assert found is not None
        return found

    async def see_more(self, of: str) -> None:
        """Waits until one more second of this camera is decoded, at 30 frames a second."""

        async def frames() -> int:
            flow = await self.flow(of, "camera")
            return int(flow["frames"]) if flow else 0

        before = await frames()
        await until(frames, lambda now: now >= before + 30, f"{self.identity} sees more of {of}")

    async def become(self, wanted: str) -> None:
        """Waits until the client's room is in this state."""
        await until(lambda: self.call("state"), lambda now: now["state"] == wanted, f"{self.identity} is {wanted}")

    async def still(self, of: str, source: str = "camera") -> None:
        """Waits until no frame has arrived for a second."""
        before, unchanged = -1, 0

        def is_still(flow: Flow | None) -> bool:
            nonlocal before, unchanged
            frames = flow["frames"] if flow else 0
            unchanged = unchanged + 1 if frames == before else 0
            before = frames
            return unchanged >= 10

        await until(lambda: self.flow(of, source), is_still, f"the {source} of {of} stands still at {self.identity}")

    async def hear(self, of: str, source: str = "microphone", *, limit: float = 20.0) -> Flow:
        """Waits until one second of this audio came from packets, not from concealment, and was not silence."""

        def is_heard(flow: Flow | None) -> bool:
            return flow is not None and flow["samples"] - flow["concealed"] > 48_000 and flow["energy"] > 0

        found = await until(lambda: self.flow(of, source), is_heard, f"{self.identity} hears {of}", limit=limit)
        assert found is not None
        return found

    async def watch_card(self, track: str, card: int, *, limit: float = 20.0) -> None:
        """Waits until the track shows this test card in motion: five frames, each later than the one before."""
        counters: list[int] = []

        async def look() -> dict[str, int] | None:
            seen: dict[str, int] | None = await self.call("card", track)
            if seen is not None and seen["card"] == card and seen["counter"] not in counters[-1:]:
                counters.append(seen["counter"])
            return seen

        await until(look, lambda _: len(counters) >= 5, f"{self.identity} sees card {card} move", limit=limit)
        assert counters == sorted(counters), "the picture goes back in time"
