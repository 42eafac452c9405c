"""PROTOCOL.md agrees with the codec: every message has an example, and every example is a message."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from api import messages
from api.errors import STATUS
from sfu.errors import InvalidRequest, SfuError
from sfu.model import Kind
from sfu.negotiation import capabilities
from sfu.signalling.messages import ClientMessage, Ok, ServerMessage
from sfu.signalling.outbox import Outgoing

from ..documents.markdown import anchors, headings, tables

TEXT = (Path(__file__).parents[2] / "api" / "PROTOCOL.md").read_text()
EXAMPLES: dict[str, list[Any]] = {
    side: [json.loads(body) for body in re.findall(rf"```json {side}\n(.*?)```", TEXT, re.DOTALL)]
    for side in ("client", "server")
}


def _types(union: Any) -> set[str]:
    return {get_args(kind.__annotations__["type"])[0] for kind in get_args(union)}


def test_every_heading_is_in_the_table_of_contents() -> None:
    contents = TEXT[: TEXT.index("\n## ")]
    titles = [title for level, title in headings(TEXT) if level in (2, 3)]
    listed = re.findall(r"\[([^][]+)\]\(#([^)]+)\)", contents)
    assert [title for title, _ in listed] == titles
    assert ["#" + anchor for _, anchor in listed] == ["#" + anchor for anchor in anchors(TEXT)[1:]]


def test_every_message_has_a_heading_of_its_direction() -> None:
    for part, union in (("What a client sends", ClientMessage), ("What a client receives", ServerMessage)):
        below = TEXT.partition(f"\n## {part}\n")[2].partition("\n## ")[0]
        assert sorted(title for _, title in headings(below)) == sorted(f"`{name}`" for name in _types(union))


def test_every_message_has_an_example() -> None:
    assert {example["type"] for example in EXAMPLES["client"]} == _types(ClientMessage)
    assert {example["type"] for example in EXAMPLES["server"]} == _types(ServerMessage)


@pytest.mark.parametrize("example", EXAMPLES["client"], ids=lambda example: example["type"])
def test_an_example_of_the_client_is_read_with_all_its_fields(example: dict[str, Any]) -> None:
    read = TypeAdapter(ClientMessage).dump_python(messages.decode(json.dumps(example)), mode="json", exclude_none=True)
    assert {name: read[name] for name in example} == example or example["type"] == "join"
    assert example.keys() <= read.keys()


@pytest.mark.parametrize("example", EXAMPLES["server"], ids=lambda example: example["type"])
def test_an_example_of_the_server_is_what_the_codec_writes(example: dict[str, Any]) -> None:
    body = {name: value for name, value in example.items() if name != "seq"}
    kinds = {get_args(kind.__annotations__["type"])[0]: kind for kind in get_args(ServerMessage)}
    message = TypeAdapter(kinds[body["type"]]).validate_python(body)
    assert json.loads(messages.encode(example["seq"], message)) == example


def test_a_message_to_many_is_encoded_once_and_numbered_for_each() -> None:
    shared, single = Outgoing.of(Ok(7), is_shared=True), Outgoing.of(Ok(7))
    assert [json.loads(messages.encode(seq, shared))["seq"] for seq in (1, 2)] == [1, 2]
    assert messages.encode(3, shared) == messages.encode(3, single) == messages.encode(3, Ok(7))
    assert (shared.body, single.body) == (b'"id":7,"type":"ok"}', None), "only the shared one is kept"


@pytest.mark.parametrize("id", [None, "one", 1.5, 2**53])
def test_a_request_needs_an_id_that_is_an_integer(id: object) -> None:
    text = json.dumps({"type": "mute", "track": "TR", "muted": True} | ({} if id is None else {"id": id}))
    with pytest.raises(InvalidRequest):
        messages.decode(text)
    assert messages.request_id(text) == 0


def test_codecs_and_their_feedback_are_those_of_the_capabilities() -> None:
    [table] = [table for table in tables(TEXT) if table[0] == ["kind", "codecs", "feedback"]]
    rows = {row[0]: row for row in table[1:]}
    assert rows.keys() == set(Kind)
    for codec in capabilities.CODECS:
        _, codecs, feedback = rows[codec.kind]
        assert codec.encoding.lower() in codecs.lower()
        assert set(re.findall(r"`([^`]+)`", feedback)) == set(codec.feedback)


def test_every_code_of_an_error_is_in_the_table_with_its_status() -> None:
    def kinds(kind: type[SfuError]) -> list[type[SfuError]]:
        return [kind, *(one for sub in kind.__subclasses__() for one in kinds(sub))]

    for kind in kinds(SfuError):
        row = next((line for line in TEXT.splitlines() if line.startswith(f"| `{kind.code}` |")), None)
        assert row is not None, f"{kind.code} is not described"
        if kind in STATUS:
            assert str(STATUS[kind]) in row
