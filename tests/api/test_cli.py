"""The commands that need no server: their output and exit codes."""

import os
import sys
import time
from collections.abc import Callable

import pytest

from api import auth, cli
from api.settings import TABLE
from sfu.config import Config

from .server import KEY, SECRET

Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """Exit code, stdout and stderr of a command with these variables."""

    def run(*arguments: str, **environ: str) -> tuple[int, str, str]:
        for name in [name for name in os.environ if name.startswith("SFU_")]:
            monkeypatch.delenv(name)
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["sfu", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
            raise SystemExit(0)
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


@pytest.mark.parametrize(
    ("arguments", "environ", "sentence"),
    [
        ([], {}, "SFU_KEYS is not set"),
        (["--port", "x"], {}, "--port needs a whole number"),
        (["--print-config"], {"SFU_PORT": "x"}, "SFU_PORT needs a whole number"),
        ([], {"SFU_PROT": "1"}, "did you mean SFU_PORT?"),
        ([], {"SFU_SERVICE_HOST": "10.0.0.1"}, "Kubernetes"),
        (["--colour"], {}, "No such option"),
    ],
)
def test_a_bad_start_is_exit_2_with_a_sentence(
    said: Said, arguments: list[str], environ: dict[str, str], sentence: str
) -> None:
    code, _, err = said("serve", *arguments, **environ)
    assert code == 2 and sentence in err and "Traceback" not in err


def test_print_config_shows_where_values_come_from(said: Said) -> None:
    code, out, err = said("serve", "--print-config", "--port", "1", "--dev", SFU_UDP_PORT="2")
    assert (code, err) == (0, "")
    assert any(line.split()[:3] == ["SFU_PORT", "1", "flag"] for line in out.splitlines())
    assert any(line.split()[:3] == ["SFU_UDP_PORT", "2", "environment"] for line in out.splitlines())


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({}, "SFU_KEYS is not set"),
        ({"SFU_KEYS": f"{KEY}: {SECRET}", "SFU_TLS_CERT": __file__}, "SFU_TLS_KEY is not set"),
        ({"SFU_KEYS": f"{KEY}: {SECRET}", "SFU_INTERNAL_PORT": "7880"}, "SFU_INTERNAL_PORT is the same as SFU_PORT"),
    ],
)
def test_print_config_prints_all_settings_and_why_the_service_would_not_start(
    said: Said, environ: dict[str, str], sentence: str
) -> None:
    code, out, err = said("serve", "--print-config", **environ)
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == [setting.variable for setting in TABLE]
    assert err.startswith(f"sfu: the service would not start: {sentence}") and len(err.splitlines()) == 1


def test_the_version_is_the_one_that_clients_are_told(said: Said) -> None:
    assert said("--version") == (0, f"sfu {Config().version}\n", "")


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["serve"],
        ["token"],
        ["rooms"],
        ["rooms", "create"],
        ["participants"],
        ["participants", "list"],
        ["explain"],
        ["events"],
        ["webhooks"],
        ["webhooks", "retry"],
        ["doctor"],
        ["coturn"],
    ],
)
def test_every_command_has_help(said: Said, command: list[str]) -> None:
    code, out, _ = said(*command, "--help")
    assert code == 0 and "Usage:" in out


def test_the_token_command_needs_what_it_needs(said: Said) -> None:
    code, _, err = said("token", "--room", "lobby", SFU_KEYS=f"{KEY}: {SECRET}")
    assert code == 2 and "--identity" in err
    begun = time.time()
    code, out, _ = said("token", "--identity", "ada", "--ttl", "60", SFU_KEYS=f"{KEY}: {SECRET}")
    grant = auth.verify(out.strip(), {KEY: SECRET})
    assert code == 0 and begun + 59 <= grant.expires <= time.time() + 61 and grant.room == ""


@pytest.mark.parametrize(
    ("command", "environ", "sentence"),
    [
        (["token", "--identity", "ada", "--ttl", "inf"], {}, "--ttl"),
        (["token", "--identity", ""], {}, "an identity must not be empty"),
        (["token", "--identity", "ada", "--room", "x" * 257], {}, "a room name has at most"),
        (["rooms", "list"], {"SFU_URL": "localhost:7880"}, "SFU_URL needs to begin with http://"),
        (["rooms", "list"], {"SFU_URL": "http://"}, "and a host, not 'http://'"),
    ],
)
def test_what_no_server_would_take_is_exit_2_with_a_sentence(
    said: Said, command: list[str], environ: dict[str, str], sentence: str
) -> None:
    code, _, err = said(*command, SFU_KEYS=f"{KEY}: {SECRET}", **environ)
    assert code == 2 and sentence in err and "Traceback" not in err
