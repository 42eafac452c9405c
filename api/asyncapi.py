"""`GET /v1/protocol.json`: the WebSocket protocol as an AsyncAPI 3.0 document, made from `sfu/signalling/messages`.

Each message of either direction has a JSON Schema (the subset that draft-07 and 2020-12 share). Actions are the
server's: it receives what a client sends. Prose and examples are in PROTOCOL.md.
"""

import hashlib
import inspect
import json
from functools import cache
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Header, Request, Response
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

import sfu.model
import sfu.signalling.messages.client
import sfu.signalling.messages.server
import sfu.views
from api import docstrings, messages
from sfu import limits
from sfu.signalling.messages import (
    Answer,
    Candidate,
    ClientMessage,
    Error,
    Join,
    Joined,
    Leave,
    Left,
    Offer,
    Ok,
    Publish,
    Published,
    Resumed,
    ServerMessage,
)

router = APIRouter(tags=["protocol"])

REPLIES: dict[type, tuple[type, ...]] = {
    Join: (Joined, Resumed, Left),
    Offer: (Answer, Error),
    Publish: (Published, Error),
    Candidate: (),
    Leave: (Left,),
}
"""The replies to each message of a client. Messages that are not listed are answered by `ok` or `error`."""
ONLY_REPLIES = (Joined, Resumed, Answer, Published, Ok)
"""Messages that the server sends only as a reply."""
CHANNEL = "#/channels/room"
SCHEMAS = "#/components/schemas/"
CACHED = "public, max-age=300"
EXAMPLE = {"asyncapi": "3.0.0", "info": {}, "channels": {}, "operations": {}, "components": {}}


@router.get(
    "/v1/protocol.json",
    responses={
        200: {
            "description": "An AsyncAPI 3.0 document: channels, operations, messages and their JSON Schemas.",
            "content": {"application/json": {"example": EXAMPLE}},
        },
        304: {"description": "The document is the one that `If-None-Match` names."},
    },
    response_class=Response,
)
def show_protocol(request: Request, if_none_match: Annotated[str, Header()] = "") -> Response:
    """The messages of the WebSocket in both directions. Needs no token."""
    # Not a coroutine: the document is generated in a thread, so the event loop does not wait for it.
    body, etag = encoded(request.app.version)
    headers = {"ETag": etag, "Cache-Control": CACHED}
    known = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    if etag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


@cache
def encoded(version: str) -> tuple[bytes, str]:
    """Returns the document of this version of the service as JSON, and its ETag."""
    body = json.dumps(document(version), ensure_ascii=False, separators=(",", ":")).encode()
    return body, '"' + hashlib.sha256(body).hexdigest() + '"'


def document(version: str) -> dict[str, Any]:
    """Returns the AsyncAPI document of this version of the service."""
    clients, servers = get_args(ClientMessage), get_args(ServerMessage)
    every = {type_of(kind): {"$ref": f"#/components/messages/{type_of(kind)}"} for kind in (*clients, *servers)}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "SFU signalling",
            "version": version,
            "description": ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "sfu": {
                "host": "{host}",
                "protocol": "wss",
                "description": "Without TLS, as in development: ws.",
                "variables": {"host": {"description": "Host and port of the service.", "default": "sfu.example.com"}},
                "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in SECURITY],
            }
        },
        "channels": {
            "room": {
                "address": "/v1/rooms/{room}/rtc",
                "description": "A participant's connection to the room that the path names.",
                "parameters": {"room": {"description": "The room's name; a `/` in it is `%2F`."}},
                "messages": every,
                "bindings": {"ws": BINDING},
            },
            "tokenRoom": {
                "address": "/v1/rtc",
                "description": "The room that the token names. Messages and operations are those of `room`.",
                "messages": every,
                "bindings": {"ws": BINDING},
            },
        },
        "operations": {
            **{type_of(kind): _receive(kind) for kind in clients},
            **{type_of(kind): _send(kind) for kind in servers if kind not in ONLY_REPLIES},
        },
        "components": {
            "messages": {type_of(kind): _message(kind) for kind in (*clients, *servers)},
            "schemas": schemas(),
            "correlationIds": {
                "id": {"description": "The request that is answered.", "location": "$message.payload#/id"}
            },
            "securitySchemes": SECURITY,
        },
    }


