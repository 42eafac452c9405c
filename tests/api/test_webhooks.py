"""Webhooks: what a receiver gets, in which order, how it verifies it, and what happens while it does not answer."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web

from api.settings import SettingsError, read
from api.settings.webhooks import webhooks
from api.webhook_sender import is_public
from sfu import limits

from .conftest import Start
from .server import KEY, SECRET, Server, serving

WHSEC = "whsec_" + base64.b64encode(b"k" * 32).decode()


class Receiver:
    """An HTTP server that takes events. `answer` returns the status for one."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/events"
        self.held: str | None = None
        """Events of rooms whose names begin so are answered when `go_on` is set."""
        self.go_on = asyncio.Event()
        self.answer: Callable[[dict[str, Any]], int] = lambda event: 200
        self.tried: list[tuple[dict[str, Any], Any, bytes]] = []
        self.taken: list[dict[str, Any]] = []
        self._came = asyncio.Event()

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        event = json.loads(body)
        status = self.answer(event)
        self.tried.append((event, request.headers, body))
        if self.held is not None and event["room"]["name"].startswith(self.held):
            self._came.set()
            await self.go_on.wait()
        if status == 200:
            self.taken.append(event)
        self._came.set()
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 302 else None)

    async def until(self, is_true: Callable[[], bool]) -> None:
        while not is_true():
            self._came.clear()
            await self._came.wait()

    def setting(self, **more: Any) -> str:
        return json.dumps([{"name": "a", "url": self.url, "private": True, **more}])

    def types(self, room: str = "room") -> list[str]:
        return [event["type"] for event in self.taken if event["room"]["name"] == room]


@asynccontextmanager
async def receiving(port: int = 0) -> AsyncIterator[Receiver]:
    app = web.Application()
    runner = web.AppRunner(app)
    receiver = Receiver(0)
    app.router.add_post("/events", receiver.handle)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
    try:
        yield receiver
    finally:
        await runner.cleanup()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WEBHOOK_FIRST_RETRY", 0.01)
    monkeypatch.setattr(limits, "WEBHOOK_LAST_RETRY", 0.05)


async def call(server: Server, *rooms: str) -> None:
    """A room of one participant, which is closed."""
    for room in rooms or ("room",):
        async with server.client("ada", room=room):
            await server.call("DELETE", f"/v1/rooms/{room}")


STORY = ["room_started", "participant_joined", "command", "participant_left", "room_finished"]


