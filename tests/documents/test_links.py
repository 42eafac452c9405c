"""Each relative link of each document leads to a file and to a heading in it."""

from pathlib import Path

import pytest

from .markdown import anchors, documents, links
from .terminal import ROOT

DOCUMENTS = documents(ROOT)


def broken(document: Path, text: str) -> list[str]:
    found: list[str] = []
    for target in links(text):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        to = (document.parent / path).resolve() if path else document
        if not to.exists():
            found.append(f"{target}: there is no such file")
        elif anchor and anchor not in anchors(text if to == document else to.read_text()):
            found.append(f"{target}: there is no such heading")
    return found


def test_all_documents_are_looked_at() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in DOCUMENTS}
    assert {"README.md", "ARCHITECTURE.md", "api/PROTOCOL.md", "docs/decisions/README.md"} <= names


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    assert broken(document, document.read_text()) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[a](missing.md)", "missing.md: there is no such file"),
        ("# One\n[`a[0]`](#two)", "#two: there is no such heading"),
        ("[a](ARCHITECTURE.md#nowhere)", "ARCHITECTURE.md#nowhere: there is no such heading"),
        ("# A, b `c`\n[a](#a-b-c) `x[1](2)` [b](https://example.com/none)", None),
        ("# A\n# A\n[a](#a) [b](#a-1)\n```\n# B [c](none)\n```", None),
    ],
)
def test_a_broken_link_is_named(text: str, complaint: str | None) -> None:
    assert broken(ROOT / "README.md", text) == ([complaint] if complaint else [])
