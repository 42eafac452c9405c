"""Prints which ports the relays of coturn reach, with and without its firewall: as a script, in a network namespace.

Prints `why not` if the kernel has no nftables."""

import fcntl
import json
import socket
import struct
import subprocess
import time

from api.turn_client import Relay
from sfu.ice_servers import ice_servers

from . import coturn
from .coturn import HOST, Coturn

SIOCSIFFLAGS, IFF_UP_RUNNING = 0x8914, 0x41
"""netdevice(7)"""
PROBE = """table inet probe {
    chain output {
        type filter hook output priority filter; policy accept;
        meta skuid 0 udp sport 1-2 counter drop
    }
}
"""
"""Rules with everything that the firewall uses: a kernel that refuses these has no nftables, or no right to them."""
LIMIT, LITTLE = 20.0, 1.0
"""Seconds in which a datagram arrives, and after which one that has not is believed to be lost."""


def main() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP_RUNNING))
    probed = subprocess.run(["nft", "-f", "-"], input=PROBE, capture_output=True, text=True)
    if probed.returncode:
        print(json.dumps({"why not": probed.stderr}))
        return
    with coturn.running() as turn:
        without = reached(turn, LIMIT)
        subprocess.run(["nft", "-f", turn.firewall], check=True)
        print(json.dumps({"without": without, "with": reached(turn, LITTLE)}))


def reached(turn: Coturn, limit: float) -> dict[str, bool]:
    """Sends to the media port, then to another port of the same address. `limit`: seconds to wait for the latter."""
    (server,) = ice_servers(turn.settings.config(), "PA_1", time.time())
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
        Relay.allocate(coturn.parsed(turn.urls["udp"]), server.username, server.credential, limit=LIMIT) as relay,
    ):
        media.bind((HOST, turn.settings.udp_port))
        other.bind((HOST, 0))
        relay.permit(HOST)
        for target in (media, other):  # coturn ends a relay whose datagram the firewall drops.
            relay.send(HOST, target.getsockname()[1], b"x")
        return {"media": _receives(media, LIMIT), "other": _receives(other, limit)}


def _receives(target: socket.socket, limit: float) -> bool:
    target.settimeout(limit)
    try:
        return target.recv(10) == b"x"
    except TimeoutError:
        return False


if __name__ == "__main__":
    main()
