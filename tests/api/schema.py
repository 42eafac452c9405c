"""Checks messages of the server against the JSON Schemas of `/v1/protocol.json`."""

import json
from functools import cache
from typing import Any

import jsonschema

from api import asyncapi

DOCUMENT: dict[str, Any] = json.loads(asyncapi.encoded("0.1.0")[0])


@cache
def validator(type: str) -> jsonschema.Draft7Validator:
    """Returns the validator for the payload of this type of message."""
    payload = DOCUMENT["components"]["messages"][type]["payload"]
    return jsonschema.Draft7Validator({**payload, "components": DOCUMENT["components"]})


def check(message: dict[str, Any]) -> None:
    """Raises jsonschema.ValidationError for a message that the document does not describe."""
    validator(message["type"]).validate(message)
