"""Parsers of settings: text to value, or ValueError with the rest of a sentence that begins with the setting's name."""

import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from api.auth import MIN_SECRET
from sfu import limits

TcpPort = int | Literal["same", "off"]
"""A port, the number of the UDP port, or none."""


def keys(text: str) -> Mapping[str, str]:
    keys: dict[str, str] = {}
    for pair in re.split(r"[,\n]", text):
        if not pair.strip():
            continue
        key, colon, secret = (part.strip() for part in pair.partition(":"))
        if not colon or not key or not secret:
            raise ValueError("needs the form 'key: secret', several separated by commas")
        if key in keys:
            raise ValueError(f"names the key {key!r} twice")
        if len(secret.encode()) < MIN_SECRET:
            raise ValueError(
                f"has a secret of {len(secret.encode())} bytes for the key {key!r}: at least {MIN_SECRET} are needed"
            )
        keys[key] = secret
    return keys


def hidden_keys(text: str) -> str:
    return ", ".join(f"{key}: (hidden)" for key in keys(text))


def address(text: str) -> str:
    if text == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"needs IP addresses, not {text!r}") from None


def addresses(text: str) -> tuple[str, ...]:
    found = dict.fromkeys(address(part.strip()) for part in text.split(",") if part.strip())
    # Each socket has one address family, so that IPv4 peers keep their addresses: `::` alone would exclude them.
    return (*found, "0.0.0.0") if "::" in found and "0.0.0.0" not in found else tuple(found)


def hosts(text: str) -> tuple[str, ...]:
    found = addresses(text)
    if not found:
        raise ValueError("needs at least one address")
    return found


def reachable(text: str) -> tuple[str, ...]:
    found = addresses(text)
    for address in found:
        if ipaddress.ip_address(address).is_unspecified:
            raise ValueError(f"needs addresses that clients can reach: {address} means any address")
    return found


def networks(text: str) -> tuple[str, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        return tuple(str(ipaddress.ip_network(part, strict=False)) for part in parts)
    except ValueError:
        raise ValueError(f"needs addresses or networks such as 10.0.0.0/8, not {text!r}") from None


def whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not low <= int(text) <= high:
            raise ValueError(f"needs a whole number from {low} to {high}, not {text!r}")
        return int(text)

    return parse


def optional_port(text: str) -> int | None:
    return whole(0, 65535)(text) if text else None


def tcp_port(text: str) -> TcpPort:
    match text:
        case "same" | "off":
            return text
    if not text.isdecimal():
        raise ValueError(f"needs a whole number from 0 to 65535, same or off, not {text!r}")
    return whole(0, 65535)(text)


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1e7:
        raise ValueError(f"needs a number of seconds, not {text!r}")
    return value


def switch(text: str) -> bool:
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if text.lower() not in words:
        raise ValueError(f"needs true or false, not {text!r}")
    return words[text.lower()]


def file(text: str) -> Path | None:
    if not text:
        return None
    path = Path(text)
    try:
        path.open("rb").close()
    except OSError as error:
        raise ValueError(f"names a file that cannot be read: {text} ({error.strerror})") from None
    return path


def text(text: str) -> str:
    if len(text) > limits.NAME_CHARACTERS:
        raise ValueError(f"has at most {limits.NAME_CHARACTERS} characters")
    return text


def level(text: str) -> str:
    if text.lower() not in ("debug", "info", "warning", "error"):
        raise ValueError(f"needs debug, info, warning or error, not {text!r}")
    return text.lower()


def trace(text: str) -> str:
    if text:
        # Only here: `sfu doctor` reads settings without the native module, too.
        from sfu.plane.binding import check_trace

        check_trace(text)
    return text
