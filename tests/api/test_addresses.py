"""The announced addresses if no setting names them: from the kernel's own reply, and from other machines."""

import socket
from collections.abc import Sequence

import pytest

from api import addresses, doctor
from api.addresses import Found, announced, parse, usable
from api.settings import Mode, Settings, read
from sfu import limits
from sfu.model import ParticipantKind

from ..sfu.scene import grant, open_session, scene, sdp

GOOD = {"SFU_KEYS": "key: a secret of thirty-two bytes or more"}
HERE, LINK = 254, 253

# Of RTM_GETADDR in a container: 127.0.0.1/8 on lo, 192.0.2.2/24 on eth0 (flags: permanent), and the end of the list.
REPLY = bytes.fromhex(
    "4c00000014000200010000000000000002088 0fe01000000".replace(" ", "")
    + "080001007f000001080002007f000001070003006c6f000008000800800000001400060"
    "0ffffffffffffffff0000000000000000"
    + "580000001400020001000000000000000218800004000000"
    + "08000100c000020208000200c000020208000400c00002ff09000300657468300000000008000800800000001400060"
    "0ffffffffffffffff0000000000000000" + "1400000003000200010000000000000000000000"
)


def machine(monkeypatch: pytest.MonkeyPatch, found: Sequence[Found], default: str | None = None) -> None:
    """One that has these addresses, and this one on its default route."""

    def of_family(family: int) -> list[Found]:
        return [one for one in found if (":" in one.address) == (family == socket.AF_INET6)]

    def route(version: int = 4) -> str | None:
        return default if default is not None and (":" in default) == (version == 6) else None

    monkeypatch.setattr(addresses, "_all", of_family)
    monkeypatch.setattr(addresses, "_is_running", lambda interface: interface != 9)
    monkeypatch.setattr(addresses, "default_address", route)


LOOPBACK = [Found("127.0.0.1", HERE, 0x80, 1), Found("::1", HERE, 0x80, 1)]
OFFICE = [*LOOPBACK, Found("10.1.2.3", 0, 0x80, 2), Found("192.0.2.7", 0, 0x80, 3), Found("2001:db8::7", 0, 0x80, 3)]


def test_the_kernels_answer_is_read() -> None:
    assert list(parse(socket.AF_INET, REPLY)) == [
        Found("127.0.0.1", HERE, 0x80, 1),
        Found("192.0.2.2", 0, 0x80, 4),
    ]
    assert list(parse(socket.AF_INET6, REPLY)) == []


@pytest.mark.parametrize("length", range(0, len(REPLY), 7))
def test_an_answer_that_is_cut_is_read_as_far_as_it_goes(length: int) -> None:
    assert len(list(parse(socket.AF_INET, REPLY[:length]))) <= 2


def test_this_machine_tells_its_own() -> None:
    assert "127.0.0.1" in [one.address for one in addresses._all(socket.AF_INET)]
    assert "127.0.0.1" not in usable(4)


@pytest.mark.parametrize(
    ("found", "is_usable"),
    [
        (Found("192.0.2.7", 0, 0x80, 2), True),
        (Found("10.0.0.1", 0, 0x80, 2), True),
        (Found("100.64.0.1", 0, 0x80, 2), True),
        (Found("fd00::2", 0, 0x80, 2), True),
        (Found("127.0.0.2", 0, 0x80, 1), False),
        (Found("169.254.3.4", LINK, 0x80, 2), False),
        (Found("fe80::1", LINK, 0x80, 2), False),
        (Found("2001:db8::a", 0, 0x01, 2), False),
        (Found("2001:db8::b", 0, 0x20, 2), False),
        (Found("2001:db8::c", 0, 0x40, 2), False),
        (Found("2001:db8::d", 0, 0x08, 2), False),
    ],
)
def test_what_others_may_reach_for_long_is_usable(found: Found, is_usable: bool) -> None:
    assert found.is_usable is is_usable


