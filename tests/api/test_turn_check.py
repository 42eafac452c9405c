"""`sfu doctor --turn`: what it says of servers that are missing or wrong; `tests/e2e/test_turn.py` has a good one."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from api import turn_check
from api.settings import Settings, read
from api.turn_client import ERROR, FORBIDDEN, HEADER, MAGIC_COOKIE, SUCCESS

from .test_cli import Said, said  # noqa: F401
from .test_coturn import GIVEN

CREDENTIALS = {"SFU_ICE_SERVERS": '[{"urls": "turn:constant.invalid", "username": "u", "credential": "p"}]'}


def settings(**more: str) -> Settings:
    return read(GIVEN | more)[0]


def only(found: list[turn_check.Finding]) -> str:
    (finding,) = found
    assert not finding.is_good
    return f"{finding.found}. {finding.fix}"


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that gives one answer to every datagram, with the transaction of the request."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]

        def serve() -> None:
            while (received := server.recvfrom(2000))[0] != b"stop":
                server.sendto(answer.replace(b"TRANSACTION!", received[0][8:20]), received[1])

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"turn:127.0.0.1:{port}"
        finally:
            server.sendto(b"stop", ("127.0.0.1", port))
            thread.join()


def response(kind: int, body: bytes) -> bytes:
    return HEADER.pack(kind, len(body), MAGIC_COOKIE, b"TRANSACTION!") + body


REFUSED = response(3 | ERROR, bytes.fromhex("0009 000c 0000 0403".replace(" ", "")) + b"No entry")


def test_a_refusal_is_said_with_its_code() -> None:
    with answering(REFUSED) as url:
        assert only(turn_check.examine(settings(), url)).startswith("the server answers 403 No entry.")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"HTTP/1.1 400 Bad Request", "what answers is no STUN or TURN server"),
        (response(3 | SUCCESS, b""), "the response has no address"),
        (response(3 | SUCCESS, bytes.fromhex("00160008") + bytes(3)), "the response has no address"),
        (response(3 | ERROR, b""), "the server answers 0"),
    ],
)
def test_what_is_no_turn_server_is_said_to_be_none(answer: bytes, sentence: str) -> None:
    with answering(answer) as url:
        assert only(turn_check.examine(settings(), url)).startswith(sentence)


@pytest.mark.parametrize("url", ["turn:127.0.0.1:{}?transport=tcp", "turns:127.0.0.1:{}", "turn:127.0.0.1:{}"])
def test_a_server_that_is_not_there_is_said_to_be_unreachable(url: str) -> None:
    with socket.socket() as probe, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        probe.bind(("127.0.0.1", 0))  # Nobody listens.
        port = probe.getsockname()[1]
        datagrams.bind(("127.0.0.1", port))
        datagrams.close()
        said = only(turn_check.examine(settings(), url.format(port)))
    assert said.startswith("the server cannot be reached: Connection refused. check its address, that it runs")


def test_without_credentials_there_is_nothing_to_try() -> None:
    bare = read({name: value for name, value in GIVEN.items() if "TURN" not in name})[0]
    assert only(turn_check.examine(bare, "turn:a")) == (
        "there are no credentials for it. set SFU_TURN_URLS and SFU_TURN_SECRET"
    )


def test_a_server_of_the_settings_has_its_own_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def allocate(url: object, username: str, password: str, *, limit: float) -> None:
        tried.append(username.rpartition(":")[2])
        raise turn_check.TurnError("refused", FORBIDDEN)

    monkeypatch.setattr(turn_check.Relay, "allocate", allocate)
    for url in ("turn:constant.invalid", "turn:turn.example.com?transport=udp", "turn:another.invalid"):
        turn_check.examine(settings(**CREDENTIALS), url)
    assert tried == ["u", "doctor", "doctor"]


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("stun:a", "--turn needs the address of a TURN server, not stun:a."),
        ("turn://a", "--turn needs addresses such as turn:turn.example.com:3478?transport=udp, not 'turn://a'."),
    ],
)
def test_what_is_no_address_is_exit_2(said: Said, url: str, sentence: str) -> None:  # noqa: F811
    code, _, err = said("doctor", "--turn", url, **GIVEN)
    assert code == 2 and sentence in err


def test_a_bad_server_is_exit_1_with_its_fix(said: Said) -> None:  # noqa: F811
    with answering(REFUSED) as url:
        code, out, _ = said("doctor", "--turn", url, **GIVEN)
    assert (code, out) == (1, f"FAIL  {url}: the server answers 403 No entry. Fix: see its log.\n")
