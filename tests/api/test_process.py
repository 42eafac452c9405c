"""The process: how it starts, what it logs, and how it ends. Over a fake plane, in a separate folder."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from api import lan

from .server import KEY, SECRET, Client, joined, token

ROOT = Path(__file__).parents[2]


class Process:
    def __init__(self, child: asyncio.subprocess.Process, port: int, folder: Path) -> None:
        self.child = child
        self.port = port
        self.folder = folder

    def signal(self, number: signal.Signals) -> None:
        self.child.send_signal(number)

    async def ended(self) -> tuple[int, str]:
        """Exit code, and all it logged."""
        async with asyncio.timeout(20):
            _, log = await self.child.communicate()
        assert self.child.returncode is not None
        return self.child.returncode, log.decode()

    @asynccontextmanager
    async def client(self, identity: str, **arguments: object) -> AsyncIterator[Client]:
        jwt = token(identity)
        url = f"ws://127.0.0.1:{self.port}/v1/rtc?access_token={jwt}"
        async with joined(connect(url, max_queue=None)) as client:
            yield client


async def sfu(
    folder: Path, *arguments: str, module: str = "tests.api.serve_fake", **environ: str
) -> asyncio.subprocess.Process:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SFU_")}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        cwd=folder,
        env={**clean, "PYTHONPATH": str(ROOT), **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def said(
    folder: Path, *arguments: str, module: str = "tests.api.serve_fake", **environ: str
) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command. The module `api.cli` has the native plane."""
    child = await sfu(folder, *arguments, module=module, **environ)
    async with asyncio.timeout(20):
        out, err = await child.communicate()
    assert child.returncode is not None
    return child.returncode, out.decode(), err.decode()


def free_port() -> int:
    from api.listener import bind

    (bound,) = bind(["127.0.0.1"], 0)
    with bound:
        return int(bound.getsockname()[1])


FREE_PORTS = {"SFU_PORT": "0", "SFU_UDP_PORT": "0", "SFU_WORKERS": "1", "SFU_KEYS": f"{KEY}: {SECRET}"}


@contextmanager
def taken(protocol: str, *, after: int = 0) -> Iterator[int]:
    """A port of 127.0.0.1 that another socket has for the length of the block: any, or the one after this one."""
    kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", after + 1 if after else 0))
        if protocol == "TCP":
            other.listen()
        yield int(other.getsockname()[1])


def first_of_two() -> int:
    """A UDP port that is free, and so is the one after it."""
    for _ in range(100):
        with taken("UDP") as first, contextlib.suppress(OSError, OverflowError), taken("UDP", after=first):
            return first
    raise AssertionError("no two neighbouring UDP ports are free")


@asynccontextmanager
async def running(folder: Path, *arguments: str, **environ: str) -> AsyncIterator[Process]:
    port = int(environ.get("SFU_PORT") or free_port())
    given = {**FREE_PORTS, "SFU_PORT": str(port), **environ}
    child = await sfu(folder, "serve", *arguments, **given)
    try:
        for _ in range(200):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
                break
            except OSError:
                assert child.returncode is None, (await child.communicate())[1].decode()
                await asyncio.sleep(0.05)
        yield Process(child, port, folder)
    finally:
        if child.returncode is None:
            child.kill()
            await child.communicate()


async def test_the_first_sigterm_drains_and_the_process_ends_when_empty(tmp_path: Path) -> None:
    async with running(tmp_path) as process:
        async with process.client("ada") as ada:
            process.signal(signal.SIGTERM)
            await ada.hear("draining")
            await ada.say("leave")
            await ada.hear("left")
        code, log = await process.ended()
        assert code == 0, log


async def test_the_second_signal_ends_it_at_once_and_those_inside_are_told(tmp_path: Path) -> None:
    async with running(tmp_path) as process, process.client("ada") as ada:
        process.signal(signal.SIGTERM)
        await ada.hear("draining")
        process.signal(signal.SIGTERM)
        assert (await ada.hear("left"))["reason"] == "server_shutdown"
        assert (await ada.closed())[0] == 1000
        assert (await process.ended())[0] == 0


