"""Each field of every message and request body accepts values of its own JSON type only, without conversion."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from pydantic import BaseModel, ValidationError

from api import messages, participants, rooms, tokens
from api.bodies import RequestBody
from sfu import limits
from sfu.errors import InvalidRequest
from sfu.signalling.messages import ClientMessage, Settings

WRONG: dict[type, list[Any]] = {
    int: [True, False, "1", "", 1.5],
    float: [True, False, "1", ""],
    bool: [0, 1, 1.0, "true", "yes", "1", ""],
    str: [1, 1.5, True],
}
RIGHT: dict[type, list[Any]] = {int: [1, 1.0], float: [1, 1.5], bool: [True, False], str: ["x"]}
Path = tuple[str | int, ...]


def scalars(hint: Any) -> set[type]:
    """The JSON scalars that a field takes, which may be optional or annotated."""
    if hint in WRONG:
        return {hint}
    if get_origin(hint) in (Literal, tuple, list, dict, Mapping):
        return set()
    return {found for part in get_args(hint) for found in scalars(part)}


def nested(hint: Any) -> Iterator[tuple[Path, type]]:
    """The objects in a field, with their path in it."""
    if isinstance(hint, type) and (is_dataclass(hint) or issubclass(hint, BaseModel)):
        yield (), hint
    within: Path = (0,) if get_origin(hint) in (tuple, list) else ()
    for part in get_args(hint):
        yield from ((within + path, kind) for path, kind in nested(part))


def hints(kind: Any) -> dict[str, Any]:
    names = [field.name for field in fields(kind)] if is_dataclass(kind) else list(kind.model_fields)
    found = get_type_hints(kind)
    return {name: found[name] for name in names}


def typed(kind: Any) -> Iterator[tuple[Path, type]]:
    """The path and JSON type of every scalar in an object."""
    for name, hint in hints(kind).items():
        yield from (((name,), scalar) for scalar in scalars(hint))
        for path, below in nested(hint):
            yield from (((name, *path, *rest), scalar) for rest, scalar in typed(below))


def filled(kind: Any, value: Any, path: Path) -> Any:
    """A valid object with `value` at `path`, and without what may be left out."""
    found: dict[str, Any] = {}
    for name, hint in hints(kind).items():
        if get_origin(hint) is Literal:
            found[name] = get_args(hint)[0]
        elif path and path[0] == name:
            below = dict(nested(hint))
            rest = path[1:]
            if not rest:
                found[name] = value
            elif rest[0] == 0:
                found[name] = [filled(below[(0,)], value, rest[1:])]
            else:
                found[name] = filled(below[()], value, rest)
        elif is_required(kind, name):
            found[name] = example(hint)
    return found


def is_required(kind: Any, name: str) -> bool:
    if not is_dataclass(kind):
        return bool(kind.model_fields[name].is_required())
    [field] = [field for field in fields(kind) if field.name == name]
    return field.default is MISSING and field.default_factory is MISSING


def example(hint: Any) -> Any:
    for scalar in (str, int, bool, float):
        if scalar in scalars(hint):
            return RIGHT[scalar][0]
    return [] if get_origin(hint) in (tuple, list) else next(iter(hint)).value


MESSAGES = [(kind, path, scalar) for kind in get_args(ClientMessage) for path, scalar in typed(kind)]


def bodies(of: type[BaseModel] = RequestBody) -> Iterator[type[BaseModel]]:
    for kind in of.__subclasses__():
        yield kind
        yield from bodies(kind)


BODIES = [
    (kind, path, scalar)
    for kind in bodies()
    if kind.__module__ in (rooms.__name__, participants.__name__, tokens.__name__)
    for path, scalar in typed(kind)
]


def name_of(case: tuple[type, Path, type]) -> str:
    return f"{case[0].__name__}.{'.'.join(map(str, case[1]))}"


def test_the_tables_know_fields_of_each_type_and_of_nested_objects() -> None:
    for table in (MESSAGES, BODIES):
        assert {scalar for _, _, scalar in table} == WRONG.keys()
    names = {name_of(case) for case in MESSAGES + BODIES}
    assert names >= {
        "Offer.id", "Join.resume.seq", "Settings.tracks.0.visible", "SubscriptionsWish.settings.0.width",
        "ParticipantChange.permissions.hidden", "NewRoom.empty_timeout",
    }  # fmt: skip


@pytest.mark.parametrize("case", MESSAGES, ids=name_of)
def test_a_message_takes_no_value_of_another_type(case: tuple[type, Path, type]) -> None:
    kind, path, scalar = case
    for value in RIGHT[scalar]:
        messages.decode(json.dumps(filled(kind, value, path)))
    for value in WRONG[scalar]:
        with pytest.raises(InvalidRequest, match="wrong at"):
            messages.decode(json.dumps(filled(kind, value, path)))


@pytest.mark.parametrize("case", BODIES, ids=name_of)
def test_a_request_body_takes_no_value_of_another_type(case: tuple[type[BaseModel], Path, type]) -> None:
    kind, path, scalar = case
    for value in RIGHT[scalar]:
        kind.model_validate(filled(kind, value, path))
    for value in WRONG[scalar]:
        with pytest.raises(ValidationError):
            kind.model_validate(filled(kind, value, path))


def test_a_whole_float_is_no_excuse_for_what_else_is_wrong() -> None:
    wrong = {"type": "settings", "id": 1, "track": "TR", "width": 640.0, "visible": "yes"}
    with pytest.raises(InvalidRequest, match=r"wrong at settings\.visible"):
        messages.decode(json.dumps(wrong))


def test_any_number_of_whole_floats_are_integers() -> None:
    settings = [{"track": f"TR_{n}", "width": 640.0, "height": 3.6e2} for n in range(limits.FAULTS)]
    decoded = messages.decode(json.dumps({"type": "settings", "id": 5.0, "tracks": settings}))
    assert isinstance(decoded, Settings) and (decoded.id, type(decoded.id)) == (5, int)
    assert {(one.width, one.height, type(one.width)) for one in decoded.tracks} == {(640, 360, int)}


def test_beside_many_whole_floats_the_first_mistake_is_named() -> None:
    settings: list[dict[str, Any]] = [{"track": f"TR_{n}", "width": 640.0} for n in range(2 * limits.FAULTS)]
    settings[20]["height"] = 360.5
    with pytest.raises(InvalidRequest, match=r"wrong at settings\.tracks\.20\.height"):
        messages.decode(json.dumps({"type": "settings", "id": 1, "tracks": settings}))


@pytest.mark.parametrize("number", ["1e400", "NaN", "-Infinity", "0.5"])
def test_a_number_that_is_no_integer_is_refused_among_whole_floats_too(number: str) -> None:
    many = ",".join('{"track": "TR", "width": 640.0}' for _ in range(20))
    with pytest.raises(InvalidRequest):
        messages.decode(f'{{"type": "settings", "id": 1, "tracks": [{many}, {{"track": "TR", "width": {number}}}]}}')


@pytest.mark.parametrize(
    ("given", "named"), [("5", 5), ("5.0", 5), ("5e0", 5), ("5.5", 0), ('"5"', 0), ("true", 0), ("1e300", 0)]
)
def test_an_error_names_the_id_of_its_request(given: str, named: int) -> None:
    assert messages.request_id(f'{{"type": "publish", "id": {given}}}') == named