@pytest.mark.parametrize(
    ("hosts", "told"),
    [
        ("0.0.0.0", ("192.0.2.7", "10.1.2.3")),
        ("::", ("2001:db8::7", "192.0.2.7", "10.1.2.3")),
        ("::,0.0.0.0", ("2001:db8::7", "192.0.2.7", "10.1.2.3")),
        ("0.0.0.0,::", ("192.0.2.7", "10.1.2.3", "2001:db8::7")),
        ("127.0.0.1,10.1.2.3", ("127.0.0.1", "10.1.2.3")),
        ("192.0.2.200", ("192.0.2.200",)),
    ],
)
def test_a_wildcard_announces_all_that_is_usable_the_default_route_first(
    monkeypatch: pytest.MonkeyPatch, hosts: str, told: tuple[str, ...]
) -> None:
    machine(monkeypatch, OFFICE, "192.0.2.7")
    settings, _ = read({**GOOD, "SFU_HOST": hosts})
    assert settings.config().announced_addresses == told
    assert not settings.reaches_only_here


def test_both_families_are_bound_for_the_wildcard_of_ipv6() -> None:
    settings, _ = read({**GOOD, "SFU_HOST": "::", "SFU_INTERNAL_HOST": "::"})
    assert settings.host == settings.internal_host == settings.config().hosts == ("::", "0.0.0.0")


def test_an_interface_that_leads_nowhere_is_left_out_and_there_are_so_many_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine(monkeypatch, [*OFFICE, Found("172.17.0.1", 0, 0x80, 9)])
    assert announced(("0.0.0.0",)) == ("10.1.2.3", "192.0.2.7")
    machine(monkeypatch, [Found(f"10.0.0.{number}", 0, 0x80, 2) for number in range(200)])
    assert len(announced(("0.0.0.0",))) == limits.ANNOUNCED_ADDRESSES


def finding(settings: Settings) -> doctor.Finding:
    return next(one for one in doctor.examine(settings) if one.what == "announced addresses")


def test_a_machine_without_an_address_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, LOOPBACK)
    settings, _ = read({**GOOD, "SFU_HOST": "0.0.0.0", "SFU_UDP_PORT": "0"})
    assert settings.config().announced_addresses == ("127.0.0.1",)
    assert settings.reaches_only_here
    assert not finding(settings).is_good and "only loopback addresses" in finding(settings).found
    told, _ = read({**GOOD, "SFU_HOST": "0.0.0.0", "SFU_ANNOUNCED_ADDRESSES": "198.51.100.1"})
    assert not told.reaches_only_here


@pytest.mark.parametrize(
    ("environ", "found", "http", "media"),
    [
        ({}, OFFICE, ("127.0.0.1",), ("127.0.0.1", "10.1.2.3")),
        ({}, LOOPBACK, ("127.0.0.1",), ("127.0.0.1",)),
        ({"SFU_HOST": "127.0.0.1,192.0.2.7"}, OFFICE, ("127.0.0.1", "192.0.2.7"), ("127.0.0.1", "192.0.2.7")),
        ({"SFU_UDP_HOST": "127.0.0.1"}, OFFICE, ("127.0.0.1",), ("127.0.0.1",)),
        ({"SFU_UDP_HOST": "192.0.2.7"}, OFFICE, ("127.0.0.1",), ("192.0.2.7",)),
    ],
)
def test_development_mode_has_media_on_the_machines_own_address_and_http_on_loopback_only(
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    found: list[Found],
    http: tuple[str, ...],
    media: tuple[str, ...],
) -> None:
    machine(monkeypatch, found)
    settings, _ = read(environ, {}, Mode(dev=True))
    assert settings.host == http
    assert settings.config().hosts == settings.config().announced_addresses == media
    served, _ = read({**GOOD, **environ})
    assert served.config().hosts == (served.udp_host or served.host), "outside of it only what was said"


@pytest.mark.parametrize(("via", "first"), [("10.1.2.3", "10.1.2.3"), ("192.0.2.7", "192.0.2.7"), ("127.0.0.1", None)])
async def test_the_address_that_a_request_came_to_leads_the_answer(via: str, first: str | None) -> None:
    from sfu.config import Config

    announces = ("192.0.2.7", "10.1.2.3", "2001:db8::7")
    async with scene(Config(announced_addresses=announces)) as it:
        offer = sdp([("video", "recvonly")])
        session = open_session(it.sfu, grant("ada"), "room", ParticipantKind.VIEWER, offer, via=via)
        lines = [line.split() for line in session.answer.splitlines() if line.startswith("a=candidate:")]
        assert lines[0][4] == (first or "192.0.2.7")
        assert sorted(line[4] for line in lines) == sorted(announces)
        assert [int(line[3]) for line in lines] == sorted((int(line[3]) for line in lines), reverse=True)