async def test_the_limit_of_a_drain_lets_those_inside_go(tmp_path: Path) -> None:
    async with running(tmp_path, "--drain-limit", "0.3") as process, process.client("ada") as ada:
        process.signal(signal.SIGTERM)
        assert (await ada.hear("left"))["reason"] == "server_shutdown"
        assert (await process.ended())[0] == 0


async def test_in_development_mode_an_interrupt_ends_it_at_once(tmp_path: Path) -> None:
    async with running(tmp_path, "--dev") as process, process.client("ada") as ada:
        process.signal(signal.SIGINT)
        assert (await ada.hear("left"))["reason"] == "server_shutdown"
        assert (await process.ended())[0] == 0


async def test_drain_wait_returns_when_everybody_has_gone_and_probes_answer_to_the_end(tmp_path: Path) -> None:
    internal = str(free_port())
    async with running(tmp_path, SFU_INTERNAL_PORT=internal) as process:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{internal}") as http:
            assert (await http.get("/ready")).status_code == 200
            async with process.client("ada") as ada:
                command = asyncio.create_task(said(tmp_path, "drain", "--wait", SFU_INTERNAL_PORT=internal))
                await ada.hear("draining")
                assert (await http.get("/ready")).status_code == 503
                assert not command.done()
                await ada.say("leave")
                await ada.hear("left")
        assert (await command)[0] == 0
        assert (await process.ended())[0] == 0


async def test_a_failed_worker_ends_the_process_with_1(tmp_path: Path) -> None:
    async with running(tmp_path, FAKE_FAILS_AFTER="0.5") as process:
        code, log = await process.ended()
        assert code == 1 and "worker 0 failed" in log


async def test_no_token_reaches_the_log_whatever_way_it_came_and_whatever_went_wrong(tmp_path: Path) -> None:
    jwt, bad = token("ada"), token("ada", secret="x" * 40)
    async with running(tmp_path, SFU_LOG_LEVEL="debug") as process:
        base = f"127.0.0.1:{process.port}/v1"
        async with httpx.AsyncClient() as http:
            for one in (jwt, bad, jwt[:-4], "short.to.ken"):
                await http.get(f"http://{base}/rooms?access_token={one}")
                await http.get(f"http://{base}/nothing/{one}")
                for header in (f"Bearer {one}", f"Basic {one}", one):
                    await http.get(f"http://{base}/rooms", headers={"Authorization": header})
                    await http.post(f"http://{base}/whip", content="v", headers={"Authorization": header})
        for one in (jwt, bad):
            for extra in ({}, {"additional_headers": {"Origin": "http://page.example"}}):
                for url, subprotocols in ((f"ws://{base}/rtc?access_token={one}", None), (f"ws://{base}/rtc", one)):
                    offered = ["sfu.v1", f"bearer.{subprotocols}"] if subprotocols else None
                    try:
                        async with connect(url, subprotocols=offered, **extra) as socket:  # type: ignore[arg-type]
                            await socket.send("{")
                            await socket.recv()
                    except Exception as error:
                        assert "401" in str(error) or "1008" in str(error), error
        process.signal(signal.SIGTERM)
        process.signal(signal.SIGTERM)
        code, log = await process.ended()
    assert code == 0 and "WEBSOCKET /v1/rtc" in log, log
    for one in (jwt, bad):
        for part in (*one.split("."), "access_token=eyJ"):
            # The header of a JWT is the same in all of them, and no secret; what follows is.
            assert part == one.split(".")[0] or part not in log
    assert SECRET not in log


