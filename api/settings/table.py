"""The table of settings: name, meaning, parser and default of each."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from api import cores
from api.settings import ice, parsers, webhooks
from api.settings.values import Mode
from sfu import limits
from sfu.config import Config

PREFIX = "SFU_"
_DEFAULTS = Config()


@dataclass(frozen=True, slots=True)
class Setting:
    """One row: the field of `Settings`, which is also the name of the variable (SFU_NAME) and of the flag (--name)."""

    name: str
    meaning: str
    parse: Callable[[str], Any]
    default: Callable[[Mode], str]
    hide: Callable[[str], str] | None = None
    """Returns the text for display, without secrets. None: it has none."""

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


def _always(text: object) -> Callable[[Mode], str]:
    return lambda mode: str(text)


def _number(value: float) -> Callable[[Mode], str]:
    return _always(f"{value:g}")


def _machine(mode: Mode) -> str:
    return socket.gethostname()


TABLE: tuple[Setting, ...] = (
    Setting(
        "keys",
        "API keys and their secrets (at least 32 bytes), 'key: secret, …'; set two to rotate. "
        "As a flag, every user of the machine can see it.",
        parsers.keys,
        _always(""),
        hide=parsers.hidden_keys,
    ),
    Setting(
        "host",
        "Addresses to listen on, TCP and UDP. 0.0.0.0 stands for all of IPv4, :: for all of IPv4 and IPv6.",
        parsers.hosts,
        lambda mode: "0.0.0.0" if mode.lan else "127.0.0.1",
    ),
    Setting(
        "port",
        "TCP port of REST, WebSocket, WHIP, WHEP and the page. 0: any free port.",
        parsers.whole(0, 65535),
        _always(7880),
    ),
    Setting(
        "udp_host",
        "Addresses of the UDP ports. Empty: SFU_HOST; with --dev 127.0.0.1 and the machine's own address.",
        parsers.addresses,
        _always(""),
    ),
    Setting(
        "udp_port",
        "UDP port of the first worker; worker i uses this port plus i. 0: any free ports.",
        parsers.whole(0, 65535),
        _always(_DEFAULTS.udp_port),
    ),
    Setting(
        "tcp_port",
        "TCP port of all workers, for media of clients whose network blocks UDP (RFC 6544); on SFU_UDP_HOST. "
        "same: the number of SFU_UDP_PORT, unless that is SFU_PORT; 0: any free port; off: no TCP.",
        parsers.tcp_port,
        _always("same"),
    ),
    Setting(
        "announced_addresses",
        "Addresses at which clients reach the UDP ports and SFU_TCP_PORT, separated by commas. "
        "Empty: SFU_UDP_HOST or SFU_HOST; for 0.0.0.0 and :: all addresses of the machine, the default route's first.",
        parsers.reachable,
        _always(""),
    ),
    Setting(
        "workers",
        "Packet threads, each with its UDP port; a room is on one of them. "
        "Default: one with --dev, otherwise the usable cores, minus one for Python if there are more than two.",
        parsers.whole(1, 256),
        lambda mode: "1" if mode.dev else str(cores.workers(cores.usable())),
    ),
    Setting(
        "internal_port",
        "TCP port of /live, /ready, /metrics, GET /capture and POST /drain. Do not publish it. Empty: off.",
        parsers.optional_port,
        _always(""),
    ),
    Setting("internal_host", "Addresses of the internal listener. Empty: SFU_HOST.", parsers.addresses, _always("")),
    Setting(
        "tls_cert",
        "File with the certificate chain (PEM); SIGHUP reloads it. Empty: no TLS.",
        parsers.file,
        _always(""),
    ),
    Setting(
        "tls_key", "File with the private key (PEM) of SFU_TLS_CERT; SIGHUP reloads it.", parsers.file, _always("")
    ),
    Setting(
        "drain_limit",
        "Seconds that present participants have when a drain starts.",
        parsers.seconds,
        _number(_DEFAULTS.drain_limit),
    ),
    Setting(
        "resume_window",
        "Seconds after a disconnect in which a session can be resumed.",
        parsers.seconds,
        _number(_DEFAULTS.resume_window),
    ),
    Setting("create_on_demand", "Whether a join creates its room.", parsers.switch, _always("true")),
    Setting(
        "max_participants",
        "Maximum participants of a room that a join creates. 0: no limit.",
        parsers.whole(0, 1_000_000),
        _always(_DEFAULTS.room.max_participants),
    ),
    Setting(
        "empty_timeout",
        "Seconds after which a room that nobody joined is deleted.",
        parsers.seconds,
        _number(_DEFAULTS.room.empty_timeout),
    ),
    Setting(
        "departure_timeout",
        "Seconds after which a room is deleted once the last participant left.",
        parsers.seconds,
        _number(_DEFAULTS.room.departure_timeout),
    ),
    Setting("max_rooms", "Maximum rooms at a time.", parsers.whole(1, 1_000_000), _always(_DEFAULTS.max_rooms)),
    Setting(
        "max_rooms_per_key",
        "Maximum rooms of one API key at a time.",
        parsers.whole(1, 1_000_000),
        _always(_DEFAULTS.max_rooms_per_key),
    ),
    Setting(
        "max_participants_per_key",
        "Maximum participants with tokens of one API key at a time.",
        parsers.whole(1, 10_000_000),
        _always(_DEFAULTS.max_participants_per_key),
    ),
    Setting(
        "joins_per_key",
        "Joins per second with tokens of one API key; twice as many at once.",
        parsers.whole(1, 1_000_000),
        _always(_DEFAULTS.joins_per_key),
    ),
    Setting(
        "joins_per_address",
        "Joins per second of one address (of IPv6, one /64); twice as many at once. See SFU_TRUSTED_PROXIES.",
        parsers.whole(1, 1_000_000),
        _always(_DEFAULTS.joins_per_address),
    ),
    Setting(
        "turn_urls",
        "Addresses of TURN servers for clients that cannot reach the UDP ports, separated by commas, such as "
        "turn:turn.example.com?transport=udp, turn:turn.example.com?transport=tcp, turns:turn.example.com:443. "
        "Needs SFU_TURN_SECRET.",
        ice.turn_urls,
        _always(""),
    ),
    Setting(
        "turn_secret",
        "The secret (at least 32 bytes) that the TURN servers share (coturn: static-auth-secret). "
        "As a flag, every user of the machine can see it.",
        ice.turn_secret,
        _always(""),
        hide=ice.hidden,
    ),
    Setting(
        "turn_ttl",
        "Seconds for which TURN credentials are valid. Clients with a WebSocket get new ones at half of this time.",
        parsers.whole(600, 30 * 86_400),
        _always(_DEFAULTS.turn.ttl),
    ),
    Setting(
        "ice_servers",
        'Other STUN and TURN servers for clients, as a JSON list: [{"urls": "stun:stun.example.com"}]. '
        "A client needs no STUN server to reach this service.",
        ice.ice_servers,
        _always(""),
        hide=ice.hidden_ice_servers,
    ),
    Setting(
        "redundancy",
        "Most earlier audio packets (0 to 2) in each packet to subscribers that accept RED (RFC 2198) and have loss: "
        "1 recovers single losses, and doubles the bit rate of audio.",
        parsers.whole(0, 2),
        _always(_DEFAULTS.redundancy),
    ),
    Setting(
        "max_connections",
        "Maximum TCP connections at a time. When it is reached, idle ones without a token are closed.",
        parsers.whole(16, 1_000_000),
        _always(limits.CONNECTIONS),
    ),
    Setting(
        "max_unauthenticated",
        "Maximum TCP connections of one address without a valid token. SFU_TRUSTED_PROXIES may have more.",
        parsers.whole(1, 1_000_000),
        _always(limits.CONNECTIONS_PER_ADDRESS),
    ),
    Setting(
        "trusted_proxies",
        "Addresses and networks of proxies in front of the service, separated by commas. Their X-Forwarded-For is "
        "believed. Without it all clients of a proxy count as one address.",
        parsers.networks,
        _always(""),
    ),
    Setting(
        "viewers_per_token",
        "Maximum WHEP sessions of one token in a room at a time; its claim video.maxViewers may raise it.",
        parsers.whole(1, 1_000_000),
        _always(_DEFAULTS.viewers_per_token),
    ),
    Setting(
        "revocation_memory",
        "Minimum seconds for which tokens from before a removal are refused. No token should live longer.",
        parsers.seconds,
        _number(_DEFAULTS.revocation),
    ),
    Setting("node", "The name of this process in events. Default: the machine's name.", parsers.text, _machine),
    Setting(
        "state_dir",
        "Folder of the database of events, which no other process uses. Events then outlive the process. "
        "Empty: they are kept in memory.",
        parsers.text,
        _always(""),
    ),
    Setting("event_age", "Seconds for which events are kept.", parsers.seconds, _always(_DEFAULTS.event_age)),
    Setting(
        "event_octets",
        "Maximum octets of the events that are kept; beyond it the oldest are removed.",
        parsers.whole(1 << 16, 1 << 36),
        _always(_DEFAULTS.event_octets),
    ),
    Setting(
        "webhooks",
        'Receivers of events, as a JSON list: [{"name": "billing", "url": "https://billing.example/events"}]; '
        "also events (types), rooms (a pattern), key (of SFU_KEYS), secret (whsec_…), private (addresses).",
        webhooks.webhooks,
        _always(""),
        hide=webhooks.hidden,
    ),
    Setting(
        "log_level", "debug, info, warning or error.", parsers.level, lambda mode: "warning" if mode.dev else "info"
    ),
    Setting(
        "trace",
        "Decisions of the packet plane to log, 'level' or 'target=level', several separated by commas: levels off, "
        "info, debug; targets commands, transport, ice, layers, keyframes, resends, discards. Empty: none.",
        parsers.trace,
        _always(""),
    ),
    Setting(
        "captures",
        "Whether GET /capture of SFU_INTERNAL_PORT returns the clear packets of a participant. Its media is private.",
        parsers.switch,
        _always("false"),
    ),
)

CLIENT: Mapping[str, str] = {
    "SFU_URL": "where the client commands (rooms, participants, drain) find the service",
    "SFU_API_KEY": "the API key that client commands sign their tokens with",
    "SFU_API_SECRET": "the secret of SFU_API_KEY",
}
"""Variables that the service ignores: a shell may set them for the client commands."""
