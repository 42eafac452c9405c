"""TURN with coturn and the configuration that we ship: who may use it, what it relays to, and calls that need it."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from api import turn_check
from api.turn_client import FORBIDDEN, QUOTA_REACHED, UNAUTHENTICATED, Relay, TurnError
from sfu import limits
from sfu.ice_servers import ice_servers
from tests.sfu.scene import sdp

from . import coturn
from .chromium import Chromium, chromium
from .coturn import HOST, Coturn
from .firefox import Firefox
from .person import Person
from .server import addresses, serving, token
from .waiting import until

RELAYED = {"rtc": {"iceTransportPolicy": "relay"}}
"""Options of `join` in client.js: no direct path."""
TRANSPORTS = ("udp", "tcp", "tls")
METADATA = "169.254.169.254"
"""The metadata service of clouds: who reaches it has the rights of the machine."""
FORBIDDEN_PEERS = (METADATA, "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "127.0.0.2", "198.51.100.7")


@pytest.fixture(scope="module")
def turn() -> Iterator[Coturn]:
    with coturn.running(",".join(addresses())) as server:
        yield server


@pytest.fixture(autouse=True)
def _trust(turn: Coturn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(turn.certificate))


def allocate(turn: Coturn, transport: str = "udp", user: str = "PA_1") -> Relay:
    """Allocates with credentials as a participant gets them."""
    (server,) = ice_servers(turn.settings.config(), user, time.time())
    return Relay.allocate(coturn.parsed(turn.urls[transport]), server.username, server.credential, limit=20.0)


# What it relays to


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_it_relays_to_the_announced_addresses_both_ways(turn: Coturn, transport: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media, allocate(turn, transport) as relay:
        media.bind((HOST, 0))
        media.settimeout(20)
        relay.permit(HOST)
        relay.send(HOST, media.getsockname()[1], b"to media")
        received, at = media.recvfrom(100)
        assert received == b"to media" and at == relay.address
        assert limits.TURN_FIRST_PORT <= at[1] <= limits.TURN_LAST_PORT
        media.sendto(b"from media", at)
        assert relay.receive(20) == (b"from media", media.getsockname())


@pytest.mark.parametrize("peer", FORBIDDEN_PEERS)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_it_refuses_the_metadata_service_private_networks_and_all_others(
    turn: Coturn, transport: str, peer: str
) -> None:
    with allocate(turn, transport) as relay:
        with pytest.raises(TurnError) as refused:
            relay.permit(peer)
        assert refused.value.code == FORBIDDEN
        relay.permit(HOST)


def test_what_is_sent_to_a_refused_peer_does_not_leave(turn: Coturn) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other, allocate(turn) as relay:
        other.bind(("127.0.0.2", 0))
        other.settimeout(0.5)
        relay.send("127.0.0.2", other.getsockname()[1], b"x")
        with pytest.raises(TimeoutError):
            other.recv(100)


def test_the_firewall_of_the_configuration_lets_relays_reach_the_media_ports_only() -> None:
    if shutil.which("nft") is None:
        coturn.program("nft", "nftables")
    script = [sys.executable, "-m", "tests.e2e.turn_firewall"]
    run = subprocess.run(["unshare", "--net", *script], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    if run.stderr.startswith("unshare:"):
        pytest.skip(f"no network namespaces are allowed: {run.stderr.strip()}")
    assert run.returncode == 0, run.stderr
    seen = json.loads(run.stdout)
    if "why not" in seen:
        pytest.skip(f"the kernel has no nftables: {seen['why not']}")
    assert seen == {
        "without": {"media": True, "other": True},
        "with": {"media": True, "other": False},
    }


# Who may use it


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_it_refuses_who_has_no_valid_credentials(turn: Coturn, transport: str) -> None:
    url, (good,) = coturn.parsed(turn.urls[transport]), ice_servers(turn.settings.config(), "PA_1", time.time())
    (expired,) = ice_servers(turn.settings.config(), "PA_1", time.time() - limits.TURN_TTL - 60)
    longer = f"{int(time.time()) + 999_999}:PA_1"
    for username, credential in (
        (good.username, "guessed"), (expired.username, expired.credential), (longer, good.credential), ("PA_1", "x")
    ):  # fmt: skip
        with pytest.raises(TurnError) as refused:
            Relay.allocate(url, username, credential, limit=20.0)
        assert refused.value.code == UNAUTHENTICATED


def test_a_participant_has_a_quota_of_relays_and_others_have_theirs(turn: Coturn) -> None:
    relays: list[Relay] = []
    try:
        with pytest.raises(TurnError) as refused:
            for _ in range(limits.TURN_RELAYS_PER_USER + 1):
                relays.append(allocate(turn, user="PA_greedy"))
        assert refused.value.code == QUOTA_REACHED
        assert limits.TURN_RELAYS_PER_USER - 1 <= len(relays) <= limits.TURN_RELAYS_PER_USER
        allocate(turn, user="PA_other").close()
    finally:
        for relay in relays:
            relay.close()


def test_it_has_no_command_line_over_the_network(turn: Coturn) -> None:
    """coturn listens at port 5766 of 127.0.0.1 otherwise, without a password."""
    assert "CLI listener" not in turn.log.read_text()
    with pytest.raises(OSError), socket.create_connection((HOST, 5766), 5):
        pass


# The doctor


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_doctor_finds_a_good_server_good(turn: Coturn, transport: str) -> None:
    found = turn_check.examine(turn.settings, turn.urls[transport], limit=60.0)
    assert all(finding.is_good for finding in found), found
    said = " ".join(finding.found for finding in found)
    assert (
        f"it accepts the credentials and relays from {addresses()[-1]}" in said and "a datagram arrives at port" in said
    )
    assert found[-1].found == "refused"


# Calls


@pytest_asyncio.fixture(scope="module", loop_scope="session", name="chromium")
async def _chromium() -> AsyncIterator[Chromium]:
    # For the certificate of coturn.
    async with chromium(arguments=["--ignore-certificate-errors"]) as browser:
        yield browser


def dead() -> str:
    """The address of a TURN server that does not answer: UDP is blocked, for example."""
    return f"turn:{HOST}:{coturn.free_port()}?transport=udp"


@pytest.mark.browser
@pytest.mark.parametrize("ways", [["udp"], ["tcp"], ["tls"], ["dead", "tls"]], ids="+".join)
async def test_a_call_goes_over_the_relay(turn: Coturn, chromium: Chromium, site: str, ways: list[str]) -> None:
    urls = ",".join(dead() if way == "dead" else turn.urls[way] for way in ways)
    settings = {"turn_urls": urls, "turn_secret": coturn.SECRET, "udp_port": turn.settings.udp_port}
    async with serving(**settings) as server:
        ada = await Person.enter(chromium, site, server, "room", "ada", options=RELAYED)
        bob = await Person.enter(chromium, site, server, "room", "bob", options=RELAYED)
        try:
            await ada.call("publishCard", {"simulcast": False})
            await bob.see("ada", limit=60)
            for person in (ada, bob):
                assert await person.call("localCandidate") == {"type": "relay", "protocol": ways[-1]}

            # The network changed: the restart allocates with the credentials of the resume.
            before = await bob.call("iceUfrag")
            await bob.call("comeOnline")
            await until(lambda: bob.call("iceUfrag"), lambda now: now != before, "ICE is restarted", limit=60)
            await bob.become("connected")
            await bob.see_more("ada")
            assert (await bob.call("localCandidate"))["type"] == "relay"
        finally:
            await ada.close()
            await bob.close()


@pytest.mark.browser
@pytest.mark.parametrize("way", ["udp", "tcp"])
async def test_a_call_of_firefox_goes_over_the_relay(turn: Coturn, firefox: Firefox, site: str, way: str) -> None:
    # Firefox reaches nothing at the loopback address.
    url = turn.urls[way].replace(HOST, addresses()[-1])
    settings = {"turn_urls": url, "turn_secret": coturn.SECRET, "udp_port": turn.settings.udp_port}
    async with serving(**settings) as server:
        ada = await Person.enter(firefox, site, server, "room", "ada", options=RELAYED)
        bob = await Person.enter(firefox, site, server, "room", "bob", options=RELAYED)
        try:
            await ada.call("publishCard", {"simulcast": False})
            await bob.see("ada", limit=60)
            for person in (ada, bob):
                assert (await person.call("localCandidate"))["type"] == "relay"
        finally:
            await ada.close()
            await bob.close()


async def test_the_credentials_of_a_link_are_accepted(turn: Coturn) -> None:
    urls = ",".join(turn.urls.values())
    async with serving(turn_urls=urls, turn_secret=coturn.SECRET) as server:
        headers = {"Authorization": f"Bearer {token('camera', 'room')}"}
        for method, more in (("OPTIONS", {}), ("POST", {"content": sdp([("audio", "sendonly")])})):
            reply = await server.call(method, "/v1/whip", headers=headers | {"Content-Type": "application/sdp"}, **more)
            assert reply.is_success
            found = re.findall(
                r'<([^>]+)>; rel="ice-server"; username="(.+?)"; credential="(.+?)"', reply.headers["Link"]
            )
            assert [url for url, _, _ in found] == list(turn.urls.values())
            for url, username, credential in found:
                Relay.allocate(coturn.parsed(url), username, credential, limit=20.0).close()
