"""What of an offer may stand in its answer."""

import pytest

from sfu.negotiation import answer
from sfu.negotiation.attributes import Rid


@pytest.mark.parametrize(
    ("offered", "answered"),
    [
        ("", ""),
        ("max-width=640;max-fps=15", "max-width=640;max-fps=15"),
        ("pt=96", "pt=96"),
        ("pt=100,96,101,98", "pt=96,98"),
        ("max-width=640;pt=98,96;max-fps=15", "max-width=640;pt=98,96;max-fps=15"),
        ("pt=100", None),
        ("pt=", None),
        ("max-width=640;pt=100,101", None),
    ],
)
def test_a_restriction_names_only_payload_types_of_the_answer(offered: str, answered: str | None) -> None:
    """RFC 8851 s5: of a stream whose payload types are all left out, nothing can be sent."""
    assert answer.restrictions(Rid("h", "send", offered), {"96", "98"}) == answered
