"""A selective forwarding unit: Python controls rooms, and a native plane in the same process forwards packets.

Names that need the native module import it at first use (PEP 562), so the rest works without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sfu.config import Config
from sfu.errors import (
    Conflict,
    InvalidRequest,
    LimitExceeded,
    NativeModuleError,
    NegotiationError,
    NotAllowed,
    NotFound,
    SfuError,
    Stale,
    Unauthenticated,
    Unavailable,
)

if TYPE_CHECKING:
    from sfu.service import Sfu
    from sfu.signalling.requests import SignallingSession
    from sfu.signalling.sessions import refusal

__all__ = [
    "Config",
    "Conflict",
    "InvalidRequest",
    "LimitExceeded",
    "NativeModuleError",
    "NegotiationError",
    "NotAllowed",
    "NotFound",
    "Sfu",
    "SfuError",
    "SignallingSession",
    "Stale",
    "Unauthenticated",
    "Unavailable",
    "refusal",
]

_NEED_THE_NATIVE_MODULE = {
    "SignallingSession": "sfu.signalling.requests",
    "Sfu": "sfu.service",
    "refusal": "sfu.signalling.sessions",
}


def __getattr__(name: str) -> Any:
    """Raises NativeModuleError, which is an ImportError, if the native module cannot be used."""
    if name not in _NEED_THE_NATIVE_MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_NEED_THE_NATIVE_MODULE[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
