"""README's first command on machines that have nothing: bare Debian 12 and 13, as an ordinary user, from the start."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .bare import BareRoot, lent
from .engine import Engine, EngineError

Run = Callable[[str], str]

SUITES = {"bookworm": "Debian 12", "trixie": "Debian 13"}
SETUP = 900.0
COMMAND = 60.0
"""Seconds. `make setup` takes a minute: BoringSSL comes compiled, its bindings do not."""


@pytest.fixture(scope="module")
def roots(containers: Engine, root: Path) -> dict[str, BareRoot]:
    """`make setup` has run in each, with what is documented and no more. Side by side: much of it uses one core."""
    mounts = lent(containers, root / "target")

    def made(suite: str) -> BareRoot:
        bare = BareRoot(containers, suite, mounts)
        bare.make(root)
        with bare.running("host") as run:
            run("make setup", SETUP)
        return bare

    with ThreadPoolExecutor(len(SUITES)) as threads:
        return dict(zip(SUITES, threads.map(made, SUITES), strict=True))


@pytest.fixture(scope="module", params=list(SUITES), ids=list(SUITES.values()))
def bare(request: pytest.FixtureRequest, roots: dict[str, BareRoot]) -> BareRoot:
    return roots[request.param]


@pytest.fixture(scope="module")
def run(bare: BareRoot) -> Iterator[Run]:
    with bare.running() as run:
        yield lambda command: run(command, COMMAND)


def test_the_bindings_were_made_there_with_libclang_of_the_wheel(bare: BareRoot, run: Run) -> None:
    [bindings] = bare.checkout.glob("target/release/build/boring-sys-*/out/bindings.rs")
    assert "fn SSL_new" in bindings.read_text()
    assert ".venv/lib/" in (bare.checkout / ".cargo/config.toml").read_text()
    assert "libclang" not in run("/usr/sbin/ldconfig -p")


def test_the_command_is_there_and_the_doctor_finds_no_fault_but_the_hosts(run: Run) -> None:
    assert "Usage: sfu" in run(".venv/bin/sfu --help")
    # The kernel's limits on UDP buffers are those of the machine that runs this test.
    said = run(".venv/bin/sfu doctor --dev || true")
    faults = [line for line in said.splitlines() if not line.startswith("ok ") and " buffer: " not in line]
    assert said and faults == []


def test_a_call_goes_from_whip_to_whep(run: Run) -> None:
    said = run(".venv/bin/python -m tests.packaging.call")
    [arrived] = [line for line in said.splitlines() if line.startswith("{")]
    assert json.loads(arrived) == {"audio": "AudioFrame", "video": "VideoFrame"}


def test_nothing_is_made_a_second_time(run: Run) -> None:
    assert run("make setup").strip() == "make: Nothing to be done for 'setup'."


def test_a_hidden_libclang_ends_the_setup_at_once_with_the_packages_to_install(run: Run) -> None:
    hide = "rm .venv/lib/python3.*/site-packages/clang/native/libclang.so; touch scripts/configure-build"
    with pytest.raises(EngineError) as failed:
        run(f"{hide}; PIP_NO_INDEX=1 PIP_FIND_LINKS= make setup")
    assert "The build needs libclang" in str(failed.value) and "apt-get install libclang-dev" in str(failed.value)
    assert "Compiling" not in str(failed.value)
    with pytest.raises(EngineError, match="The build needs libclang"):
        run("PIP_NO_INDEX=1 PIP_FIND_LINKS= make setup")
