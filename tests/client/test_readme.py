"""The blocks of Python in the client's README: all compile, those for tokens and FastAPI run, and all names exist."""

import ast
import re
import time
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

import sfu_client
from sfu_client import Client, webhooks

from ..api.server import SECRET
from .test_webhooks import BODY

README = (Path(__file__).resolve().parents[2] / "clients/python/README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def compiled(block: str) -> Any:
    return compile(block, "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("block", BLOCKS, ids=[block.splitlines()[0] for block in BLOCKS])
def test_each_block_compiles_and_names_what_exists(block: str) -> None:
    compiled(block)
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom) and node.module == "sfu_client":
            assert all(hasattr(sfu_client, name.name) for name in node.names)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sfu":
            assert hasattr(Client, node.attr)


def test_the_token_is_made() -> None:
    names: dict[str, Any] = {"secret": SECRET}
    (block,) = (block for block in BLOCKS if "AccessToken(" in block)
    exec(compiled(block), names)
    assert names["token"].count(".") == 2


async def test_the_receiver_in_fastapi_takes_genuine_webhooks_alone(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"secret": SECRET, "__name__": "receiver"}
    (block,) = (block for block in BLOCKS if "FastAPI" in block)
    exec(compiled(block), names)
    claims = {"iss": "mykey", "exp": time.time() + 60, "sha256": webhooks.body_hash(BODY)}
    signed = {"Authorization": jwt.encode(claims, SECRET, algorithm="HS256")}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(names["app"]), base_url="http://receiver") as http:
        assert (await http.post("/events", content=BODY, headers=signed)).status_code == 200
        assert capsys.readouterr().out == "room_started room\n"
        assert (await http.post("/events", content=BODY + b" ", headers=signed)).status_code == 401
        assert (await http.post("/events", content=BODY)).status_code == 401
