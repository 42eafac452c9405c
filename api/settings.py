"""The settings of `sfu serve`, from environment and flags: one table. No other file reads SFU_* for the service."""

import difflib
import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api import addresses, cores
from api.auth import MIN_SECRET
from sfu import limits
from sfu.config import Config
from sfu.model import RoomOptions

PREFIX = "SFU_"
_DEFAULTS = Config()


class SettingsError(Exception):
    """The service cannot start with these settings. The sentence names the variable or the flag."""


@dataclass(frozen=True, slots=True)
class Mode:
    """The mode that defaults depend on."""

    dev: bool = False
    lan: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of the service. `TABLE` has their meanings."""

    keys: Mapping[str, str]
    host: tuple[str, ...]
    port: int
    udp_host: tuple[str, ...]
    udp_port: int
    announced_addresses: tuple[str, ...]
    workers: int
    internal_host: tuple[str, ...]
    internal_port: int | None
    tls_cert: Path | None
    tls_key: Path | None
    drain_limit: float
    resume_window: float
    create_on_demand: bool
    max_participants: int
    empty_timeout: float
    departure_timeout: float
    max_rooms: int
    max_rooms_per_key: int
    max_participants_per_key: int
    joins_per_key: int
    joins_per_address: int
    redundancy: int
    max_connections: int
    max_unauthenticated: int
    trusted_proxies: tuple[str, ...]
    revocation_memory: float
    viewers_per_token: int
    log_level: str
    trace: str
    captures: bool
    mode: Mode = Mode()

    @property
    def media_hosts(self) -> tuple[str, ...]:
        """Returns the addresses of the UDP ports. In development mode they include the machine's own address, because
        Firefox and GStreamer have no candidate of their own on the loopback device."""
        if self.udp_host:
            return self.udp_host
        own = addresses.own_address() if self.mode.dev and self.host == (addresses.LOOPBACK,) else None
        return (*self.host, own) if own else self.host

    @property
    def reaches_only_here(self) -> bool:
        """Returns whether the service listens on all addresses, but has only the loopback address to announce."""
        is_any = any(ipaddress.ip_address(host).is_unspecified for host in self.media_hosts)
        return is_any and addresses.reaches_only_here(self.config().announced_addresses)

    def config(self) -> Config:
        hosts = self.media_hosts
        return Config(
            hosts=hosts,
            udp_port=self.udp_port,
            workers=self.workers,
            announced_addresses=self.announced_addresses or addresses.announced(hosts),
            room=RoomOptions(
                max_participants=self.max_participants,
                empty_timeout=self.empty_timeout,
                departure_timeout=self.departure_timeout,
            ),
            create_on_demand=self.create_on_demand,
            resume_window=self.resume_window,
            drain_limit=self.drain_limit,
            max_rooms=self.max_rooms,
            max_rooms_per_key=self.max_rooms_per_key,
            max_participants_per_key=self.max_participants_per_key,
            joins_per_key=self.joins_per_key,
            joins_per_address=self.joins_per_address,
            redundancy=self.redundancy,
            revocation=self.revocation_memory,
            viewers_per_token=self.viewers_per_token,
            trace=self.trace,
            captures=self.captures,
        )


@dataclass(frozen=True, slots=True)
class Setting:
    """One row: the field of `Settings`, which is also the name of the variable (SFU_NAME) and of the flag (--name)."""

    name: str
    meaning: str
    parse: Callable[[str], Any]
    default: Callable[[Mode], str]
    secret: bool = False

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


@dataclass(frozen=True, slots=True)
class Value:
    """The value of a setting as text, and its origin: `environment`, `flag` or `default`."""

    setting: Setting
    text: str
    source: str

    def shown(self) -> str:
        """Returns the value for display, without secrets."""
        if not self.setting.secret:
            return self.text or "-"
        return ", ".join(f"{key}: (hidden)" for key in _keys(self.text)) or "-"


# Parsers: text to value, or ValueError with the rest of a sentence that begins with the setting's name.


def _keys(text: str) -> Mapping[str, str]:
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


def _address(text: str) -> str:
    if text == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"needs IP addresses, not {text!r}") from None


def _addresses(text: str) -> tuple[str, ...]:
    found = dict.fromkeys(_address(part.strip()) for part in text.split(",") if part.strip())
    # Each socket has one address family, so that IPv4 peers keep their addresses: `::` alone would exclude them.
    return (*found, "0.0.0.0") if "::" in found and "0.0.0.0" not in found else tuple(found)


def _hosts(text: str) -> tuple[str, ...]:
    found = _addresses(text)
    if not found:
        raise ValueError("needs at least one address")
    return found


def _reachable(text: str) -> tuple[str, ...]:
    found = _addresses(text)
    for address in found:
        if ipaddress.ip_address(address).is_unspecified:
            raise ValueError(f"needs addresses that clients can reach: {address} means any address")
    return found


def _networks(text: str) -> tuple[str, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        return tuple(str(ipaddress.ip_network(part, strict=False)) for part in parts)
    except ValueError:
        raise ValueError(f"needs addresses or networks such as 10.0.0.0/8, not {text!r}") from None


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not low <= int(text) <= high:
            raise ValueError(f"needs a whole number from {low} to {high}, not {text!r}")
        return int(text)

    return parse


def _optional_port(text: str) -> int | None:
    return _whole(0, 65535)(text) if text else None


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1e7:
        raise ValueError(f"needs a number of seconds, not {text!r}")
    return value


def _switch(text: str) -> bool:
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if text.lower() not in words:
        raise ValueError(f"needs true or false, not {text!r}")
    return words[text.lower()]


def _file(text: str) -> Path | None:
    if not text:
        return None
    path = Path(text)
    try:
        path.open("rb").close()
    except OSError as error:
        raise ValueError(f"names a file that cannot be read: {text} ({error.strerror})") from None
    return path


def _level(text: str) -> str:
    if text.lower() not in ("debug", "info", "warning", "error"):
        raise ValueError(f"needs debug, info, warning or error, not {text!r}")
    return text.lower()


def _trace(text: str) -> str:
    if text:
        # Only here: `sfu doctor` reads settings without the native module, too.
        from sfu.plane.binding import check_trace

        check_trace(text)
    return text


def _always(text: object) -> Callable[[Mode], str]:
    return lambda mode: str(text)


def _number(value: float) -> Callable[[Mode], str]:
    return _always(f"{value:g}")


TABLE: tuple[Setting, ...] = (
    Setting(
        "keys",
        "API keys and their secrets (at least 32 bytes), 'key: secret, …'; set two to rotate. "
        "As a flag, every user of the machine can see it.",
        _keys,
        _always(""),
        secret=True,
    ),
    Setting(
        "host",
        "Addresses to listen on, TCP and UDP. 0.0.0.0 stands for all of IPv4, :: for all of IPv4 and IPv6.",
        _hosts,
        lambda mode: "0.0.0.0" if mode.lan else "127.0.0.1",
    ),
    Setting(
        "port",
        "TCP port of REST, WebSocket, WHIP, WHEP and the page. 0: any free port.",
        _whole(0, 65535),
        _always(7880),
    ),
    Setting(
        "udp_host",
        "Addresses of the UDP ports. Empty: SFU_HOST; with --dev 127.0.0.1 and the machine's own address.",
        _addresses,
        _always(""),
    ),
    Setting(
        "udp_port",
        "UDP port of the first worker; worker i uses this port plus i. 0: any free ports.",
        _whole(0, 65535),
        _always(_DEFAULTS.udp_port),
    ),
    Setting(
        "announced_addresses",
        "Addresses at which clients reach the UDP ports, separated by commas. "
        "Empty: SFU_UDP_HOST or SFU_HOST; for 0.0.0.0 and :: all addresses of the machine, the default route's first.",
        _reachable,
        _always(""),
    ),
    Setting(
        "workers",
        "Packet threads, each with its UDP port; a room is on one of them. "
        "Default: one with --dev, otherwise the usable cores, minus one for Python if there are more than two.",
        _whole(1, 256),
        lambda mode: "1" if mode.dev else str(cores.workers(cores.usable())),
    ),
    Setting(
        "internal_port",
        "TCP port of /live, /ready, /metrics, GET /capture and POST /drain. Do not publish it. Empty: off.",
        _optional_port,
        _always(""),
    ),
    Setting("internal_host", "Addresses of the internal listener. Empty: SFU_HOST.", _addresses, _always("")),
    Setting("tls_cert", "File with the certificate chain (PEM); SIGHUP reloads it. Empty: no TLS.", _file, _always("")),
    Setting("tls_key", "File with the private key (PEM) of SFU_TLS_CERT; SIGHUP reloads it.", _file, _always("")),
    Setting(
        "drain_limit",
        "Seconds that present participants have when a drain starts.",
        _seconds,
        _number(_DEFAULTS.drain_limit),
    ),
    Setting(
        "resume_window",
        "Seconds after a disconnect in which a session can be resumed.",
        _seconds,
        _number(_DEFAULTS.resume_window),
    ),
    Setting("create_on_demand", "Whether a join creates its room.", _switch, _always("true")),
    Setting(
        "max_participants",
        "Maximum participants of a room that a join creates. 0: no limit.",
        _whole(0, 1_000_000),
        _always(_DEFAULTS.room.max_participants),
    ),
    Setting(
        "empty_timeout",
        "Seconds after which a room that nobody joined is deleted.",
        _seconds,
        _number(_DEFAULTS.room.empty_timeout),
    ),
    Setting(
        "departure_timeout",
        "Seconds after which a room is deleted once the last participant left.",
        _seconds,
        _number(_DEFAULTS.room.departure_timeout),
    ),
    Setting("max_rooms", "Maximum rooms at a time.", _whole(1, 1_000_000), _always(_DEFAULTS.max_rooms)),
    Setting(
        "max_rooms_per_key",
        "Maximum rooms of one API key at a time.",
        _whole(1, 1_000_000),
        _always(_DEFAULTS.max_rooms_per_key),
    ),
    Setting(
        "max_participants_per_key",
        "Maximum participants with tokens of one API key at a time.",
        _whole(1, 10_000_000),
        _always(_DEFAULTS.max_participants_per_key),
    ),
    Setting(
        "joins_per_key",
        "Joins per second with tokens of one API key; twice as many at once.",
        _whole(1, 1_000_000),
        _always(_DEFAULTS.joins_per_key),
    ),
    Setting(
        "joins_per_address",
        "Joins per second of one address (of IPv6, one /64); twice as many at once. See SFU_TRUSTED_PROXIES.",
        _whole(1, 1_000_000),
        _always(_DEFAULTS.joins_per_address),
    ),
    Setting(
        "redundancy",
        "Number of earlier audio packets (0 to 2) in each packet to subscribers that accept RED (RFC 2198): "
        "1 recovers single losses, and doubles the bit rate of audio.",
        _whole(0, 2),
        _always(_DEFAULTS.redundancy),
    ),
    Setting(
        "max_connections",
        "Maximum TCP connections at a time. When it is reached, idle ones without a token are closed.",
        _whole(16, 1_000_000),
        _always(limits.CONNECTIONS),
    ),
    Setting(
        "max_unauthenticated",
        "Maximum TCP connections of one address without a valid token. SFU_TRUSTED_PROXIES may have more.",
        _whole(1, 1_000_000),
        _always(limits.CONNECTIONS_PER_ADDRESS),
    ),
    Setting(
        "trusted_proxies",
        "Addresses and networks of proxies in front of the service, separated by commas. Their X-Forwarded-For is "
        "believed. Without it all clients of a proxy count as one address.",
        _networks,
        _always(""),
    ),
    Setting(
        "viewers_per_token",
        "Maximum WHEP sessions of one token in a room at a time; its claim video.maxViewers may raise it.",
        _whole(1, 1_000_000),
        _always(_DEFAULTS.viewers_per_token),
    ),
    Setting(
        "revocation_memory",
        "Minimum seconds for which tokens from before a removal are refused. No token should live longer.",
        _seconds,
        _number(_DEFAULTS.revocation),
    ),
    Setting("log_level", "debug, info, warning or error.", _level, lambda mode: "warning" if mode.dev else "info"),
    Setting(
        "trace",
        "Decisions of the packet plane to log, 'level' or 'target=level', several separated by commas: levels off, "
        "info, debug; targets commands, transport, ice, layers, keyframes, resends, discards. Empty: none.",
        _trace,
        _always(""),
    ),
    Setting(
        "captures",
        "Whether GET /capture of SFU_INTERNAL_PORT returns the clear packets of a participant. Its media is private.",
        _switch,
        _always("false"),
    ),
)

CLIENT: Mapping[str, str] = {
    "SFU_URL": "where the client commands (rooms, participants, drain) find the service",
    "SFU_API_KEY": "the API key that client commands sign their tokens with",
    "SFU_API_SECRET": "the secret of SFU_API_KEY",
}
"""Variables that the service ignores: a shell may set them for the client commands."""


def read(
    environ: Mapping[str, str], flags: Mapping[str, str | None] | None = None, mode: Mode = Mode()
) -> tuple[Settings, list[Value]]:
    """Returns the settings, and each row of the table with the origin of its value.

    A flag overrides a variable. Raises SettingsError with one sentence if the service cannot start with these settings.
    """
    settings, values = parse(environ, flags, mode)
    require_startable(settings)
    return settings, values


def parse(
    environ: Mapping[str, str], flags: Mapping[str, str | None] | None = None, mode: Mode = Mode()
) -> tuple[Settings, list[Value]]:
    """As `read`, but required settings may be missing and settings may contradict each other."""
    flags = flags or {}
    _refuse_unknown(environ)
    values: list[Value] = []
    parsed: dict[str, Any] = {}
    for setting in TABLE:
        given = flags.get(setting.name)
        if given is not None:
            value, where = Value(setting, given.strip(), "flag"), setting.flag
        elif setting.variable in environ:
            value, where = Value(setting, environ[setting.variable].strip(), "environment"), setting.variable
        else:
            value, where = Value(setting, setting.default(mode), "default"), setting.variable
        try:
            parsed[setting.name] = setting.parse(value.text)
        except ValueError as error:
            raise SettingsError(f"{where} {error}{_kubernetes(where, value.text)}.") from None
        values.append(value)
    return Settings(**parsed, mode=mode), values


def require_startable(settings: Settings) -> None:
    """Checks combinations of settings. Raises SettingsError if the service cannot start with them."""
    if not settings.keys and not settings.mode.dev:
        raise SettingsError("SFU_KEYS is not set: give an API key with its secret ('key: secret'), or use --dev.")
    if (settings.tls_cert is None) != (settings.tls_key is None):
        missing = "SFU_TLS_CERT" if settings.tls_cert is None else "SFU_TLS_KEY"
        raise SettingsError(f"{missing} is not set: a certificate and its key go together.")
    last = settings.udp_port + settings.workers - 1
    if settings.udp_port and last > 65535:
        raise SettingsError(
            f"SFU_UDP_PORT is too high for {settings.workers} workers: the last would have port {last}."
        )
    if settings.internal_port and settings.internal_port == settings.port:
        raise SettingsError("SFU_INTERNAL_PORT is the same as SFU_PORT: the internal listener needs its own port.")


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = {setting.variable for setting in TABLE} | CLIENT.keys()
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable not in known:
            hint = _kubernetes(variable, environ[variable])
            similar = difflib.get_close_matches(variable, known, n=1, cutoff=0.8)
            if not hint and similar:
                hint = f"; did you mean {similar[0]}?"
            raise SettingsError(
                f"{variable} is not a setting{hint or ': see sfu serve --print-config'}.".replace("?.", "?")
            )


def _kubernetes(variable: str, value: str) -> str:
    injected = re.fullmatch(r"SFU_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)", variable)
    if not injected and not re.match(r"(tcp|udp|sctp)://", value):
        return ""
    return (
        "; Kubernetes injects such variables for a Service named sfu: set enableServiceLinks: false in the pod, "
        "or name the Service otherwise"
    )
