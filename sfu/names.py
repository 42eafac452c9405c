"""Validation of names and texts. Each check returns its argument, or raises a sentence."""

import unicodedata
from collections.abc import Mapping

from sfu import limits
from sfu.errors import InvalidRequest, LimitExceeded
from sfu.model import RoomOptions

CONTROL = ("Cc", "Zl", "Zp")
"""Unicode categories of characters that end a line, ring a bell or move a cursor."""
BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Embeddings, overrides and isolates (UAX #9 s2). They change the direction of the text around a name."""
UNSEEN = ("Cf", "Zs")
"""Categories of invisible characters. A name of only these looks empty."""


ROOM_SID = "RM_"
"""How the sids of rooms begin, which are accepted wherever a name is. No name begins so."""


def room_name(name: str) -> str:
    if name.startswith(ROOM_SID):
        raise InvalidRequest(f"a room name does not begin with {ROOM_SID}, as the sids of rooms do")
    return _identifier("a room name", name)


def identity(name: str) -> str:
    return _identifier("an identity", name)


def text(what: str, value: str) -> str:
    """Checks a text such as a display name; it may be empty."""
    if len(value) > limits.NAME_CHARACTERS:
        raise LimitExceeded(f"{what} has at most {limits.NAME_CHARACTERS} characters, this one has {len(value)}")
    _octets(what, value)
    _refuse_control(what, value)
    return value


def metadata(value: str) -> str:
    octets = _octets("metadata", value)
    if octets > limits.METADATA_OCTETS:
        raise LimitExceeded(f"metadata has at most {limits.METADATA_OCTETS} octets, this has {octets}")
    return value


def attributes(values: Mapping[str, str]) -> Mapping[str, str]:
    if len(values) > limits.ATTRIBUTES:
        raise LimitExceeded(f"there are at most {limits.ATTRIBUTES} attributes, not {len(values)}")
    octets = 0
    for key, value in values.items():
        if not key:
            raise InvalidRequest("an attribute needs a key")
        text("the key of an attribute", key)
        octets += _octets("the key of an attribute", key) + _octets("an attribute", value)
    if octets > limits.METADATA_OCTETS:
        raise LimitExceeded(f"attributes have at most {limits.METADATA_OCTETS} octets in all, these have {octets}")
    return values


def merged(present: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    """Returns the attributes after a change. An attribute set to the empty string is deleted."""
    result = {key: value for key, value in {**present, **changes}.items() if value}
    attributes(result)
    return result


def room_options(options: RoomOptions) -> RoomOptions:
    metadata(options.metadata)
    if options.max_participants < 0:
        raise InvalidRequest("max_participants is 0 (no limit) or more")
    if options.empty_timeout < 0 or options.departure_timeout < 0:
        raise InvalidRequest("a timeout is 0 seconds or more")
    if options.last_n < 0:
        raise InvalidRequest("last_n is 0 (all) or more")
    if not 0 <= options.loudest <= limits.LOUDEST:
        raise InvalidRequest(f"loudest is 0 (all) to {limits.LOUDEST}")
    if len(options.on_stage) > limits.ON_STAGE:
        raise LimitExceeded(f"there are at most {limits.ON_STAGE} on stage, not {len(options.on_stage)}")
    for name in options.on_stage:
        identity(name)
    return options


def _identifier(what: str, name: str) -> str:
    if not name:
        raise InvalidRequest(f"{what} must not be empty")
    text(what, name)
    if all(unicodedata.category(character) in UNSEEN for character in name):
        raise InvalidRequest(f"{what} needs a visible character")
    return name


def _refuse_control(what: str, value: str) -> None:
    """Raises for control characters. Joiners, variation selectors, tags and wide spaces are allowed, because many
    scripts and emoji need them. Unassigned characters are allowed, because they may be next year's emoji."""
    for character in value:
        if unicodedata.category(character) in CONTROL or character in BIDI:
            raise InvalidRequest(f"{what} has no control characters, but this one has U+{ord(character):04X}")


def _octets(what: str, value: str) -> int:
    """Of UTF-8. JSON may name half of a character (`\\ud800`), which no message can carry."""
    try:
        return len(value.encode())
    except UnicodeEncodeError:
        raise InvalidRequest(f"{what} has half of a surrogate pair, which is no character") from None
