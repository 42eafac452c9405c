"""Every `raise` of `sfu/negotiation`, and every sentence about a section: a row here or in `test_odd_lines.py` has it.

A new one has no row, and fails: whoever writes it decides first whether a feature, a section or the offer is to go.
"""

import ast
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import sfu.negotiation
from sfu import limits
from sfu.errors import NegotiationError
from sfu.negotiation.fragment import fragment, restart
from sfu.negotiation.negotiation import Allow, Negotiated
from sfu.negotiation.sdp import SessionDescription
from sfu.negotiation.sections import Sections

from .offers import AUDIO, DATA, FRESH, LOCAL, VIDEO, Part, answered, counter, edited, offer, section
from .test_odd_lines import ONE, REFUSED, REJECTED, TWO

HOME = Path(sfu.negotiation.__file__).parent
CREDENTIALS = f"a=ice-ufrag:them\r\na=ice-pwd:{'t' * 22}\r\n"
Site = tuple[str, int, int]
"""A file, and its lines from here to there."""


def numbered(n: int) -> Part:
    """Forty payload types that no other number lists like that."""
    lines = (f"a=rtpmap:{number} VP8/90000\r\na=fmtp:{number} x={n}" for number in range(40))
    return (f"m=video 9 UDP/TLS/RTP/SAVPF {' '.join(map(str, range(40)))}", "a=rtcp-mux", *lines)


MANY = offer(*(section(numbered(n), str(n)) for n in range(limits.SDP_ALL_CODECS // 40 + 2)))
RESTARTED = edited(ONE, (":them", ":they"))

# The offer, or the fragment, is refused: these beside REFUSED.
OFFER: list[tuple[str, Callable[[], object]]] = [
    ("no SDP", lambda: answered("hello")),
    ("too many characters", lambda: answered("v=0" + "x" * limits.SDP_OCTETS)),
    ("too many sections", lambda: answered("v=0" + "\nm=audio 9 x 0" * (limits.SDP_SECTIONS + 1))),
    ("fewer sections than before", lambda: answered(ONE, answered(TWO))),
    (
        "data channels alone, which are not allowed",
        lambda: answered(offer(section(DATA, "0")), allow=Allow(data=False)),
    ),
    ("a fragment of too many characters", lambda: fragment("x" * (limits.FRAGMENT_OCTETS + 1))),
    ("a fragment without credentials", lambda: fragment("m=audio 9 x 0\r\n")),
    ("a fragment with unreadable ones", lambda: fragment(edited(CREDENTIALS, (":them", ":th")))),
]
# It is the caller's mistake, and no client's: not a NegotiationError.
CALLER: list[tuple[str, Callable[[], object]]] = [
    ("an ICE restart without fresh credentials", lambda: answered(RESTARTED, answered(ONE))),
    ("one by a fragment", lambda: restart(fragment(CREDENTIALS), answered(ONE), LOCAL)),
    ("a source of SSRCs that repeats itself", lambda: answered(TWO, new_ssrc=lambda: 7)),
]


def where(call: Callable[[], object], kind: type[Exception]) -> tuple[str, int]:
    """The file and line that raised."""
    with pytest.raises(kind) as caught:
        call()
    assert caught.type is kind
    last = caught.traceback[-1]
    return Path(str(last.path)).name, last.lineno + 1


def raises(kind: str) -> Iterator[Site]:
    for path in HOME.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and ast.unparse(node.exc.func) == kind:
                yield path.name, node.lineno, node.end_lineno or node.lineno


def never_met(sites: Iterator[Site], met: set[tuple[str, int]]) -> list[str]:
    return [f"{name}:{a}" for name, a, b in sites if not any((name, line) in met for line in range(a, b + 1))]


def refused(text: str) -> Callable[[], Negotiated]:
    return lambda: answered(text)


def test_every_refusal_of_an_offer_has_a_row() -> None:
    rows = [call for _, call in OFFER] + [refused(text) for text, _ in REFUSED]
    assert never_met(raises("NegotiationError"), {where(call, NegotiationError) for call in rows}) == []


def test_every_mistake_of_a_caller_has_a_row() -> None:
    assert never_met(raises("ValueError"), {where(call, ValueError) for _, call in CALLER}) == []
    assert answered(RESTARTED, answered(ONE), local=FRESH).ice_restarted


def test_nothing_else_is_raised() -> None:
    found = {
        ast.unparse(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
        for path in HOME.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Raise) and node.exc is not None
    }
    assert found == {"NegotiationError", "ValueError"}


# Sentences about sections, which are told where no section is left: these beside those of REFUSED and REJECTED.
SECTION: list[tuple[str, Negotiated | None, str]] = [
    (offer(section(VIDEO, "0")), answered(ONE), "the section '0' is now 'video'"),
    (MANY, None, "the offer has more than 800 different payload types"),
    (offer(section(AUDIO, "0"), section(VIDEO, "0")), None, "two m-sections have '0'"),
]


def faults(text: str, previous: Negotiated | None = None) -> list[str]:
    sections = Sections(SessionDescription.parse(text), previous, Allow(), counter())
    with suppress(NegotiationError):
        sections.answered()
    return sections.faults


@pytest.mark.parametrize(("text", "previous", "sentence"), SECTION, ids=[row[2] for row in SECTION])
def test_a_section_that_is_rejected_has_a_sentence(text: str, previous: Negotiated | None, sentence: str) -> None:
    assert sentence in faults(text, previous)


def sentences() -> Iterator[str]:
    """Patterns of what is said of sections that are rejected."""
    for name in ("body.py", "sections.py"):
        for node in ast.walk(ast.parse((HOME / name).read_text())):
            value: ast.AST | None = None
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "self._rejected":
                value = node.args[1] if len(node.args) > 1 else None
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "self.fault":
                value = node.value
            for text in ast.walk(value) if value is not None else ():
                if isinstance(text, ast.JoinedStr):
                    yield "".join(
                        re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".*" for part in text.values
                    )


def test_every_sentence_about_a_section_has_a_row() -> None:
    said = [fault for _, text, _ in REJECTED for fault in faults(text)]
    said += [fault for text, _ in REFUSED if text.count("\nm=") and "\nm=\r" not in text for fault in tried(text)]
    said += [fault for text, previous, _ in SECTION for fault in faults(text, previous)]
    patterns = list(sentences())
    assert len(patterns) >= 5
    assert [pattern for pattern in patterns if not any(re.fullmatch(pattern, one) for one in said)] == []


def tried(text: str) -> list[str]:
    try:
        return faults(text)
    except NegotiationError:
        return []
