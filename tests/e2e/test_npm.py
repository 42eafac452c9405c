"""If client libraries cannot be installed: reported in CI, and a failure there if they could be."""

import os
import sys
from pathlib import Path

import pytest

from . import npm

CASES = [
    ("offered and not installed", None, 0, "it is not installed", pytest.fail.Exception),
    ("not to be had", None, 100, "it is not installed", pytest.skip.Exception),
    ("no registry", "npm error code ENOTFOUND", 0, "code ENOTFOUND", pytest.skip.Exception),
    ("a lock file that does not fit", "npm error code EUSAGE", 0, "code EUSAGE", pytest.fail.Exception),
    ("another package than the pinned one", "npm ERR! code EINTEGRITY", 0, "code EINTEGRITY", pytest.fail.Exception),
    ("a word that nobody knows", "npm is out of order", 0, "out of order", pytest.skip.Exception),
]


@pytest.mark.parametrize(
    ("said", "apt", "sentence", "outcome"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
@pytest.mark.parametrize("ci", ["true", ""])
def test_what_is_missing_is_told_and_fails_in_ci_where_it_could_be_there(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    said: str | None,
    apt: int,
    sentence: str,
    outcome: type[BaseException],
    ci: str,
) -> None:
    def program(name: str, script: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    program("apt-get", f"exit {apt}")
    if said is not None:
        program("npm", f"echo '{said}' >&2; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with (tmp_path / "told").open("w") as told:
        monkeypatch.setattr(sys, "__stderr__", told)
        with pytest.raises(outcome if ci else pytest.skip.Exception, match=sentence):
            npm.install(tmp_path)
    lines = (tmp_path / "told").read_text().splitlines()
    assert len(lines) == (1 if ci else 0) and all(sentence in line for line in lines)
