"""Logging of the process. No token is ever logged."""

import logging
import re

from sfu.plane.binding import TRACE

_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?|(?<=access_token=)[^\s&\"']+")
"""A JWT, or its beginning, starts with the base64 of `{"`. After `access_token=` any text is a token."""


class Redacting(logging.Formatter):
    """A second protection: our own lines have no tokens, but a traceback or a library's line might."""

    def format(self, record: logging.LogRecord) -> str:
        return _TOKEN.sub("<token>", super().format(record))


def configure(level: str, *, trace: bool = False) -> None:
    """Logs to stderr. Libraries log warnings and errors only, at any level, because their lines contain query strings.
    `trace`: the plane's decisions are logged, at any level."""
    handler = logging.StreamHandler()
    handler.setFormatter(Redacting("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "websockets", "httpx", "httpcore", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
        logger.setLevel(logging.WARNING)
    if trace:
        logging.getLogger(TRACE).setLevel(logging.DEBUG)
