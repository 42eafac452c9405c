"""The configuration of coturn for this service: `sfu coturn` writes it from the settings.

coturn relays to the service's media and to nothing else. A relay that reaches other addresses lets everybody with a
token into the network of the TURN server. coturn restricts the addresses of peers, the firewall of its machine their
ports.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from api.settings import Settings, SettingsError
from api.settings.ice import IceUrl
from sfu import limits

CONFIGURATION, FIREWALL = "turnserver.conf", "turnserver.nft"


@dataclass(frozen=True, slots=True)
class Coturn:
    """What the settings of the service do not know of the TURN server."""

    certificate: str = "/etc/turnserver/fullchain.pem"
    private_key: str = "/etc/turnserver/privkey.pem"
    user: str = "turnserver"
    """The user of the process, as in Debian's package."""


def write(settings: Settings, coturn: Coturn, folder: Path) -> None:
    """Writes both files. They contain the secret, so only the owner can read them. Raises SettingsError."""
    files = {CONFIGURATION: configuration(settings, coturn), FIREWALL: firewall(settings, coturn)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            path = folder / name
            path.touch(mode=0o600)
            path.chmod(0o600)
            path.write_text(text)
    except OSError as error:
        raise SettingsError(f"{folder} cannot be written: {error.strerror}.") from None


def configuration(settings: Settings, coturn: Coturn) -> str:
    """Returns the text of turnserver.conf. Raises SettingsError."""
    urls = [IceUrl.parse(url) for url in settings.turn_urls]
    if not urls:
        raise SettingsError("SFU_TURN_URLS is not set: it has the addresses at which clients reach the TURN server.")
    peers = settings.config().announced_addresses
    plain = _port(url for url in urls if not url.is_secure)
    secure = _port(url for url in urls if url.is_secure)
    return "\n".join(
        [
            "# coturn for one sfu service. `sfu coturn` wrote this file from the settings of the service. Run it again",
            "# when SFU_TURN_URLS, SFU_TURN_SECRET, SFU_ANNOUNCED_ADDRESSES, SFU_UDP_PORT or SFU_WORKERS change.",
            "",
            "# Where clients find it. Behind NAT, add external-ip=PUBLIC/PRIVATE.",
            *([f"listening-port={plain}"] if plain else ["no-udp", "no-tcp"]),
            *(
                [f"tls-listening-port={secure}", f"cert={coturn.certificate}", f"pkey={coturn.private_key}"]
                if secure
                else ["no-tls"]
            ),
            # Browsers have no TURN over DTLS.
            "no-dtls",
            "no-tlsv1",
            "no-tlsv1_1",
            "",
            "# The service signs the credentials of its participants. They expire.",
            f"realm={urls[0].host}",
            "use-auth-secret",
            f"static-auth-secret={settings.turn_secret}",
            "stale-nonce=600",
            "fingerprint",
            "",
            "# Peers: the announced addresses of the service, and no others. See turnserver.nft for their ports.",
            *(f"allowed-peer-ip={peer}" for peer in peers),
            "denied-peer-ip=0.0.0.0-255.255.255.255",
            "denied-peer-ip=::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "no-multicast-peers",
            *(["allow-loopback-peers"] if any(ipaddress.ip_address(peer).is_loopback for peer in peers) else []),
            "no-tcp-relay",
            "no-dynamic-ip-list",
            "no-dynamic-realms",
            "",
            "# Quotas: relays of one participant, of all, and octets per second of each relay in each direction.",
            f"user-quota={limits.TURN_RELAYS_PER_USER}",
            f"total-quota={limits.TURN_RELAYS}",
            f"max-bps={limits.TURN_OCTETS_PER_SECOND}",
            f"min-port={limits.TURN_FIRST_PORT}",
            f"max-port={limits.TURN_LAST_PORT}",
            "",
            "# No administration over the network, and nothing about this server for strangers.",
            "no-cli",
            "no-rfc5780",
            "response-origin-only-with-rfc5780",
            "no-stun-backward-compatibility",
            "no-software-attribute",
            "",
        ]
    )


def firewall(settings: Settings, coturn: Coturn) -> str:
    """Returns rules for nftables: relays send to the media ports of the announced addresses only. Raises
    SettingsError."""
    if not settings.udp_port:
        raise SettingsError("SFU_UDP_PORT is 0: the TURN server must know the media ports, so they must be fixed.")
    last = settings.udp_port + settings.workers - 1
    ports = str(settings.udp_port) if last == settings.udp_port else f"{settings.udp_port}-{last}"
    peers = [ipaddress.ip_address(peer) for peer in settings.config().announced_addresses]
    relayed = f"{limits.TURN_FIRST_PORT}-{limits.TURN_LAST_PORT}"
    accepted = [f"{'ip' if peer.version == 4 else 'ip6'} daddr {peer} udp dport {ports} accept" for peer in peers]
    return "\n".join(
        [
            "# Relays of coturn send to the media ports of the sfu service only. Load it with: nft -f turnserver.nft",
            "table inet sfu_turn",
            "delete table inet sfu_turn",
            "table inet sfu_turn {",
            "    chain relays {",
            *(f"        {rule}" for rule in accepted),
            "        counter drop",
            "    }",
            "    chain output {",
            "        type filter hook output priority filter; policy accept;",
            f'        meta skuid "{coturn.user}" udp sport {relayed} goto relays',
            "    }",
            "}",
            "",
        ]
    )


def _port(urls: Iterable[IceUrl]) -> int:
    """Returns the port of these addresses. 0: there are none. Raises SettingsError if they have several."""
    ports = dict.fromkeys(url.port for url in urls)
    if len(ports) > 1:
        named = ", ".join(map(str, ports))
        raise SettingsError(
            f"SFU_TURN_URLS has several ports ({named}): coturn listens on one for turn:, one for turns:."
        )
    port = next(iter(ports), 0)
    if port >= limits.TURN_FIRST_PORT:
        # The firewall would drop its responses.
        raise SettingsError(f"SFU_TURN_URLS has the port {port}: ports from {limits.TURN_FIRST_PORT} are for relays.")
    return port
