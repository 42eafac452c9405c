"""A reply that was read."""

import json
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: httpx.Headers
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """Raises ValueError, also if it is nested too deeply."""
        try:
            return json.loads(self.content)
        except RecursionError:
            raise ValueError("The reply is nested too deeply.") from None
