"""The number of connections that the process may hold open, by setting and by file descriptors."""

import ipaddress
import logging
import resource

from api.connections import Connections
from api.settings import Settings
from sfu import limits

log = logging.getLogger(__name__)

RESERVED = 256
"""File descriptors for everything else: UDP sockets, the log, the internal listener."""


def connections(settings: Settings) -> Connections:
    """Raises the soft limit of the process (RLIMIT_NOFILE) towards what the settings need."""
    reserved = RESERVED + (limits.LINKS if settings.media_tcp_port is not None else 0)
    wanted = settings.max_connections + reserved
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    most = settings.max_connections
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = max(soft - reserved, soft // 2)
        log.warning(
            "%d connections at most, not %d: the process may open %d files", most, settings.max_connections, soft
        )
    trusted = [ipaddress.ip_network(one) for one in settings.trusted_proxies]
    return Connections(most, settings.max_unauthenticated, trusted)
