"""The messages of `sfu.signalling.messages` as JSON: a discriminated union each way, told apart by `type`."""

from typing import Annotated, Any

from pydantic import Discriminator, TypeAdapter, ValidationError

from sfu import limits
from sfu.errors import InvalidRequest
from sfu.quoting import quote
from sfu.signalling.messages import ClientMessage, ServerMessage

_client: TypeAdapter[ClientMessage] = TypeAdapter(Annotated[ClientMessage, Discriminator("type")])
_server: TypeAdapter[ServerMessage] = TypeAdapter(Annotated[ServerMessage, Discriminator("type")])


def decode(text: str | bytes) -> ClientMessage:
    """A message of the client. Raises InvalidRequest with a sentence that names the first thing wrong with it."""
    try:
        message = _client.validate_json(text)
    except ValidationError as error:
        raise InvalidRequest(_sentence(error)) from None
    if not _is_exact(getattr(message, "id", 0)):
        raise InvalidRequest("The message has an id that is no integer of at most 53 bits.")
    return message


def encode(seq: int, message: ServerMessage) -> bytes:
    """A message of the server, with the `seq` that a resume names."""
    # A room of fifty is told the same fifty times.
    kept = _encoded.get(id(message))
    if kept is None or kept[0] is not message:
        kept = message, _server.dump_json(message)[1:]
        _encoded[id(message)] = kept
        if len(_encoded) > REMEMBERED:
            del _encoded[next(iter(_encoded))]
    return b'{"seq":%d,' % seq + kept[1]


def request_id(text: str | bytes) -> int:
    """The `id` of a request that did not validate, so that its error can be matched; 0 if it has none."""
    try:
        raw = _any.validate_json(text)
    except ValidationError:
        return 0
    number = raw.get("id") if isinstance(raw, dict) else None
    return number if isinstance(number, int) and not isinstance(number, bool) and _is_exact(number) else 0


def adapters() -> tuple[TypeAdapter[ClientMessage], TypeAdapter[ServerMessage]]:
    """The codecs of what a client sends and of what it receives, for their JSON Schemas."""
    return _client, _server


REMEMBERED = 32
_encoded: dict[int, tuple[ServerMessage, bytes]] = {}
"""The last messages by their `id`, which is theirs while they are held here, and their JSON behind the `seq`."""
_any: TypeAdapter[Any] = TypeAdapter(Any)


def _is_exact(number: int) -> bool:
    return -limits.REQUEST_ID <= number <= limits.REQUEST_ID


def _sentence(error: ValidationError) -> str:
    if error.error_count() > limits.FAULTS:  # Each one named costs three times as much as finding it.
        return f"The message is wrong in {error.error_count()} places."
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(quote(part)[1:-1] if isinstance(part, str) else str(part) for part in first["loc"])
    if first["type"] == "union_tag_invalid":
        return "The message has a type that is not known."
    if first["type"] == "union_tag_not_found":
        return "The message has no type."
    if first["type"] == "json_invalid":
        return "The message is not JSON."
    return f"The message is wrong at {where or 'its top'}: {first['msg']}."
