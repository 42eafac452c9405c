"""`sfu doctor --turn URL`: whether a TURN server accepts our credentials, and relays to our media and nothing else."""

import ipaddress
import socket
import time
from collections.abc import Iterator

from api.doctor import Finding
from api.settings import Settings
from api.settings.ice import TURN, IceUrl
from api.turn_client import FORBIDDEN, QUOTA_REACHED, UNAUTHENTICATED, CertificateError, Relay, TurnError
from sfu.ice_servers import ice_servers

USER = "doctor"
PRIVATE = ("169.254.169.254", "10.0.0.1", "172.16.0.1", "192.168.0.1", "127.0.0.1")
"""Peers that nobody may reach through a relay: the metadata service of clouds, private networks, the server itself."""
PROBE = b"sfu doctor --turn"
LIMIT = 5.0
"""Seconds that each response, and a datagram over the relay, may take."""


def examine(settings: Settings, url: str, limit: float = LIMIT) -> list[Finding]:
    """Returns one finding for each thing that was tried. Raises ValueError if it is no address of a TURN server."""
    parsed = IceUrl.parse(url)
    if parsed.scheme not in TURN:
        raise ValueError(f"needs the address of a TURN server, not {url}")
    servers = ice_servers(settings.config(), USER, time.time())
    # A server of the settings has its own credentials. Another one is tried with those of SFU_TURN_SECRET.
    of_url = [server for server in servers if url in server.urls]
    shared = servers[: 1 if settings.turn_urls else 0]
    found = next(iter((*of_url, *shared)), None)
    if found is None:
        return [Finding(url, False, "there are no credentials for it", "set SFU_TURN_URLS and SFU_TURN_SECRET")]
    begun = time.monotonic()
    try:
        relay = Relay.allocate(parsed, found.username, found.credential, limit=limit)
    except TurnError as error:
        return [Finding(url, False, str(error), _fix(error))]
    with relay:
        took = f"{(time.monotonic() - begun) * 1000:.0f} ms"
        at = f"{relay.address[0]} port {relay.address[1]}"
        return [
            Finding(url, True, f"it accepts the credentials and relays from {at}, after {took}"),
            *_reaches_media(settings, relay, limit),
            _refuses_others(settings, relay),
        ]


def _fix(error: TurnError) -> str:
    if isinstance(error, CertificateError):
        return "give it a certificate for this name that browsers accept (coturn: cert and pkey)"
    if error.code == UNAUTHENTICATED:
        return "give it the same secret (coturn: static-auth-secret), and compare the clocks of both machines"
    if error.code == QUOTA_REACHED:
        return "wait until relays end, or raise its quotas (coturn: user-quota, total-quota)"
    return "check its address, that it runs, and the firewalls in between" if error.code == 0 else "see its log"


def _reaches_media(settings: Settings, relay: Relay, limit: float) -> Iterator[Finding]:
    for address in settings.config().announced_addresses:
        what = f"relay to {address}"
        if not _same_family(address, relay.address[0]):
            yield Finding(what, True, "not tried, because the relay has an address of the other IP version")
            continue
        try:
            relay.permit(address)
        except TurnError as error:
            fix = f"allow this peer (coturn: allowed-peer-ip={address}); `sfu coturn` writes the configuration"
            yield Finding(what, False, str(error), fix if error.code == FORBIDDEN else _fix(error))
            continue
        yield _arrives(settings, relay, address, limit)


def _arrives(settings: Settings, relay: Relay, address: str, limit: float) -> Finding:
    """Sends a datagram over the relay to the first media port, if this machine has the address and the port is free."""
    what = f"relay to {address}"
    version = ipaddress.ip_address(address).version
    with socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as media:
        try:
            media.bind((address, settings.udp_port))
        except OSError:
            return Finding(what, True, "permitted; whether datagrams arrive was not tried, as the service has the port")
        port = media.getsockname()[1]
        deadline = time.monotonic() + limit
        while (left := deadline - time.monotonic()) > 0:
            relay.send(address, port, PROBE)
            media.settimeout(min(left, 0.5))
            try:
                if media.recv(1500) == PROBE:
                    return Finding(what, True, f"a datagram arrives at port {port}")
            except TimeoutError:
                continue
    fix = f"let the TURN server send UDP to {address} port {port}: its firewall (turnserver.nft), and those in between"
    return Finding(what, False, f"permitted, but no datagram arrives at port {port}", fix)


def _refuses_others(settings: Settings, relay: Relay) -> Finding:
    what = "relay to private networks"
    ours = settings.config().announced_addresses
    permitted = []
    for address in PRIVATE:
        if address in ours or not _same_family(address, relay.address[0]):
            continue
        try:
            relay.permit(address)
        except TurnError as error:
            if error.code == 0:
                return Finding(what, False, str(error), _fix(error))
        else:
            permitted.append(address)
    if permitted:
        found = f"permitted to {', '.join(permitted)}: everybody with a token reaches the network of the TURN server"
        return Finding(what, False, found, "deny all peers but the service; `sfu coturn` writes the configuration")
    return Finding(what, True, "refused")


def _same_family(one: str, other: str) -> bool:
    return ipaddress.ip_address(one).version == ipaddress.ip_address(other).version
