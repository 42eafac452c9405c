"""The sentences about a port that cannot be used."""

import errno

import pytest

from api.ports import PortError, Ports

PUBLIC = Ports("TCP", ("::1",), range(80, 81), "port")
INTERNAL = Ports("TCP", ("10.0.0.1",), range(9000, 9001), "internal_port", "internal_host")
MEDIA = Ports("UDP", ("10.0.0.1",), range(7882, 7884), "udp_port")


@pytest.mark.parametrize(
    ("ports", "number", "address", "sentence"),
    [
        (
            PUBLIC,
            errno.EACCES,
            "[::1]:80",
            "TCP port 80 on ::1 is not permitted: set SFU_PORT (--port) to 1024 or more.",
        ),
        (
            MEDIA,
            errno.EPERM,
            "10.0.0.1:7883",
            "UDP port 7883 on 10.0.0.1 is not permitted: "
            "allow it where this process is confined, or set SFU_UDP_PORT (--udp-port).",
        ),
        (
            INTERNAL,
            errno.EADDRNOTAVAIL,
            "10.0.0.1:9000",
            "TCP port 9000 on 10.0.0.1 is not available, because this machine does not have the address: "
            "set SFU_INTERNAL_HOST (--internal-host).",
        ),
        (
            PUBLIC,
            errno.EAFNOSUPPORT,
            "[::1]:80",
            "TCP port 80 on ::1 is not available (address family not supported by protocol): "
            "set SFU_HOST (--host) or SFU_PORT (--port).",
        ),
    ],
)
def test_the_reason_decides_the_fix(ports: Ports, number: int, address: str, sentence: str) -> None:
    with pytest.raises(PortError) as refused, ports.explained():
        raise OSError(number, "whatever the system calls it", address)
    assert str(refused.value) == sentence


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "too many"), FileNotFoundError(errno.ENOENT, "no", "key.pem")])
def test_an_error_that_names_no_address_stays_what_it_is(error: OSError) -> None:
    with pytest.raises(OSError) as raised, MEDIA.explained():
        raise error
    assert raised.value is error
