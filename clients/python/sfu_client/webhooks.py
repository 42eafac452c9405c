"""Webhooks: is a request from the service, recent, and unchanged?

The service signs each event in two ways, and a receiver verifies one of them: a JWT in `Authorization` whose claim
`sha256` is the hash of the body, and the headers of Standard Webhooks (https://www.standardwebhooks.com).
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping

import jwt
from pydantic import ValidationError

from .errors import WebhookRefused
from .events import Event
from .tokens import ALGORITHM

BODY_OCTETS = 1 << 20
"""The longest body that is verified. The largest event of the service is a tenth of it."""
TOLERANCE = 300.0
"""Seconds by which the time of a delivery may differ from the receiver's clock, as Standard Webhooks proposes."""
LEEWAY = 60
"""Seconds by which the clock of the service may be ahead of the receiver's."""


def signing_key(secret: str) -> bytes:
    """Returns the key of Standard Webhooks: `whsec_` and base64, or the text itself, such as an API key's secret."""
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise ValueError("The secret of the webhook is not whsec_ and base64.") from None


def sign(key: bytes, id: str, timestamp: int, body: bytes) -> str:
    """Returns the `webhook-signature` of Standard Webhooks."""
    digest = hmac.digest(key, f"{id}.{timestamp}.".encode() + body, "sha256")
    return "v1," + base64.b64encode(digest).decode()


def body_hash(body: bytes) -> str:
    """Returns the claim `sha256` of the JWT."""
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


class WebhookVerifier:
    """Verifies what a receiver was sent.

    `keys`: secrets by API key, for the JWT. `secrets`: those of Standard Webhooks, the webhook's own (`whsec_…`), or
    the secret of its API key; several while one is replaced. With `secrets`, Standard Webhooks is verified if its
    headers are there.
    """

    def __init__(
        self,
        *,
        keys: Mapping[str, str] | None = None,
        secrets: tuple[str, ...] = (),
        tolerance: float = TOLERANCE,
        now: Callable[[], float] = time.time,
    ) -> None:
        if not keys and not secrets:
            raise ValueError("A verifier needs keys, or secrets.")
        if not all(secrets) or not all((keys or {}).values()):
            raise ValueError("A secret must not be empty.")
        self._keys = dict(keys or {})
        self._secrets = [signing_key(secret) for secret in secrets]
        self._tolerance = tolerance
        self._now = now

    def verify(self, body: bytes, headers: Mapping[str, str]) -> Event:
        """Returns the event of a genuine request. Raises WebhookRefused.

        `body`: the octets as they arrived. `headers`: names in any case. A genuine event may come twice: `event.id`
        tells.
        """
        if len(body) > BODY_OCTETS:
            raise WebhookRefused(f"The body has more than {BODY_OCTETS} octets.")
        given = {name.lower(): value for name, value in headers.items()}
        if self._secrets and "webhook-signature" in given:
            self._verify_standard(body, given)
        elif self._keys and "authorization" in given:
            self._verify_jwt(body, given["authorization"])
        else:
            raise WebhookRefused("The request has no signature.")
        try:
            return Event.model_validate_json(body)
        except ValidationError:
            raise WebhookRefused("The body is no event.") from None

    def _verify_jwt(self, body: bytes, token: str) -> None:
        token = token.removeprefix("Bearer ")
        try:
            key = jwt.decode(token, options={"verify_signature": False}).get("iss")
            secret = self._keys.get(key) if isinstance(key, str) else None
            if secret is None:
                raise WebhookRefused("The token was issued (iss) by an unknown API key.")
            claims = jwt.decode(
                token,
                secret,
                algorithms=[ALGORITHM],
                # The library's clock is not the verifier's, so times are compared below.
                options={"require": ["exp"], "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
            begin, end = float(claims.get("nbf") or 0), float(claims["exp"])
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise WebhookRefused("The token is not valid.") from None
        if not begin - LEEWAY <= self._now() <= end + LEEWAY:
            raise WebhookRefused("The token has expired, or is not valid yet.")
        digest = claims.get("sha256")
        if not isinstance(digest, str) or not hmac.compare_digest(digest.encode(), body_hash(body).encode()):
            raise WebhookRefused("The body is not the one that was signed.")

    def _verify_standard(self, body: bytes, headers: Mapping[str, str]) -> None:
        stamp, id = headers.get("webhook-timestamp", ""), headers.get("webhook-id", "")
        if not stamp.isascii() or not stamp.isdecimal() or len(stamp) > 12 or not id:
            raise WebhookRefused("The headers webhook-id and webhook-timestamp are not those of Standard Webhooks.")
        if abs(self._now() - int(stamp)) > self._tolerance:
            raise WebhookRefused("The time of the webhook is too far from now.")
        given = headers["webhook-signature"].encode("utf-8", "replace").split()[:8]
        expected = [sign(key, id, int(stamp), body).encode() for key in self._secrets]
        if not any(hmac.compare_digest(one, wanted) for one in given for wanted in expected):
            raise WebhookRefused("The signature does not match.")
