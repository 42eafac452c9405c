"""scripts/configure-build: tested cmake and libclang, or one sentence before anything is compiled."""

import importlib.machinery
import importlib.util
import shutil
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def script(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, in an empty folder, on a machine where only `tmp_path/lib` has libraries."""
    path = str(root / "scripts/configure-build")
    spec = importlib.util.spec_from_loader(
        "configure_build", importlib.machinery.SourceFileLoader("configure_build", path)
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for variable in ("LIBCLANG_PATH", "CMAKE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(module, "SYSTEM_FOLDERS", (f"{tmp_path}/li*",))
    (tmp_path / "lib").mkdir()
    monkeypatch.chdir(tmp_path)
    return module


@pytest.fixture
def without_wheels(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The real libclang, which no environment offers any more."""
    [libclang] = [path for path in script.libclangs() if path.parent.name == "native"]
    monkeypatch.setattr(script, "find_wheel", list)
    return Path(libclang)


def configured() -> dict[str, str]:
    variables = tomllib.loads(Path(".cargo/config.toml").read_text())["env"]
    assert all(variable["force"] for variable in variables.values())
    return {name: variable["value"] for name, variable in variables.items()}


def test_the_wheels_are_taken(script: ModuleType) -> None:
    assert script.main() == 0
    found = configured()
    assert found["CMAKE"] == str(Path(sys.executable).with_name("cmake"))
    assert Path(found["LIBCLANG_PATH"]).is_relative_to(sys.prefix)
    include = found["BINDGEN_EXTRA_CLANG_ARGS"].removeprefix("-I")
    assert (Path(include) / "stddef.h").is_file()


def test_without_a_wheel_the_systems_is_taken(script: ModuleType, tmp_path: Path, without_wheels: Path) -> None:
    (tmp_path / "lib/libclang.so.1").symlink_to(without_wheels)
    assert script.main() == 0
    assert configured()["LIBCLANG_PATH"] == str(tmp_path / "lib/libclang.so.1")


def test_what_a_variable_names_comes_first(
    script: ModuleType, tmp_path: Path, without_wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/libclang.so").symlink_to(without_wheels)
    (tmp_path / "lib/libclang.so").symlink_to(without_wheels)
    monkeypatch.setenv("LIBCLANG_PATH", str(tmp_path / "mine"))
    assert script.main() == 0
    assert configured()["LIBCLANG_PATH"] == str(tmp_path / "mine/libclang.so")


@pytest.mark.parametrize("kind", ["nothing", "another library of LLVM", "a file that is no library", "another library"])
def test_what_is_not_libclang_is_not_taken_for_it(
    script: ModuleType, tmp_path: Path, without_wheels: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if kind == "another library of LLVM":
        (tmp_path / "lib/libclang-cpp.so.14").symlink_to(without_wheels)
    if kind == "a file that is no library":
        (tmp_path / "lib/libclang.so").write_text("no library")
    if kind == "another library":
        [native] = (Path(__file__).parents[2] / "sfu/plane").glob("_native*.so")
        shutil.copy(native, tmp_path / "lib/libclang-14.so")
    assert script.main() == 1
    assert capsys.readouterr().err == (
        "setup: The build needs libclang, and there is no wheel that works on this machine: install the package "
        "(Debian: sudo apt-get install libclang-dev; Fedora: sudo dnf install clang-devel).\n"
    )
    assert not Path(".cargo").exists()


def test_both_are_named_in_one_sentence(
    script: ModuleType, without_wheels: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "cmakes", lambda: iter(("/nowhere/cmake", "/bin/false")))
    assert script.main() == 1
    assert "The build needs cmake and libclang," in capsys.readouterr().err


def test_a_configuration_of_the_users_is_not_overwritten(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(".cargo").mkdir()
    Path(".cargo/config.toml").write_text("[build]\njobs = 1\n")
    assert script.main() == 1
    assert "was not written by the build" in capsys.readouterr().err
    assert Path(".cargo/config.toml").read_text() == "[build]\njobs = 1\n"
