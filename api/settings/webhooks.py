"""The setting of webhooks: a JSON list of targets."""

import base64
import binascii
import json
import re
from typing import Any
from urllib.parse import urlsplit

from sfu import limits
from sfu.config import Webhook
from sfu.quoting import quote
from sfu.room_events import EventType

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
FIELDS = {"name": str, "url": str, "events": list, "rooms": str, "key": str, "secret": str, "private": bool}
SHORTEST = 24
"""Octets of a secret of Standard Webhooks: its specification wants 24 to 64."""


def webhooks(text: str) -> tuple[Webhook, ...]:
    if not text:
        return ()
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError('needs a JSON list, for example [{"name": "a", "url": "https://a.example/events"}]') from None
    if not isinstance(given, list) or len(given) > limits.WEBHOOKS:
        raise ValueError(f"needs a JSON list of at most {limits.WEBHOOKS} webhooks")
    found = tuple(_webhook(one) for one in given)
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"names the webhook {quote(name)} twice")
    return found


def _webhook(given: Any) -> Webhook:
    if not isinstance(given, dict) or not {"name", "url"} <= given.keys():
        raise ValueError("has a webhook without a name or a url")
    for field, value in given.items():
        if not isinstance(field, str) or field not in FIELDS or not isinstance(value, FIELDS[field]):
            raise ValueError(f"has a webhook with a field that is unknown or of a wrong type: {field}")
    name, url, events = given["name"], given["url"], given.get("events", [])
    if not NAME.fullmatch(name):
        raise ValueError(f"has a webhook whose name is not of letters, digits, '.', '_' and '-': {quote(name)}")
    _require_url(name, url)
    known = [kind.value for kind in EventType]
    wrong = [event for event in events if event not in known]
    if wrong:
        raise ValueError(
            f"has the webhook {quote(name)} with the event {quote(str(wrong[0]))}, which is none of {', '.join(known)}"
        )
    secret = given.get("secret", "")
    if secret:
        _require_secret(name, secret)
    return Webhook(
        name, url, given.get("key", ""), secret, tuple(events), given.get("rooms", "*"), given.get("private", False)
    )


def _require_url(name: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_good = False
    if not is_good or "@" in parts.netloc or parts.fragment or not url.isascii():
        raise ValueError(f"has the webhook {quote(name)} whose url is not of the form https://host/path")


def _require_secret(name: str, secret: str) -> None:
    try:
        octets = len(base64.b64decode(secret.removeprefix("whsec_"), validate=True))
    except (binascii.Error, ValueError):
        octets = 0
    if not secret.startswith("whsec_") or octets < SHORTEST:
        raise ValueError(
            f"has the webhook {quote(name)} whose secret is not whsec_ and the base64 of at least {SHORTEST} bytes"
        )


def hidden(text: str) -> str:
    """Returns the targets without their secrets, and without the query of their addresses."""
    return ", ".join(f"{one.name}: {one.url.partition('?')[0]}" for one in webhooks(text))
