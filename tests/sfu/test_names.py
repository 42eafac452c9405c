"""Valid names: every script and emoji, but nothing that controls a terminal or reorders the text around it."""

import pytest

from sfu import names
from sfu.errors import InvalidRequest, LimitExceeded
from sfu.quoting import legible

GOOD = {
    "Persian, zero-width non-joiner": "\u0627\u062a\u0627\u0642\u200c\u0647\u0627\u06cc",
    "Malayalam, zero-width joiner": "\u0d2a\u0d4d\u0d30\u0d35\u0d40\u0d23\u200d",
    "a family, zero-width joiners": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "a flag, of tags": "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "a heart, variation selector": "\u2764\ufe0f",
    "a keycap": "1\ufe0f\u20e3",
    "Japanese, ideographic space": "\u5c71\u7530\u3000\u592a\u90ce",
    "French, narrow no-break space": "Salle\u202f3",
    "Arabic, right-to-left mark": "\u0639\u0631\u0628\u064a\u200f!",
    "combining, decomposed": "Ame\u0301lie",
    "not assigned yet": "\U0001fbff",
    "of private use": "\ue000",
    "a slash, a percent sign, a dot": "../a%2Fb",
}
BAD = {
    "a line break": "a\nb",
    "an escape": "\x1b[2J",
    "a delete": "a\x7f",
    "a C1 control": "a\x9b31m",
    "a null": "\x00",
    "a line separator": "a\u2028b",
    "a paragraph separator": "a\u2029b",
    **{f"U+{ord(one):04X}": f"a{one}b" for one in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"},
}
TEXTS = [names.room_name, names.identity, lambda name: names.text("a display name", name)]


@pytest.mark.parametrize("name", GOOD.values(), ids=GOOD.keys())
def test_a_name_in_any_script_is_one(name: str) -> None:
    assert [check(name) for check in TEXTS] == [name] * 3


@pytest.mark.parametrize("name", BAD.values(), ids=BAD.keys())
def test_what_steers_a_terminal_or_turns_its_surroundings_is_refused_and_named(name: str) -> None:
    for check in TEXTS:
        with pytest.raises(InvalidRequest, match=r"no control characters, but this one has U\+[0-9A-F]{4}$") as refused:
            check(name)
        assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", [" ", "\u3000\u3000", "\u200d", "\u200c \u200e"])
def test_a_name_of_which_nothing_is_seen_is_none(name: str) -> None:
    for check in (names.room_name, names.identity):
        with pytest.raises(InvalidRequest, match="needs a visible character"):
            check(name)
    assert names.text("a display name", name) == name


def test_the_length_counts_first() -> None:
    with pytest.raises(LimitExceeded):
        names.room_name("\n" * 100_000)


@pytest.mark.parametrize("name", [*GOOD.values(), *BAD.values(), "back\\slash"])
def test_what_is_printed_is_legible(name: str) -> None:
    shown = legible(name)
    assert all(one.isprintable() or one in "\u200c\u200d" for one in shown)
    assert legible("back\\slash") == "back\\slash"
