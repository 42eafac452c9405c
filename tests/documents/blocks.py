"""The fenced blocks of a Markdown document, with their heading and line."""

import re
from dataclasses import dataclass
from pathlib import Path

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "examples/README.md", "charts/sfu/README.md")
"""The documents whose blocks are all run."""
FENCE = re.compile(r"^ *```(.*)$")


@dataclass(frozen=True, slots=True)
class Block:
    document: str
    line: int
    """The number of its first line of text, from 1."""
    heading: str
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.document}:{self.line}"


def blocks(root: Path, document: str) -> list[Block]:
    """Returns the blocks. Raises ValueError for an unclosed fence."""
    found: list[Block] = []
    heading, language, begin = "", None, 0
    lines: list[str] = []
    for number, line in enumerate((root / document).read_text().splitlines(), start=1):
        fence = FENCE.match(line)
        if fence and language is None:
            language, begin, lines = fence[1].strip(), number + 1, []
        elif fence and language is not None:
            text = "".join(f"{one}\n" for one in lines)
            found.append(Block(document, begin, heading, language, text))
            language = None
        elif language is not None:
            lines.append(line)
        elif line.startswith("#"):
            heading = line.lstrip("#").strip()
    if language is not None:
        raise ValueError(f"{document}:{begin - 1}: nothing closes this block")
    return found


def usage(root: Path, module: str) -> Block:
    """Returns the indented block in the first comment of a JavaScript module."""
    lines = (root / module).read_text().splitlines()
    begin = next(number for number, line in enumerate(lines, start=1) if line.startswith(" *     "))
    text: list[str] = []
    for line in lines[begin - 1 :]:
        if line != " *" and not line.startswith(" *     "):
            break
        text.append(line.removeprefix(" *").removeprefix("     "))
    return Block(module, begin, "", "js", "\n".join(text).rstrip() + "\n")
