"""Sends one event to one webhook: signed, to a public address, without following redirects."""

import asyncio
import ipaddress
import json
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import Any

import httpx
import jwt

from sfu import limits
from sfu.config import Webhook
from sfu_client import webhooks
from sfu_client.tokens import ALGORITHM

JWT_SECONDS = 300
"""Seconds for which the token of a delivery is valid."""


class DeliveryFailed(Exception):
    """One sentence: why the receiver did not take the event."""


class Sender:
    """Has connections of its own, so that receivers do not wait for each other. `keys`: secrets by API key."""

    def __init__(self, keys: Mapping[str, str], wall: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._wall = wall
        self._names = Names()

    @cached_property
    def _http(self) -> httpx.AsyncClient:
        # No proxy of the environment, no redirect: the configuration alone says where events go.
        return httpx.AsyncClient(
            timeout=limits.WEBHOOK_SECONDS,
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": "sfu"},
            limits=httpx.Limits(max_keepalive_connections=limits.WEBHOOKS_AT_ONCE),
        )

    async def close(self) -> None:
        self._names.close()
        if "_http" in vars(self):
            await self._http.aclose()

    async def send(self, target: Webhook, id: str, event: Mapping[str, Any]) -> None:
        """Raises DeliveryFailed unless the receiver answers 2xx in time."""
        body = body_of(id, event)
        url = httpx.URL(target.url)
        try:
            async with asyncio.timeout(limits.WEBHOOK_SECONDS):
                address = await self._names.resolve(url.host, url.port or _port(url), target.private)
                # The address that was checked is the one that is connected to.
                request = self._http.build_request(
                    "POST",
                    url.copy_with(host=address),
                    content=body,
                    headers={**self.headers(target, id, body), "Host": url.netloc.decode("ascii")},
                    extensions={"sni_hostname": url.host},
                )
                reply = await self._http.send(request, stream=True)
                # The body of the reply is not read.
                await reply.aclose()
        except (httpx.HTTPError, OSError, TimeoutError) as error:
            raise DeliveryFailed(f"{type(error).__name__}: {error}".rstrip(": ")) from None
        if not reply.is_success:
            raise DeliveryFailed(f"the receiver answered {reply.status_code}")

    def headers(self, target: Webhook, id: str, body: bytes) -> dict[str, str]:
        """Returns the headers of both ways to sign: a JWT with the hash of the body, and Standard Webhooks."""
        now = int(self._wall())
        secret = self._keys[target.key]
        key = webhooks.signing_key(target.secret) if target.secret else secret.encode()
        claims = {"iss": target.key, "nbf": now - 60, "exp": now + JWT_SECONDS, "sha256": webhooks.body_hash(body)}
        return {
            "Content-Type": "application/webhook+json",
            "Authorization": jwt.encode(claims, secret, algorithm=ALGORITHM),
            "webhook-id": id,
            "webhook-timestamp": str(now),
            "webhook-signature": webhooks.sign(key, id, now, body),
        }


def body_of(id: str, event: Mapping[str, Any]) -> bytes:
    """Returns the JSON of an event, with the names that receivers of the ecosystem know, too."""
    more = {"id": id, "event": event["type"], "createdAt": event["at"] // 1000}
    return json.dumps({**more, **event}, separators=(",", ":")).encode()


class Names:
    """Looks up the names of one receiver, in a thread of its own: a look-up may take as long as the system's resolver
    likes. An address that was found is used for `limits.WEBHOOK_NAME_SECONDS`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "sfu-webhook")
        self._looking = asyncio.Lock()
        self._found: dict[tuple[str, int], tuple[float, list[str]]] = {}
        """Until when they are used, and the addresses. A receiver has one name."""

    async def resolve(self, host: str, port: int, private: bool) -> str:
        """Returns an address of the host. Raises DeliveryFailed if one of its addresses is not public."""
        async with self._looking:
            until, addresses = self._found.get((host, port), (0.0, []))
            if self._clock() >= until:
                look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
                entries = await asyncio.get_running_loop().run_in_executor(self._thread, look_up)
                addresses = [str(entry[4][0]).partition("%")[0] for entry in entries]
                self._found[host, port] = (self._clock() + limits.WEBHOOK_NAME_SECONDS, addresses)
        if not private and not all(map(is_public, addresses)):
            raise DeliveryFailed(f"{host} has an address that is not public: set private to allow it")
        return addresses[0]

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


def _port(url: httpx.URL) -> int:
    return 443 if url.scheme == "https" else 80


def is_public(address: str) -> bool:
    found = ipaddress.ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None)
    found = mapped or found
    return found.is_global and not found.is_multicast
