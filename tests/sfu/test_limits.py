"""The table of limits: every row has a reason, and no two rows contradict each other, in Python or in Rust."""

import ast
import re
from pathlib import Path

import pytest

from sfu import limits
from sfu.config import Config, DataLimits

SFU = Path(limits.__file__).parent
RUST = SFU / "plane/core/src/limits.rs"
CONSTANT = re.compile(r"^pub const ([A-Z0-9_]+): \w+ = ([0-9_]+(?: \* [0-9_]+)*|1 << [0-9]+);", re.MULTILINE)


def rows() -> dict[str, str]:
    """The reason of each row, by name: the text that stands below it."""
    body = ast.parse(Path(limits.__file__).read_text()).body
    found: dict[str, str] = {}
    for row, below in zip(body, [*body[1:], ast.Pass()], strict=True):
        if isinstance(row, ast.Assign) and isinstance(name := row.targets[0], ast.Name):
            is_text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
            found[name.id] = str(below.value.value) if is_text else ""  # type: ignore[union-attr]
    return found


@pytest.mark.parametrize("name", rows())
def test_every_limit_says_what_it_counts_and_where_it_comes_from(name: str) -> None:
    what, source, origin = rows()[name].partition("Source: ")
    assert len(what.strip()) > 10 and source and len(origin) > 3, f"{name} needs a reason and a 'Source: …' below it"
    value = getattr(limits, name)
    assert isinstance(value, int | float) and 0 < value < float("inf")


def test_what_is_in_the_table_of_the_packet_plane_too_is_the_same_there() -> None:
    if not RUST.is_file():
        pytest.skip("the packet plane has no table yet")
    there = dict(CONSTANT.findall(RUST.read_text()))
    both = there.keys() & rows().keys()
    assert {"TRACKS", "SLOTS", "SDP_ENCODINGS"} <= both, "from which it derives how many SSRCs there are"
    assert {name: getattr(limits, name) for name in both} == {name: eval(there[name]) for name in both}


def test_a_bound_that_holds_another_is_the_larger_one() -> None:
    table = [
        # An offer fits the message or the body that brings it, a message of a data channel its base64 in a body.
        (limits.SDP_OCTETS, limits.MESSAGE_OCTETS),
        (limits.SDP_OCTETS, limits.BODY_OCTETS),
        (limits.FRAGMENT_OCTETS, limits.BODY_OCTETS),
        (limits.DATA_MESSAGE_OCTETS * 4 // 3 + 1024, limits.BODY_OCTETS),
        # Metadata and attributes may be changed in one message, with every character escaped to six octets.
        (2 * limits.METADATA_OCTETS, limits.MESSAGE_OCTETS),
        # What may be published, and shown, can be offered.
        (limits.TRACKS, limits.SDP_SECTIONS),
        (2 * limits.SLOTS, limits.SDP_SECTIONS),
        # The group that bundles them is a line that is looked at, and so is every line of their payload types.
        (limits.SDP_SECTIONS * (limits.SDP_IDENTIFICATION + 1), limits.SDP_LINE),
        (2 * limits.SDP_FORMATS + limits.SDP_FEEDBACK_LINES, limits.SDP_LINES),
        (limits.SDP_ENCODINGS, limits.SDP_RIDS),
        (limits.SDP_ENCODINGS, limits.SDP_GROUPS),
        (limits.ON_STAGE, limits.SDP_SECTIONS),
        (limits.MESSAGES_PER_SECOND, limits.MESSAGE_BURST),
        (limits.SLOTS, limits.MESSAGE_BURST),
        (limits.DATA_MESSAGES_PER_SECOND, limits.DATA_MESSAGE_BURST),
        (limits.REQUEST_LINE_OCTETS, limits.HEADER_OCTETS),
        (limits.HEADER_OCTETS + 6 * limits.BODY_OCTETS, limits.REQUEST_OCTETS),
        (limits.FIRST_MESSAGE_OCTETS, limits.MESSAGE_OCTETS),
        (limits.CONNECTIONS_PER_ADDRESS * limits.UNSETTLED, limits.CONNECTIONS),
        (limits.CONTROL_FRAMES_PER_SECOND, limits.CONTROL_FRAME_BURST),
    ]
    assert [(held, holder) for held, holder in table if held > holder] == []


def test_defaults_of_the_configuration_come_from_the_table() -> None:
    config, data = Config(), DataLimits()
    assert (config.max_tracks, config.max_slots, config.max_rooms) == (limits.TRACKS, limits.SLOTS, limits.ROOMS)
    assert (data.channels, data.message) == (limits.DATA_CHANNELS, limits.DATA_MESSAGE_OCTETS)


def test_no_module_keeps_a_bound_on_what_comes_from_outside_to_itself() -> None:
    kept = re.compile(r"^(MAX_[A-Z_]+|[A-Z_]+_(LIMIT|BURST|RATE))(: \w+)? = [0-9(]", re.MULTILINE)
    files = {path for house in (SFU, SFU.parent / "api") for path in house.rglob("*.py")} - {SFU / "limits.py"}
    assert {path.name: found for path in sorted(files) if (found := kept.findall(path.read_text()))} == {}