@pytest.mark.parametrize("secret", ["", WHSEC], ids=["secret of the key", "secret of the webhook"])
async def test_a_receiver_verifies_both_signatures_and_knows_the_event(start: Start, secret: str) -> None:
    async with receiving() as receiver:
        server = await start(webhooks=receiver.setting(secret=secret))
        await call(server)
        await receiver.until(lambda: len(receiver.taken) == 5)
        assert receiver.types() == STORY
        kept = (await server.call("GET", "/v1/events")).json()["events"]
        for (event, headers, body), same in zip(receiver.tried, kept, strict=True):
            # As the ecosystem's receivers verify.
            claims = jwt.decode(headers["Authorization"], SECRET, algorithms=["HS256"], issuer=KEY)
            assert claims["sha256"] == base64.b64encode(hashlib.sha256(body).digest()).decode()
            assert headers["Content-Type"] == "application/webhook+json"
            assert (event["event"], event["createdAt"]) == (event["type"], event["at"] // 1000)
            # Standard Webhooks.
            key = base64.b64decode(WHSEC[6:]) if secret else SECRET.encode()
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
            expected = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
            assert hmac.compare_digest(headers["webhook-signature"], expected)
            assert headers["webhook-id"] == event["id"] == same["id"]


async def test_a_webhook_gets_the_events_and_rooms_that_it_asks_for(start: Start) -> None:
    async with receiving() as receiver:
        more = {"rooms": "hall-*", "events": ["participant_left", "room_finished"]}
        server = await start(webhooks=receiver.setting(**more))
        await call(server, "room", "hall-1", "hall")
        await receiver.until(lambda: len(receiver.taken) == 2)
        assert receiver.types("hall-1") == ["participant_left", "room_finished"]


async def test_what_is_not_taken_is_sent_again_before_the_next_of_its_room_and_other_rooms_go_on(start: Start) -> None:
    async with receiving() as receiver:
        fails = {"participant_joined": 3, "participant_left": 1}

        def answer(event: dict[str, Any]) -> int:
            if event["room"]["name"] == "bad" and fails.get(event["type"], 0):
                fails[event["type"]] -= 1
                # A redirect is not followed.
                return 302
            return 200

        receiver.answer = answer
        server = await start(webhooks=receiver.setting())
        await call(server, "bad", "good")
        await receiver.until(lambda: len(receiver.taken) == 10)
        assert receiver.types("bad") == receiver.types("good") == STORY
        assert len(receiver.tried) == 14
        await listed(server, pending=0)
        numbers = (await server.internal.get("/metrics")).text
        assert 'sfu_webhook_deliveries_total{result="failed",webhook="a"} 4.0' in numbers
        assert 'sfu_webhook_deliveries_total{result="delivered",webhook="a"} 10.0' in numbers


async def test_a_room_whose_receiver_does_not_answer_delays_no_other_room(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No time-out helps.
    monkeypatch.setattr(limits, "WEBHOOK_SECONDS", 3600.0)
    async with receiving() as receiver:
        receiver.held = "slow"
        server = await start(webhooks=receiver.setting())
        await call(server, "slow-1", "slow-2")
        await receiver.until(lambda: len(receiver.tried) == 2)
        await call(server, "good")
        await receiver.until(lambda: receiver.types("good") == STORY)
        # The later events of the slow rooms wait for the first.
        assert len(receiver.tried) == 7 and len(receiver.taken) == 5
        receiver.go_on.set()
        await receiver.until(lambda: len(receiver.taken) == 15)
        assert receiver.types("slow-1") == receiver.types("slow-2") == STORY


async def test_a_receiver_that_does_not_answer_delays_no_other_receiver(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WEBHOOK_SECONDS", 3600.0)
    async with receiving() as slow, receiving() as good:
        slow.held = ""
        both = [{"name": name, "url": one.url, "private": True} for name, one in (("slow", slow), ("good", good))]
        server = await start(webhooks=json.dumps(both))
        await call(server)
        await good.until(lambda: good.types() == STORY)
        assert len(slow.tried) <= 1 and slow.taken == []
        slow.go_on.set()


async def test_rooms_whose_last_attempt_failed_leave_places_to_those_that_were_never_sent(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WEBHOOK_SECONDS", 3600.0)
    monkeypatch.setattr(limits, "WEBHOOKS_AT_ONCE", 4)
    monkeypatch.setattr(limits, "WEBHOOK_RETRIES_AT_ONCE", 2)
    async with receiving() as receiver:
        receiver.answer = lambda event: 503 if event["room"]["name"].startswith("bad") else 200
        server = await start(webhooks=receiver.setting())
        await call(server, *(f"bad-{number}" for number in range(6)))
        await receiver.until(lambda: len(receiver.tried) >= 6)
        receiver.held = "bad"
        # Two of the six are sent again, and get no answer.
        before = len(receiver.tried)
        await receiver.until(lambda: len(receiver.tried) >= before + 2)
        await call(server, "good-1", "good-2", "good-3")
        await receiver.until(lambda: len(receiver.taken) == 15)
        receiver.answer = lambda event: 200
        receiver.go_on.set()
        await receiver.until(lambda: len(receiver.taken) == 45)
        assert all(receiver.types(f"bad-{number}") == STORY for number in range(6))


async def test_an_event_is_given_up_after_a_time_and_sent_again_by_hand(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WEBHOOK_GIVE_UP", 0.0)
    async with receiving() as receiver:
        receiver.answer = lambda event: 500 if event["type"] == "room_started" else 200
        server = await start(webhooks=receiver.setting())
        await call(server)
        await receiver.until(lambda: len(receiver.taken) == 4)
        assert receiver.types() == STORY[1:]
        (info,) = await listed(server, pending=0)
        assert (info["dead"], info["error"]) == (1, "the receiver answered 500")
        assert 'result="dead",webhook="a"} 1.0' in (await server.internal.get("/metrics")).text
        receiver.answer = lambda event: 200
        assert (await server.internal.post("/webhooks/a/retry")).json() == {"events": 1}
        await receiver.until(lambda: len(receiver.taken) == 5)
        assert receiver.types()[-1] == "room_started"
        assert (await listed(server, pending=0))[0]["dead"] == 0


async def listed(server: Server, pending: int) -> list[dict[str, Any]]:
    """The list of webhooks, when so many events wait: an outcome is noted after its reply."""
    while True:
        found: list[dict[str, Any]] = (await server.internal.get("/webhooks")).json()["webhooks"]
        if found[0]["pending"] == pending:
            return found


async def test_what_waits_is_delivered_after_a_restart(start: Start, tmp_path: Path) -> None:
    async with receiving() as receiver:
        setting = receiver.setting()
        receiver.answer = lambda event: 503
        async with serving(state_dir=tmp_path, webhooks=setting) as one:
            await call(one)
            await receiver.until(lambda: len(receiver.tried) > 1)
        receiver.answer = lambda event: 200
        await start(state_dir=tmp_path, webhooks=setting)
        await receiver.until(lambda: len(receiver.taken) == 5)
        assert receiver.types() == STORY
        assert {event["id"] for event, *_ in receiver.tried} == {event["id"] for event in receiver.taken}


async def test_a_private_address_is_refused_unless_it_is_allowed(start: Start) -> None:
    async with receiving() as receiver:
        server = await start(webhooks=receiver.setting(private=False))
        error = (await server.internal.post("/webhooks/a/test")).json()["error"]
        assert "127.0.0.1 has an address that is not public" in error and receiver.tried == []
        assert (await server.internal.post("/webhooks/b/test")).status_code == 404
        allowed = await start(webhooks=receiver.setting())
        assert (await allowed.internal.post("/webhooks/a/test")).json() == {"error": ""}
        assert receiver.taken[0]["type"] == "test" and receiver.taken[0]["id"].startswith("test-")
        assert (await listed(allowed, pending=0))[0]["dead"] == 0


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("1.1.1.1", True),
        ("2606:4700::1111", True),
        *((address, False) for address in ("10.0.0.1", "172.16.0.1", "192.168.1.1", "127.0.0.1", "169.254.169.254")),
        *((address, False) for address in ("100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "192.0.2.1")),
        *((address, False) for address in ("::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1")),
    ],
)
def test_only_public_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("{", "needs a JSON list"),
        ("{}", "needs a JSON list"),
        (json.dumps([{"name": str(n), "url": "https://a"} for n in range(17)]), "at most 16"),
        ('[{"name": "a"}]', "without a name or a url"),
        ('[{"name": "a", "url": "https://a", "colour": 1}]', "colour"),
        ('[{"name": "a", "url": "https://a", "private": 1}]', "private"),
        ('[{"name": "a b", "url": "https://a"}]', "'a b'"),
        *(
            (json.dumps([{"name": "a", "url": url}]), "https://host/path")
            for url in ("ftp://a", "https://", "a", "http://u@a")
        ),
        ('[{"name": "a", "url": "https://a", "events": ["room_begun"]}]', "'room_begun'"),
        ('[{"name": "a", "url": "https://a", "events": [{}]}]', "'{}'"),
        ('[{"name": "a", "url": "https://a", "secret": "whsec_YQ=="}]', "24 bytes"),
        ('[{"name": "a", "url": "https://a", "secret": "secret"}]', "24 bytes"),
        ('[{"name": "a", "url": "https://a"}, {"name": "a", "url": "https://b"}]', "twice"),
        ('[{"name": "a", "url": "https://a", "key": "other"}]', "not in SFU_KEYS"),
    ],
)
def test_a_wrong_setting_is_refused_with_a_sentence(setting: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match="SFU_WEBHOOKS") as refused:
        read({"SFU_KEYS": f"{KEY}: {SECRET}", "SFU_WEBHOOKS": setting})
    assert sentence in str(refused.value)


def test_secrets_of_webhooks_are_never_printed() -> None:
    setting = json.dumps([{"name": "a", "url": "https://a/b?token=t0k3n", "secret": WHSEC}])
    settings, values = read({"SFU_KEYS": f"{KEY}: {SECRET}", "SFU_WEBHOOKS": setting})
    (shown,) = [value.shown() for value in values if value.setting.name == "webhooks"]
    assert shown == "a: https://a/b" and WHSEC not in repr(settings.webhooks)
    assert settings.config().webhooks[0].key == KEY
    assert webhooks("") == ()
