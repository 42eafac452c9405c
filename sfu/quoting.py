"""A client's own words within ours: the only way in which a sentence of ours repeats a text from outside."""

from sfu import limits

JOINERS = "\u200c\u200d"
"""Persian, Malayalam and emoji are written with them, and they change nothing around them."""


def quote(text: str) -> str:
    """The text in quotes, cut at `limits.QUOTE_CHARACTERS`. What is invisible or turns the direction of writing (bidi
    controls, control characters, lone surrogates, tags) is shown as an escape sequence."""
    cut = text[: limits.QUOTE_CHARACTERS]
    return "'" + "".join(map(_shown, cut)) + ("…'" if len(text) > len(cut) else "'")


def legible(text: str) -> str:
    """The whole text for a terminal or a log: what could move a cursor or turn the direction of writing is escaped."""
    return "".join(character if character == "\\" else _shown(character) for character in text)


def _shown(character: str) -> str:
    if character in JOINERS or (character.isprintable() and character != "\\"):
        return character
    return character.encode("unicode_escape").decode()