@pytest.mark.parametrize(
    ("protocol", "setting", "host_setting"),
    [
        ("TCP", "port", "host"),
        ("TCP", "internal_port", "host"),
        ("TCP", "internal_port", "internal_host"),
        ("UDP", "udp_port", "host"),
        ("TCP", "tcp_port", "host"),
        ("TCP", "tcp_port", "udp_host"),
    ],
)
async def test_a_port_that_is_taken_is_one_sentence_that_names_the_fix(
    tmp_path: Path, protocol: str, setting: str, host_setting: str
) -> None:
    with taken(protocol) as port:
        variable, host_variable = f"SFU_{setting.upper()}", f"SFU_{host_setting.upper()}"
        given = FREE_PORTS | {variable: str(port), host_variable: "127.0.0.1"}
        code, _, err = await said(tmp_path, "serve", module="api.cli", **given)
    reason = f"{protocol} port {port} on 127.0.0.1 is in use, perhaps by a running service"
    fix = f"stop it, or set {variable} (--{setting.replace('_', '-')})"
    assert (code, err) == (1, f"sfu: {reason}: {fix}.\n")


async def test_of_several_udp_ports_the_one_that_is_taken_is_named(tmp_path: Path) -> None:
    first = first_of_two()
    with taken("UDP", after=first) as port:
        given = FREE_PORTS | {"SFU_UDP_PORT": str(first), "SFU_WORKERS": "2"}
        code, _, err = await said(tmp_path, "serve", module="api.cli", **given)
    assert code == 1 and err.startswith(f"sfu: UDP port {port} on 127.0.0.1 is in use") and "set SFU_UDP_PORT" in err


async def test_doctor_says_the_same_of_a_taken_port_as_serve(tmp_path: Path) -> None:
    with taken("TCP") as port:
        given = FREE_PORTS | {"SFU_INTERNAL_PORT": str(port)}
        code, out, _ = await said(tmp_path, "doctor", **given)
    reason = f"TCP port {port} on 127.0.0.1: in use, perhaps by a running service"
    assert code == 1 and f"FAIL  {reason}. Fix: stop it, or set SFU_INTERNAL_PORT (--internal-port).\n" in out


async def test_sighup_reads_the_certificate_again(tmp_path: Path) -> None:
    def write(address: str) -> bytes:
        certificate, key = lan.certificate(address)
        (tmp_path / "cert.pem").write_text(certificate)
        (tmp_path / "key.pem").write_text(key)
        return ssl.PEM_cert_to_DER_cert(certificate)

    async def served(port: int) -> bytes:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.transport.abort()
        return bytes(certificate)

    first = write("127.0.0.1")
    async with running(tmp_path, SFU_TLS_CERT="cert.pem", SFU_TLS_KEY="key.pem") as process:
        assert await served(process.port) == first
        second = write("127.0.0.1")
        process.signal(signal.SIGHUP)
        async with asyncio.timeout(30):
            while await served(process.port) != second:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        (tmp_path / "cert.pem").write_text("nonsense")
        process.signal(signal.SIGHUP)
        await asyncio.sleep(0.2)
        assert await served(process.port) == second
        process.signal(signal.SIGTERM)
        code, log = await process.ended()
        assert code == 0 and "the certificate was not reloaded" in log


