"""Runs coturn, with the configuration that `sfu coturn` writes for the settings of a service."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from api import coturn
from api.settings import Settings, read
from api.settings.ice import IceUrl
from sfu import limits

from .browser import program

HOST = "127.0.0.1"
SECRET = "the-secret-that-coturn-and-the-service-share"
START_LIMIT = 30.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Coturn:
    settings: Settings
    """Of the service that it is for."""
    certificate: Path
    """Self-signed, for `turns:` addresses."""
    firewall: Path
    user: str
    log: Path

    @property
    def urls(self) -> dict[str, str]:
        """The addresses by what is below TURN: `udp`, `tcp`, `tls`."""
        return dict(zip(("udp", "tcp", "tls"), self.settings.turn_urls, strict=True))


@contextmanager
def running(announced: str = HOST, **more: str) -> Iterator[Coturn]:
    """Runs it on free ports of the loopback device. `more`: variables of the service, in lower case and without SFU_.
    Skips the test if there is no coturn."""
    path = program("turnserver", "coturn")
    plain, secure = free_port(), free_port()
    settings, _ = read(environment(announced, plain, secure) | {f"SFU_{name.upper()}": more[name] for name in more})
    user = _user()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        _certify(certificate, key)
        coturn.write(settings, coturn.Coturn(str(certificate), str(key), user), folder)
        for file in (folder, *folder.iterdir()):
            shutil.chown(file, user)
        log = folder / "log"
        at = announced.split(",")
        # Firefox pairs no relay at the loopback address.
        command = [path, "-c", coturn.CONFIGURATION, f"--relay-ip={at[-1]}"]
        command += [f"--listening-ip={address}" for address in dict.fromkeys((HOST, *at))]
        # Where it would write as a service of the system.
        command += ["--pidfile=pid", "--userdb=database", "--log-file=stdout"]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, user=user
            )
        try:
            for port in (plain, secure):
                _await(process, port, log)
            yield Coturn(settings, certificate, folder / coturn.FIREWALL, user, log)
        finally:
            process.terminate()
            process.wait()


def environment(announced: str, plain: int, secure: int) -> Mapping[str, str]:
    """Returns the variables of the service, with addresses of all three kinds."""
    urls = (f"turn:{HOST}:{plain}?transport=udp", f"turn:{HOST}:{plain}?transport=tcp", f"turns:{HOST}:{secure}")
    return {
        "SFU_KEYS": f"key: {SECRET}",
        "SFU_WORKERS": "1",
        "SFU_UDP_PORT": str(free_port()),
        "SFU_ANNOUNCED_ADDRESSES": announced,
        "SFU_TURN_URLS": ",".join(urls),
        "SFU_TURN_SECRET": SECRET,
    }


def parsed(url: str) -> IceUrl:
    return IceUrl.parse(url)


def free_port() -> int:
    """Returns a port below those of relays that is free for TCP and UDP."""
    for _ in range(1000):
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
            suppress(OSError),
        ):
            stream.bind((HOST, 0))
            port = int(stream.getsockname()[1])
            datagrams.bind((HOST, port))
            if port < limits.TURN_FIRST_PORT:
                return port
    raise OSError("no port is free")


def _user() -> str:
    """Returns the user that runs it: that of Debian's package if possible."""
    if os.geteuid() == 0:
        with suppress(KeyError):
            return pwd.getpwnam("turnserver").pw_name
    return pwd.getpwuid(os.geteuid()).pw_name


def _certify(certificate: Path, key: Path) -> None:
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=localhost", "-addext", f"subjectAltName=IP:{HOST}"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([program("openssl", "openssl"), "req", "-x509", "-days", "2", *curve, *names, *files],
                   check=True, capture_output=True)  # fmt: skip


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT
    while True:
        assert process.poll() is None and time.monotonic() < deadline, f"coturn did not start:\n{log.read_text()}"
        with suppress(OSError), socket.create_connection((HOST, port), 1.0):
            return
        time.sleep(0.05)
