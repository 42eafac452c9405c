"""Quotes a client's text in our sentences, and measures it. Only `quote` and `legible` may put outside text into a
sentence."""

from sfu import limits

JOINERS = "\u200c\u200d"
"""Persian, Malayalam and emoji use these characters, and they change nothing around them."""


def quote(text: str) -> str:
    """Returns the text in quotes, cut at `limits.QUOTE_CHARACTERS`. Invisible characters and those that change the
    direction of writing (bidi controls, control characters, lone surrogates, tags) become escape sequences."""
    cut = text[: limits.QUOTE_CHARACTERS]
    return "'" + "".join(map(_shown, cut)) + ("…'" if len(text) > len(cut) else "'")


def legible(text: str) -> str:
    """Returns the whole text for a terminal or a log. Characters that move a cursor or change the direction of writing
    are escaped."""
    return "".join(character if character == "\\" else _shown(character) for character in text)


def _shown(character: str) -> str:
    if character in JOINERS or (character.isprintable() and character != "\\"):
        return character
    return character.encode("unicode_escape").decode()


def octets(text: str) -> int:
    """Returns the octets of a text in UTF-8. Half of a surrogate pair, which JSON may name, counts as three."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
