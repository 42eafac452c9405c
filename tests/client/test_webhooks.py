"""Verification of webhooks: what the service really sends is accepted, and nothing else."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import pytest

from sfu_client import WebhookRefused, WebhookVerifier, webhooks

from ..api.conftest import Start
from ..api.server import KEY, SECRET
from ..api.test_webhooks import WHSEC, call, receiving

OTHER = "o" * 32
BODY = json.dumps(
    {
        "id": "e-1",
        "type": "room_started",
        "at": 1,
        "room": {"sid": "RM_1", "name": "room"},
        "seq": 1,
        "node": "",
        "epoch": 1,
    }
).encode()
NOW = 1_767_225_600


@pytest.mark.parametrize("secret", ["", WHSEC], ids=["secret of the key", "secret of the webhook"])
async def test_each_webhook_of_the_service_is_genuine_in_both_ways(start: Start, secret: str) -> None:
    async with receiving() as receiver:
        server = await start(webhooks=receiver.setting(secret=secret))
        await call(server)
        await receiver.until(lambda: len(receiver.taken) == 4)
    by_jwt = WebhookVerifier(keys={"old": OTHER, KEY: SECRET})
    by_signature = WebhookVerifier(secrets=(OTHER, secret or SECRET))
    for event, headers, body in receiver.tried:
        assert by_jwt.verify(body, headers) == by_signature.verify(body, headers)
        assert by_jwt.verify(body, {"authorization": headers["Authorization"]}).id == event["id"]
        for verifier in (by_jwt, by_signature):
            with pytest.raises(WebhookRefused):
                verifier.verify(body.replace(b"room", b"Room"), headers)
        for wrong in (WebhookVerifier(keys={KEY: OTHER}), WebhookVerifier(secrets=(OTHER,))):
            with pytest.raises(WebhookRefused):
                wrong.verify(body, headers)


def by_jwt(body: bytes = BODY, key: str = KEY, secret: str = SECRET, algorithm: str = "HS256", **more: Any) -> str:
    claims = {"iss": key, "nbf": NOW - 60, "exp": NOW + 300, "sha256": webhooks.body_hash(body), **more}
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, secret, algorithm=algorithm)


@pytest.mark.parametrize(
    ("token", "sentence"),
    [
        (lambda: by_jwt(b"other"), "The body is not the one that was signed."),
        (lambda: by_jwt(sha256=None), "The body is not the one that was signed."),
        (lambda: by_jwt(sha256=7), "The body is not the one that was signed."),
        (lambda: by_jwt(key="other"), "unknown API key"),
        (lambda: by_jwt(iss=None), "unknown API key"),
        (lambda: by_jwt(secret=OTHER), "The token is not valid."),
        (lambda: by_jwt(secret="", algorithm="none"), "The token is not valid."),
        (lambda: by_jwt(exp=None), "The token is not valid."),
        (lambda: by_jwt(exp="x"), "The token is not valid."),
        (lambda: by_jwt(exp=NOW - 61), "The token has expired, or is not valid yet."),
        (lambda: by_jwt(nbf=NOW + 61), "The token has expired, or is not valid yet."),
        (lambda: "x", "The token is not valid."),
        (lambda: "", "The token is not valid."),
    ],
)
def test_a_token_that_is_not_for_this_body_is_refused(token: Callable[[], str], sentence: str) -> None:
    verifier = WebhookVerifier(keys={KEY: SECRET}, now=lambda: NOW)
    assert verifier.verify(BODY, {"Authorization": by_jwt()}).id == "e-1"
    with pytest.raises(WebhookRefused, match=sentence.replace(".", r"\.")):
        verifier.verify(BODY, {"Authorization": token()})


def standard(body: bytes = BODY, secret: str = SECRET, id: str = "e-1", stamp: int = NOW) -> dict[str, str]:
    signature = webhooks.sign(webhooks.signing_key(secret), id, stamp, body)
    return {"Webhook-Id": id, "Webhook-Timestamp": str(stamp), "Webhook-Signature": signature}


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        (standard(b"other"), "The signature does not match"),
        (standard(secret=OTHER), "The signature does not match"),
        (standard() | {"Webhook-Id": "e-2"}, "The signature does not match"),
        (standard() | {"Webhook-Timestamp": str(NOW + 1)}, "The signature does not match"),
        (standard() | {"Webhook-Signature": ""}, "The signature does not match"),
        (standard() | {"Webhook-Signature": "v1, ö"}, "The signature does not match"),
        (standard(stamp=NOW - 301), "too far from now"),
        (standard(stamp=NOW + 301), "too far from now"),
        (standard() | {"Webhook-Timestamp": "-1"}, "are not those of Standard Webhooks"),
        (standard() | {"Webhook-Id": ""}, "are not those of Standard Webhooks"),
        ({}, "The request has no signature"),
        ({"Authorization": "x"}, "The request has no signature"),
    ],
)
def test_headers_that_are_not_for_this_body_are_refused(headers: Mapping[str, str], sentence: str) -> None:
    verifier = WebhookVerifier(secrets=(SECRET,), now=lambda: NOW)
    assert verifier.verify(BODY, standard()).id == "e-1"
    with pytest.raises(WebhookRefused, match=sentence):
        verifier.verify(BODY, headers)


def test_one_of_several_signatures_is_enough() -> None:
    verifier = WebhookVerifier(secrets=(SECRET,), now=lambda: NOW)
    right = standard()["Webhook-Signature"]
    assert verifier.verify(BODY, standard() | {"Webhook-Signature": f"v1,b2xk {right}"}).id == "e-1"


def test_what_is_signed_but_no_event_or_too_long_is_refused() -> None:
    verifier = WebhookVerifier(secrets=(SECRET,), now=lambda: NOW)
    for body in (b"", b"[]", b'{"type": "x"}', b"\xff"):
        with pytest.raises(WebhookRefused, match="The body is no event"):
            verifier.verify(body, standard(body))
    long = b" " * (webhooks.BODY_OCTETS + 1)
    with pytest.raises(WebhookRefused, match="more than"):
        verifier.verify(long, standard(long))


def test_a_verifier_without_secrets_is_refused() -> None:
    wrong: dict[str, Any]
    for wrong in ({}, {"keys": {}}, {"keys": {"a": ""}}, {"secrets": ("",)}, {"secrets": ("whsec_?",)}):
        with pytest.raises(ValueError, match=r"verifier|secret"):
            WebhookVerifier(**wrong)
    assert webhooks.signing_key("whsec_" + base64.b64encode(b"k").decode()) == b"k"