def schemas() -> dict[str, dict[str, Any]]:
    """Returns the JSON Schema of each message and of each type in messages, by class name."""
    clients, servers = messages.adapters()
    inputs: list[tuple[str, Any, TypeAdapter[Any]]] = [
        ("client", "validation", clients),
        ("server", "serialization", servers),
    ]
    _, made = TypeAdapter.json_schemas(inputs, ref_template=SCHEMAS + "{model}", schema_generator=_Generator)
    found: dict[str, dict[str, Any]] = made["$defs"]
    texts = {
        **docstrings.of_fields(sfu.signalling.messages.client),
        **docstrings.of_fields(sfu.signalling.messages.server),
        **docstrings.of_fields(sfu.model),
        **docstrings.of_fields(sfu.views),
    }
    for name, schema in found.items():
        properties = schema.get("properties", {})
        for field, text in texts.get(name, {}).items():
            if field in properties:
                properties[field] = {"description": text} | properties[field]
        for field, value in properties.items():
            properties[field] = _draft_07(value)
    for kind in get_args(ClientMessage):
        if "id" in (fields := found[kind.__name__]["properties"]):
            fields["id"] |= {"minimum": -limits.REQUEST_ID, "maximum": limits.REQUEST_ID, "description": REQUEST}
    for kind in get_args(ServerMessage):
        schema = found[kind.__name__]
        schema["properties"] = {"seq": SEQ} | schema["properties"]
        schema["required"] = ["seq", *schema["required"]]
        if "id" in (fields := schema["properties"]):
            fields["id"] = {"description": REPLY} | fields["id"]
    return dict(sorted(found.items()))


def type_of(kind: type) -> str:
    """Returns the `type` of a message class."""
    found: str = get_args(kind.__annotations__["type"])[0]
    return found


ABOUT = (
    "The WebSocket of a selective forwarding unit. Messages are JSON objects in text frames; `type` names the message."
    " Receivers ignore fields and types that they do not know. The first message of a client is `join`. A request has"
    " an `id`, and its reply has the same `id`. Each message of the server has a `seq`."
)
REQUEST = "Chosen by the client; the reply has the same."
REPLY = "The id of the request."
SEQ = {
    "type": "integer",
    "minimum": 0,
    "description": "Counted per participant from 1, without gaps. 0: the client is not admitted, and has no session.",
}
SECURITY: dict[str, dict[str, str]] = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "HS256; see PROTOCOL.md."},
    "accessToken": {"type": "httpApiKey", "in": "query", "name": "access_token", "description": "The same token."},
}
BINDING: dict[str, Any] = {
    "method": "GET",
    "query": {
        "type": "object",
        "properties": {
            "access_token": {"type": "string", "description": "The token, if it is in no header."},
            "resume": {
                "type": "string",
                "description": "Any value: `join` will resume, so the token may have expired.",
            },
        },
    },
    "headers": {
        "type": "object",
        "properties": {
            "Authorization": {"type": "string", "description": "`Bearer` and the token."},
            "Sec-WebSocket-Protocol": {
                "type": "string",
                "description": "`sfu.v1, bearer.<token>`, for browsers. The server selects `sfu.v1`.",
            },
        },
    },
    "bindingVersion": "0.1.0",
}


class _Generator(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def field_is_required(self, field: Any, total: bool) -> bool:
        # The server's messages contain all fields, including those with defaults.
        return self.mode == "serialization" or super().field_is_required(field, total)


def _draft_07(schema: dict[str, Any]) -> dict[str, Any]:
    """Returns the schema without keywords beside `$ref`, which draft-07 ignores."""
    if "$ref" in schema and len(schema) > 1:
        return {name: value for name, value in schema.items() if name != "$ref"} | {"allOf": [{"$ref": schema["$ref"]}]}
    return schema


def _message(kind: type) -> dict[str, Any]:
    has_id = "id" in kind.__annotations__
    return {
        "name": type_of(kind),
        "title": kind.__name__,
        "summary": inspect.getdoc(kind),
        "payload": {"$ref": SCHEMAS + kind.__name__},
        **({"correlationId": {"$ref": "#/components/correlationIds/id"}} if has_id else {}),
    }


def _receive(kind: type) -> dict[str, Any]:
    replies = REPLIES.get(kind, (Ok, Error))
    reply = {"channel": {"$ref": CHANNEL}, "messages": [_reference(one) for one in replies]}
    return _operation("receive", kind) | ({"reply": reply} if replies else {})


def _send(kind: type) -> dict[str, Any]:
    return _operation("send", kind)


def _operation(action: str, kind: type) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": CHANNEL},
        "summary": inspect.getdoc(kind),
        "messages": [_reference(kind)],
    }


def _reference(kind: type) -> dict[str, str]:
    return {"$ref": f"{CHANNEL}/messages/{type_of(kind)}"}
