"""The settings of the service as values, and what follows from them."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from api import addresses
from api.settings.parsers import TcpPort
from sfu.config import Config, TurnServers, Webhook
from sfu.model import IceServer, RoomOptions


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
    tcp_port: TcpPort
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
    turn_urls: tuple[str, ...]
    turn_secret: str
    turn_ttl: int
    ice_servers: tuple[IceServer, ...]
    redundancy: int
    max_connections: int
    max_unauthenticated: int
    trusted_proxies: tuple[str, ...]
    revocation_memory: float
    viewers_per_token: int
    node: str
    state_dir: str
    event_age: float
    event_octets: int
    webhooks: tuple[Webhook, ...]
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
    def media_tcp_port(self) -> int | None:
        """Returns the TCP port of media. None: there is none."""
        match self.tcp_port:
            case "off":
                return None
            case "same":
                return None if self.udp_port in {self.port, self.internal_port} - {0} else self.udp_port
            case port:
                return port

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
            tcp_port=self.media_tcp_port,
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
            node=self.node,
            state_dir=self.state_dir,
            event_age=self.event_age,
            event_octets=self.event_octets,
            webhooks=tuple(replace(one, key=one.key or next(iter(self.keys), "")) for one in self.webhooks),
            trace=self.trace,
            captures=self.captures,
            turn=TurnServers(self.turn_urls, self.turn_secret, self.turn_ttl),
            ice_servers=self.ice_servers,
        )
