"""What the operations of the client are made of: a request, and its reply as a type."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ..address import given
from ..errors import InvalidAnswer
from ..reply import Reply
from .connection import Connection

Answer = TypeVar("Answer", bound=BaseModel)


class Requests:
    """The base of the operations."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def _send(self, kind: type[Answer], method: str, where: str, body: Any = None) -> Answer:
        return read_as(kind, await self._connection.ask(method, where, json=body))

    async def _page(self, kind: type[Answer], where: str, after: str, limit: int | None) -> Answer:
        query = given(after=after or None, limit=limit)
        return read_as(kind, await self._connection.ask("GET", where, query=query))


def read_as(kind: type[Answer], reply: Reply) -> Answer:
    try:
        return kind.model_validate_json(reply.content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidAnswer(f"The reply is no {kind.__name__}: {where}: {first['msg']}.") from None
