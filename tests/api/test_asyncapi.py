"""/v1/protocol.json agrees with AsyncAPI 3.0, the code and PROTOCOL.md: the same messages, the same fields."""

import inspect
import re
from collections.abc import Iterator
from typing import Any, get_args

import jsonschema
import pytest

from api import asyncapi, docstrings
from sfu import model
from sfu.signalling import messages
from sfu.signalling.messages import ClientMessage, ServerMessage

from ..documents.markdown import sections, tables
from .schema import DOCUMENT, validator
from .server import Server
from .test_protocol import EXAMPLES, TEXT

SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
CLIENT = {asyncapi.type_of(kind): kind for kind in get_args(ClientMessage)}
SERVER = {asyncapi.type_of(kind): kind for kind in get_args(ServerMessage)}
EVERY = CLIENT | SERVER


def resolve(pointer: str) -> Any:
    """RFC 6901, within the document."""
    found: Any = DOCUMENT
    for part in pointer.removeprefix("#/").split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            assert len(node) == 1, f"draft-07 ignores what is beside $ref: {node}"
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def shown(value: Any, schema: dict[str, Any], of: str = "") -> set[tuple[str, str]]:
    """(schema, field) of each object in an example. A field that its schema lacks is among them."""
    for inner in (schema, *schema.get("allOf", []), *schema.get("anyOf", [])):
        if "$ref" in inner:
            of, schema = inner["$ref"].rpartition("/")[2], resolve(inner["$ref"])
        elif "items" in inner or "additionalProperties" in inner:
            schema = inner
    if isinstance(value, list):
        return {pair for one in value for pair in shown(one, schema["items"])}
    if not isinstance(value, dict):
        return set()
    if "properties" not in schema:
        return {pair for one in value.values() for pair in shown(one, schema["additionalProperties"])}
    found = {(of, name) for name in value}
    for name, one in value.items():
        found |= shown(one, schema["properties"].get(name, {}))
    return found


def test_the_document_has_the_parts_of_asyncapi_3() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert DOCUMENT["info"]["title"] and DOCUMENT["info"]["version"] == "0.1.0"
    assert {"servers", "channels", "operations", "components"} <= DOCUMENT.keys()
    for server in DOCUMENT["servers"].values():
        assert server["host"] and server["protocol"] == "wss"
        assert set(re.findall(r"{(\w+)}", server["host"])) == server["variables"].keys()
    for channel in DOCUMENT["channels"].values():
        assert set(re.findall(r"{(\w+)}", channel["address"])) == channel.get("parameters", {}).keys()


def test_every_reference_leads_somewhere() -> None:
    pointers = set(references(DOCUMENT))
    assert len(pointers) > len(EVERY)
    for pointer in pointers:
        assert resolve(pointer)


def test_an_operation_names_messages_of_its_channel() -> None:
    assert DOCUMENT["operations"]
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in ("send", "receive")
        for part in (operation, operation.get("reply", operation)):
            inside = part["channel"]["$ref"] + "/messages/"
            assert part["messages"] and all(one["$ref"].startswith(inside) for one in part["messages"])


def test_both_directions_have_all_messages() -> None:
    operations = DOCUMENT["operations"]
    assert {name for name, one in operations.items() if one["action"] == "receive"} == CLIENT.keys()
    sent = {name for name, one in operations.items() if one["action"] == "send"}
    replies = {name for one in operations.values() for name in replies_of(one)}
    assert sent | replies == SERVER.keys()
    assert DOCUMENT["components"]["messages"].keys() == EVERY.keys()
    for channel in DOCUMENT["channels"].values():
        assert channel["messages"].keys() == EVERY.keys()


def replies_of(operation: dict[str, Any]) -> set[str]:
    return {one["$ref"].rpartition("/")[2] for one in operation.get("reply", {"messages": []})["messages"]}


@pytest.mark.parametrize("name", EVERY)
def test_a_message_has_a_schema_with_its_fields_and_a_summary(name: str) -> None:
    kind, message = EVERY[name], DOCUMENT["components"]["messages"][name]
    assert message["summary"] == inspect.getdoc(kind)
    assert message["payload"] == {"$ref": f"#/components/schemas/{kind.__name__}"}
    schema = SCHEMAS[kind.__name__]
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.Draft202012Validator.check_schema(schema)
    seq = {"seq"} if name in SERVER else set()
    assert schema["properties"].keys() == kind.__dataclass_fields__.keys() | seq
    assert schema["properties"]["type"]["const"] == name
    if name in SERVER:
        assert set(schema["required"]) == schema["properties"].keys(), "the server sends all fields"
    has_id = "id" in schema["properties"]
    assert ("correlationId" in message) == has_id
    replies = replies_of(DOCUMENT["operations"].get(name, {}))
    if name in CLIENT and has_id:
        assert "error" in replies and all("id" in SCHEMAS[EVERY[reply].__name__]["properties"] for reply in replies)


