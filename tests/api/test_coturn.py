"""The configuration of coturn that `sfu coturn` writes; `tests/e2e/test_turn.py` runs coturn with it."""

import stat
from pathlib import Path

import pytest

from api.coturn import Coturn, configuration, firewall, write
from api.settings import Settings, SettingsError, read

SECRET = "s" * 32
GIVEN = {
    "SFU_KEYS": f"key: {SECRET}",
    "SFU_WORKERS": "4",
    "SFU_ANNOUNCED_ADDRESSES": "192.0.2.1,2001:db8::1",
    "SFU_TURN_URLS": "turn:turn.example.com?transport=udp, turn:turn.example.com?transport=tcp, "
    "turns:turn.example.com:443",
    "SFU_TURN_SECRET": "t" * 32,
}


def settings(**more: str) -> Settings:
    return read(GIVEN | {f"SFU_{name.upper()}": value for name, value in more.items()})[0]


def lines(text: str) -> set[str]:
    return {line.strip() for line in text.splitlines() if line and not line.startswith("#")}


def test_peers_are_the_announced_addresses_and_no_others() -> None:
    said = lines(configuration(settings(), Coturn()))
    assert {line for line in said if "peer" in line} == {
        "allowed-peer-ip=192.0.2.1",
        "allowed-peer-ip=2001:db8::1",
        "denied-peer-ip=0.0.0.0-255.255.255.255",
        "denied-peer-ip=::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "no-multicast-peers",
    }, "and loopback peers are not allowed"
    assert {"no-cli", "no-tcp-relay", "use-auth-secret", f"static-auth-secret={'t' * 32}"} <= said
    assert {"user-quota=32", "total-quota=8192", "max-bps=2500000"} <= said


def test_a_service_on_the_loopback_device_can_be_tried() -> None:
    assert "allow-loopback-peers" in lines(configuration(settings(announced_addresses="127.0.0.1"), Coturn()))


def test_it_listens_where_the_addresses_are() -> None:
    said = lines(configuration(settings(), Coturn("/c", "/k")))
    assert {"listening-port=3478", "tls-listening-port=443", "cert=/c", "pkey=/k", "realm=turn.example.com"} <= said
    said = lines(configuration(settings(turn_urls="turn:a:80?transport=tcp"), Coturn()))
    assert {"listening-port=80", "no-tls"} <= said and not any(line.startswith("cert=") for line in said)
    assert {"no-udp", "no-tcp"} <= lines(configuration(settings(turn_urls="turns:a"), Coturn()))


@pytest.mark.parametrize(("workers", "ports"), [("1", "7882"), ("4", "7882-7885")])
def test_the_firewall_knows_the_port_of_every_worker(workers: str, ports: str) -> None:
    said = lines(firewall(settings(workers=workers), Coturn(user="turn")))
    assert {f"ip daddr 192.0.2.1 udp dport {ports} accept", f"ip6 daddr 2001:db8::1 udp dport {ports} accept"} <= said
    assert 'meta skuid "turn" udp sport 49152-65535 goto relays' in said


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"turn_urls": "", "turn_secret": ""}, "SFU_TURN_URLS is not set: it has the addresses"),
        ({"turn_urls": "turn:a:1,turn:a:2"}, "SFU_TURN_URLS has several ports"),
        ({"turn_urls": "turns:a:50000"}, "SFU_TURN_URLS has the port 50000: ports from 49152 are for relays"),
        ({"udp_port": "0"}, "SFU_UDP_PORT is 0: the TURN server must know the media ports"),
    ],
)
def test_what_it_cannot_know_is_named_in_one_sentence(tmp_path: Path, given: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        write(settings(**given), Coturn(), tmp_path / "turn")
    assert not (tmp_path / "turn").exists()


def test_only_the_owner_reads_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "turn"
    for _ in range(2):
        write(settings(), Coturn(), folder)
        assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {
            "turnserver.conf": 0o600,
            "turnserver.nft": 0o600,
        }
        (folder / "turnserver.conf").chmod(0o644)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="file cannot be written: "):
        write(settings(), Coturn(), tmp_path / "file")
