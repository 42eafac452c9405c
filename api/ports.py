"""The ports of the service, the settings that choose them, and why a port cannot be used, with the fix."""

import contextlib
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Self

from api.settings import PREFIX, Settings

FIRST_UNPRIVILEGED = 1024
"""Ports below need CAP_NET_BIND_SERVICE (net.ipv4.ip_unprivileged_port_start)."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one purpose. The last two fields are names of `settings.TABLE`."""

    protocol: Literal["TCP", "UDP"]
    hosts: tuple[str, ...]
    numbers: range
    setting: str
    host_setting: str = "host"

    @classmethod
    def public(cls, settings: Settings) -> Self:
        return cls("TCP", settings.host, _range(settings.port), "port")

    @classmethod
    def internal(cls, settings: Settings) -> Self | None:
        if settings.internal_port is None:
            return None
        if settings.internal_host:
            numbers = _range(settings.internal_port)
            return cls("TCP", settings.internal_host, numbers, "internal_port", "internal_host")
        return cls("TCP", settings.host, _range(settings.internal_port), "internal_port")

    @classmethod
    def media(cls, settings: Settings) -> Self:
        hosts, numbers = settings.media_hosts, _range(settings.udp_port, settings.workers)
        return cls("UDP", hosts, numbers, "udp_port", "host" if hosts == settings.host else "udp_host")

    @classmethod
    def media_tcp(cls, settings: Settings) -> Self | None:
        if settings.media_tcp_port is None:
            return None
        hosts, numbers = settings.media_hosts, _range(settings.media_tcp_port)
        return cls("TCP", hosts, numbers, "tcp_port", "host" if hosts == settings.host else "udp_host")

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Converts an OSError in this block whose `filename` is an `address:port` into a PortError, if it is of this
        protocol."""
        try:
            yield
        except OSError as error:
            if error.filename2 not in (None, self.protocol):
                raise
            host, _, number = str(error.filename).rpartition(":")
            if not host or not number.isdecimal():
                raise
            raise PortError(self, host.strip("[]"), int(number), error) from None


class PortError(Exception):
    """A port cannot be used. `str()` is one sentence; `sfu doctor` prints its parts."""

    def __init__(self, ports: Ports, host: str, number: int, error: OSError) -> None:
        self.port = f"{ports.protocol} port {number} on {host}"
        self.reason, self.fix = _reason_and_fix(ports, number, error)
        super().__init__(f"{self.port} is {self.reason}: {self.fix}.")


def _reason_and_fix(ports: Ports, number: int, error: OSError) -> tuple[str, str]:
    setting, host_setting = _named(ports.setting), _named(ports.host_setting)
    match error.errno:
        case errno.EADDRINUSE:
            return "in use, perhaps by a running service", f"stop it, or set {setting}"
        case errno.EADDRNOTAVAIL:
            return "not available, because this machine does not have the address", f"set {host_setting}"
        case errno.EACCES | errno.EPERM if number < FIRST_UNPRIVILEGED:
            return "not permitted", f"set {setting} to {FIRST_UNPRIVILEGED} or more"
        case errno.EACCES | errno.EPERM:
            return "not permitted", f"allow it where this process is confined, or set {setting}"
    why = os.strerror(error.errno).lower() if error.errno else str(error)
    return f"not available ({why})", f"set {host_setting} or {setting}"


def _range(first: int, count: int = 1) -> range:
    """Returns the port numbers. If `first` is 0 the system picks them, whatever the count."""
    return range(first, first + count) if first else range(1)


def _named(setting: str) -> str:
    return f"{PREFIX}{setting.upper()} (--{setting.replace('_', '-')})"