def test_every_schema_is_described() -> None:
    assert [name for name, schema in SCHEMAS.items() if not schema.get("description")] == []


@pytest.mark.parametrize("side", ["client", "server"])
def test_examples_of_the_protocol_are_valid_and_show_every_field(side: str) -> None:
    kinds = CLIENT if side == "client" else SERVER
    seen: set[tuple[str, str]] = set()
    for example in EXAMPLES[side]:
        kind = kinds[example["type"]]
        validator(example["type"]).validate(example)
        seen |= shown(example, {"$ref": asyncapi.SCHEMAS + kind.__name__})
    reached = {kind.__name__ for kind in kinds.values()}
    while added := {of for name in reached for of in parts_of(name)} - reached:
        reached |= added
    assert seen == {(name, field) for name in reached for field in SCHEMAS[name].get("properties", {})}


def parts_of(name: str) -> set[str]:
    return {pointer.removeprefix(asyncapi.SCHEMAS) for pointer in references(SCHEMAS[name])}


def test_tables_of_fields_are_whole() -> None:
    described = 0
    for title, part in sections(TEXT):
        for table in tables(part):
            if table[0][0] == "field":
                kind = EVERY[title.strip("`")]
                fields = [name for row in table[1:] for name in re.findall(r"`(\w+)`", row[0])]
                properties = SCHEMAS[kind.__name__]["properties"].keys()
                assert sorted(fields) == sorted(properties - {"type", "id", "seq"}), f"the table of {title} differs"
                described += 1
    assert described >= 5


def test_the_table_of_causes_is_whole() -> None:
    [causes] = [table for table in tables(TEXT) if table[0][0] == "`cause`"]
    assert [row[0].strip("`") for row in causes[1:]] == SCHEMAS["Cause"]["enum"]


def test_what_is_wrong_is_found_by_a_schema() -> None:
    check = validator("error")
    right = {"seq": 1, "type": "error", "id": 1, "code": "not_found", "message": "no such track"}
    check.validate(right)
    for wrong in ({"id": "1"}, {"type": "ok"}, {"seq": -1}, {"code": None}):
        assert not check.is_valid(right | wrong), wrong
    for name in right:
        assert not check.is_valid({key: value for key, value in right.items() if key != name}), name


def test_a_docstring_of_a_field_is_its_description() -> None:
    for module in (messages, model):
        for name, texts in docstrings.of_fields(module).items():
            for field, text in texts.items():
                if name in SCHEMAS and field in SCHEMAS[name].get("properties", {}):
                    assert SCHEMAS[name]["properties"][field]["description"] == text
    assert SCHEMAS["Resume"]["properties"]["sid"]["description"] == "`joined.you.sid`."


async def test_it_is_served_without_a_token_made_once_and_revalidated(server: Server) -> None:
    reply = await server.http.get("/v1/protocol.json", headers={"Origin": "https://app.example"})
    assert reply.status_code == 200 and reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert "ETag" in reply.headers["Access-Control-Expose-Headers"]
    assert reply.json() == {**DOCUMENT, "info": {**DOCUMENT["info"], "version": server.app.version}}
    assert asyncapi.encoded(server.app.version) is asyncapi.encoded(server.app.version)
    etag = reply.headers["ETag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await server.http.get("/v1/protocol.json", headers={"If-None-Match": known})
        assert again.status_code == 304 and again.content == b"" and again.headers["ETag"] == etag
    other = await server.http.get("/v1/protocol.json", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200 and "max-age" in other.headers["Cache-Control"]


async def test_openapi_leads_to_it(server: Server) -> None:
    openapi = (await server.http.get("/v1/openapi.json")).json()
    assert "/v1/protocol.json" in openapi["info"]["description"]
    assert openapi["paths"]["/v1/protocol.json"]["get"]["responses"].keys() >= {"200", "304"}
    assert "security" not in openapi["paths"]["/v1/protocol.json"]["get"]


async def test_each_request_is_answered_by_a_reply_of_the_document(server: Server) -> None:
    asked: list[tuple[str, dict[str, Any]]] = [
        ("publish", {"cid": "m", "kind": "audio"}),
        ("offer", {"sdp": "v=0"}),
        ("mute", {"track": "TR_none", "muted": True}),
        ("unpublish", {"track": "TR_none"}),
        ("subscribe", {"tracks": [], "on": True}),
        ("settings", {}),
        ("update", {"name": "Ada"}),
    ]
    assert {name for name, _ in asked} == {name for name, kind in CLIENT.items() if "id" in kind.__annotations__}
    async with server.client("ada") as ada:
        for name, fields in asked:
            reply = await ada.ask(name, **fields)
            assert reply["type"] in replies_of(DOCUMENT["operations"][name]), name
        assert (await ada.offer("audio sendonly"))["type"] in replies_of(DOCUMENT["operations"]["offer"])
        await ada.say("leave")
        assert (await ada.hear("left", "error"))["type"] in replies_of(DOCUMENT["operations"]["leave"])
