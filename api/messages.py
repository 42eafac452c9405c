"""Converts the messages of `sfu.signalling.messages` to and from JSON: one union per direction, discriminated by
`type`."""

import json
from typing import Annotated, Any, get_args

from pydantic import Discriminator, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from sfu import limits
from sfu.errors import InvalidRequest
from sfu.model import ParticipantState
from sfu.quoting import quote
from sfu.recent import Recent
from sfu.signalling.messages import ClientMessage, Joined, Participants, ServerMessage
from sfu.signalling.outbox import Outgoing
from sfu.views import ParticipantInfo

_client: TypeAdapter[ClientMessage] = TypeAdapter(Annotated[ClientMessage, Discriminator("type")])
_server: TypeAdapter[ServerMessage] = TypeAdapter(Annotated[ServerMessage, Discriminator("type")])
_writers = {kind: TypeAdapter(kind).serializer for kind in get_args(ServerMessage)}
"""A message is written by its class: the union would look for it, which takes longer than the writing."""
_participant: TypeAdapter[ParticipantInfo] = TypeAdapter(ParticipantInfo)
_participants: Recent[str, tuple[ParticipantInfo, bytes]] = Recent(limits.ENCODED_OCTETS)
"""Participants as encoded, by sid. A room keeps the info of a participant until it changes, and each joiner is sent
those of all others."""


def decode(text: str | bytes) -> ClientMessage:
    """Decodes a message of a client. Raises InvalidRequest with a sentence that names the first mistake."""
    try:
        message = _client.validate_json(text, strict=True)
    except ValidationError as error:
        whole = _with_integers(text) if _may_have_whole_floats(error) else None
        if whole is None:
            raise InvalidRequest(_sentence(error)) from None
        try:
            message = _client.validate_json(whole, strict=True)
        except ValidationError as error:
            raise InvalidRequest(_sentence(error)) from None
    if not _is_exact(getattr(message, "id", 0)):
        raise InvalidRequest("The id of the message must be an integer of at most 53 bits.")
    return message


def encode(seq: int, message: ServerMessage | Outgoing) -> bytes:
    """Encodes a message of the server with its `seq`. A shared message is encoded once."""
    if isinstance(message, Outgoing):
        body = message.body or _body(message.message)
        if message.is_shared:
            message.body = body
    else:
        body = _body(message)
    return b'{"seq":%d,' % seq + body


def _body(message: ServerMessage) -> bytes:
    """Returns the JSON after `seq`."""
    if not isinstance(message, Joined | Participants):
        return _writers[type(message)].to_json(message)[1:]
    others = b",".join(map(_encoded, message.participants))
    return b'"participants":[%b],%b' % (others, _writers[type(message)].to_json(message, exclude={"participants"})[1:])


def _encoded(info: ParticipantInfo) -> bytes:
    # A snapshot of a large room calls this for each participant.
    known = _participants.peek(info.sid)
    if known is not None and known[0] is info:
        return known[1]
    text = _participant.dump_json(info)
    _participants.forget(info.sid)
    if info.state is not ParticipantState.DISCONNECTED:
        _participants.recall(info.sid, lambda: ((info, text), 512 + 2 * len(text)))
    return text


def request_id(text: str | bytes) -> int:
    """Returns the `id` of a request that did not validate, for its error. 0: it has none."""
    try:
        raw = _any.validate_json(text)
    except ValidationError:
        return 0
    number = raw.get("id") if isinstance(raw, dict) else None
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    return number if isinstance(number, int) and not isinstance(number, bool) and _is_exact(number) else 0


def adapters() -> tuple[TypeAdapter[ClientMessage], TypeAdapter[ServerMessage]]:
    """Returns the codecs of both directions (client, server), for their JSON Schemas."""
    return _client, _server


_any: TypeAdapter[Any] = TypeAdapter(Any)


def _is_exact(number: int) -> bool:
    return -limits.REQUEST_ID <= number <= limits.REQUEST_ID


def _sentence(error: ValidationError) -> str:
    """Describes the first mistake."""
    if error.error_count() > limits.FAULTS:  # Describing a mistake costs three times as much as finding it.
        return f"The message is wrong in {error.error_count()} places."
    first = _faults(error)[0]
    where = ".".join(quote(part)[1:-1] if isinstance(part, str) else str(part) for part in first["loc"])
    if first["type"] == "union_tag_invalid":
        return "The message has a type that is not known."
    if first["type"] == "union_tag_not_found":
        return "The message has no type."
    if first["type"] == "json_invalid":
        return "The message is not JSON."
    return f"The message is wrong at {where or 'its top level'}: {first['msg']}."


def _faults(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_context=False)


# `640.0` is an integer in JSON Schema (draft 2020-12, s6.1.1 of Validation), and some languages have no other numbers.
# Strict validation refuses it.


def _may_have_whole_floats(error: ValidationError) -> bool:
    return error.error_count() > limits.FAULTS or any(map(_is_whole_float, _faults(error)))


def _is_whole_float(fault: ErrorDetails) -> bool:
    given = fault["input"]
    return fault["type"] == "int_type" and isinstance(given, float) and given.is_integer()


def _with_integers(text: str | bytes) -> str | None:
    """Returns the message with its whole floats as integers. None: it has none."""
    found = 0

    def number(literal: str) -> int | float:
        nonlocal found
        value = float(literal)
        if not value.is_integer():
            return value
        found += 1
        return int(value)

    try:
        whole = json.dumps(json.loads(text, parse_float=number))
    except (ValueError, RecursionError):
        return None
    return whole if found else None
