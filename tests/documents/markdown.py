"""Headings, anchors and links of a Markdown document, as GitHub renders them."""

import os
import re
from collections import Counter
from pathlib import Path

HEADING = re.compile(r"^(#{1,6}) +(.+?) *$")
LINK = re.compile(r"\[(?:[^][]|\[[^]]*\])*\]\(([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)\)")
CODE = re.compile(r"`[^`]*`")


def prose(text: str) -> list[str]:
    """Yields the lines outside of fenced blocks."""
    lines: list[str] = []
    is_code = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            is_code = not is_code
        elif not is_code:
            lines.append(line)
    return lines


def headings(text: str) -> list[tuple[int, str]]:
    """Returns level and text of each heading, in order."""
    return [(len(found[1]), found[2]) for line in prose(text) if (found := HEADING.match(line))]


def sections(text: str) -> list[tuple[str, str]]:
    """Returns each heading with the text up to the next heading of any level."""
    found: list[tuple[str, list[str]]] = []
    is_code = False
    for line in text.splitlines():
        is_code ^= line.lstrip().startswith("```")
        heading = None if is_code else HEADING.match(line)
        if heading:
            found.append((heading[2], []))
        elif found:
            found[-1][1].append(line)
    return [(title, "\n".join(lines)) for title, lines in found]


def anchors(text: str) -> list[str]:
    """Returns the fragment of each heading. A repeated title gets -1, -2 …"""
    seen: Counter[str] = Counter()
    made: list[str] = []
    for _, title in headings(text):
        anchor = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        made.append(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return made


def links(text: str) -> list[str]:
    """Returns the targets of all inline links."""
    # In code, [x](y) is not a link.
    return [target for line in prose(text) for target in LINK.findall(CODE.sub("`", line))]


def tables(text: str) -> list[list[list[str]]]:
    """Returns each table as rows of cells, with the header and without the rule. `\\|` is a character of its cell."""
    found: list[list[list[str]]] = []
    is_inside = False
    for line in prose(text):
        if not line.startswith("|"):
            is_inside = False
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if not is_inside:
            found.append([])
        is_inside = True
        if not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
            found[-1].append(cells)
    return found


def documents(root: Path) -> list[Path]:
    """Returns the Markdown files of this repository, without built or installed ones."""
    found: list[Path] = []
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if not name.startswith(".") and name not in ("target", "node_modules")]
        found += [Path(folder, name) for name in files if name.endswith(".md")]
    return sorted(found)