async def test_the_client_commands_speak_to_a_development_server_of_the_same_folder(tmp_path: Path) -> None:
    async with running(tmp_path, "--dev") as process:
        wish = ("--max-participants", "3", "--loudest", "2")
        code, sid, err = await said(tmp_path, "rooms", "create", "lobby", *wish)
        assert code == 0 and sid.startswith("RM_"), err
        assert (await said(tmp_path, "rooms", "create", "lobby", *wish))[1] == sid
        code, _, err = await said(tmp_path, "rooms", "create", "lobby")
        assert code == 1 and "other options" in err and len(err.splitlines()) == 1
        listed = json.loads((await said(tmp_path, "rooms", "list", "--json"))[1])
        assert (listed["rooms"][0]["max_participants"], listed["rooms"][0]["loudest"]) == (3, 2)
        code, jwt, _ = await said(tmp_path, "token", "--room", "lobby", "--identity", "ada", "--no-publish")
        assert code == 0
        async with connect(f"ws://127.0.0.1:{process.port}/v1/rtc?access_token={jwt.strip()}") as socket:
            ada = Client(socket)
            await ada.say("join")
            assert (await ada.hear("joined"))["you"]["permissions"]["can_publish"] is False
            assert "ada" in (await said(tmp_path, "participants", "list", "lobby"))[1]
            nothing = "No other participant publishes a track that ada may receive.\n"
            assert await said(tmp_path, "explain", "lobby", "ada") == (0, nothing, "")
            assert json.loads((await said(tmp_path, "explain", "lobby", "ada", "--json"))[1]) == {"subscriptions": []}
            assert (await said(tmp_path, "explain", "lobby", "eve"))[0] == 1
            assert (await said(tmp_path, "participants", "remove", "lobby", "ada"))[0] == 0
            assert (await ada.hear("left"))["reason"] == "participant_removed"
        assert (await said(tmp_path, "rooms", "delete", "lobby"))[0] == 0
        code, _, err = await said(tmp_path, "rooms", "delete", "lobby")
        assert code == 1 and "There is no room 'lobby'." in err


async def test_a_command_without_a_server_or_a_key_says_so_in_one_sentence(tmp_path: Path) -> None:
    code, _, err = await said(tmp_path, "rooms", "list")
    assert code == 2 and "no key to sign with" in err and len(err.splitlines()) == 1
    keys = {"SFU_API_KEY": KEY, "SFU_API_SECRET": SECRET}
    code, _, err = await said(tmp_path, "rooms", "list", SFU_URL=f"http://127.0.0.1:{free_port()}", **keys)
    assert code == 1 and "Nothing answers at http://127.0.0.1:" in err and len(err.splitlines()) == 1
    code, _, err = await said(tmp_path, "rooms", "list", SFU_URL="localhost", **keys)
    assert code == 2 and "SFU_URL" in err
    code, _, err = await said(tmp_path, "drain", **keys)
    assert code == 2 and "SFU_INTERNAL_PORT" in err


async def test_doctor_has_one_line_for_each_thing_and_a_fix_for_what_is_wrong(tmp_path: Path) -> None:
    port = free_port()
    code, out, _ = await said(tmp_path, "doctor", "--dev", SFU_PORT=str(port), SFU_UDP_PORT=str(port))
    assert f"TCP port {port} on 127.0.0.1: free" in out and f"UDP port {port}" in out
    assert all(word in out for word in ("buffer", "announced addresses", "UDP_SEGMENT", "reports separate from media"))
    assert code == (1 if "FAIL" in out else 0)
    assert all("Fix: " in line for line in out.splitlines() if line.startswith("FAIL"))
    async with running(tmp_path) as process:
        code, out, _ = await said(tmp_path, "doctor", "--dev", SFU_PORT=str(process.port), SFU_UDP_PORT=str(port))
        assert code == 1 and f"FAIL  TCP port {process.port} on 127.0.0.1: in use" in out


async def test_a_request_whose_body_never_ends_is_cut_off_and_is_no_error(tmp_path: Path) -> None:
    async with running(tmp_path, "--drain-limit", "0.3") as process, process.client("ada") as ada:
        reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
        writer.write(
            b"POST /v1/whip HTTP/1.1\r\nHost: sfu\r\nContent-Type: application/sdp\r\nContent-Length: 1000\r\n"
            + f"Authorization: Bearer {token('eve')}\r\n\r\nv=0".encode()
        )
        await writer.drain()
        process.signal(signal.SIGTERM)
        await ada.hear("left")
        code, log = await process.ended()
        assert code == 0
        assert "Traceback" not in log and "Cancel" not in log, log
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
