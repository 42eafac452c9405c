"""Which track each section shows, as tables."""

from collections.abc import Sequence

import pytest

from sfu.model import Kind, Source
from sfu.policy.slots import Wanted, growth, plan


def sections(audio: int, video: int) -> list[tuple[str, Kind]]:
    """`a0 a1 … v0 v1 …`."""
    return [(f"a{i}", Kind.AUDIO) for i in range(audio)] + [(f"v{i}", Kind.VIDEO) for i in range(video)]


def wanted(words: str) -> list[Wanted]:
    """`A.cam B.mic A.screen`: participants and sources, most wanted first."""
    sources = {
        "cam": (Kind.VIDEO, Source.CAMERA),
        "mic": (Kind.AUDIO, Source.MICROPHONE),
        "screen": (Kind.VIDEO, Source.SCREEN_SHARE),
        "sound": (Kind.AUDIO, Source.SCREEN_SHARE_AUDIO),
        "other": (Kind.VIDEO, Source.UNKNOWN),
    }
    return [Wanted(word, word.split(".")[0], *sources[word.split(".")[1]]) for word in words.split()]


def shown(words: str) -> dict[str, str | None]:
    """`v0=A.cam a1=B.mic`."""
    return {mid: track for mid, _, track in (word.partition("=") for word in words.split())}


TABLE: Sequence[tuple[str, str, tuple[int, int], str, str]] = [
    # why, wanted, sections, shown before, shown after
    ("nobody is there", "", (1, 1), "", ""),
    ("one of each", "A.mic A.cam", (1, 1), "", "a0=A.mic v0=A.cam"),
    ("no section for it", "A.mic A.cam", (1, 0), "", "a0=A.mic"),
    ("a track keeps its slot", "A.cam B.cam", (0, 2), "v1=A.cam", "v0=B.cam v1=A.cam"),
    ("one that is gone makes room", "B.cam C.cam", (0, 2), "v0=A.cam v1=B.cam", "v0=C.cam v1=B.cam"),
    ("lip sync: the camera goes beside its microphone", "A.mic A.cam", (2, 2), "a1=A.mic", "a1=A.mic v1=A.cam"),
    ("lip sync: the microphone goes beside its camera", "A.cam A.mic", (2, 2), "v1=A.cam", "a1=A.mic v1=A.cam"),
    ("the twin of a lonely camera is left to its microphone", "A.cam B.mic", (2, 2), "", "v0=A.cam a1=B.mic"),
    ("beside a stranger if need be", "A.cam B.mic", (1, 1), "", "v0=A.cam a0=B.mic"),
    ("the sound of a screen goes beside the screen", "A.cam A.mic A.screen A.sound", (2, 2), "",
     "v0=A.screen v1=A.cam a1=A.mic a0=A.sound"),
    ("a screen goes before cameras", "A.cam B.cam C.screen", (0, 1), "v0=A.cam", "v0=C.screen"),
    ("too few: the first wanted", "A.cam B.cam C.cam", (0, 2), "", "v0=A.cam v1=B.cam"),
    ("another order takes the slot of who fell out", "C.cam A.cam B.cam", (0, 2), "v0=A.cam v1=B.cam",
     "v0=A.cam v1=C.cam"),
    ("a track shows once, whatever the map says", "A.cam", (0, 2), "v0=A.cam v1=A.cam", "v0=A.cam"),
    ("tracks of no known source have no partner", "A.other A.mic", (2, 2), "", "v0=A.other a1=A.mic"),
]  # fmt: skip


@pytest.mark.parametrize(("why", "want", "count", "before", "after"), TABLE, ids=[row[0] for row in TABLE])
def test_sections_show(why: str, want: str, count: tuple[int, int], before: str, after: str) -> None:
    result = plan(wanted(want), sections(*count), shown(before))
    assert {mid: track for mid, track in result.shown.items() if track} == shown(after)
    assert set(result.shown) == {mid for mid, _ in sections(*count)}


def test_what_has_no_section_is_missing() -> None:
    result = plan(wanted("A.cam B.cam C.screen A.mic"), sections(1, 1), {})
    assert result.missing == {Kind.VIDEO: 2, Kind.AUDIO: 0}


@pytest.mark.parametrize(
    ("missing", "present", "limit", "asked"),
    [
        (0, 10, 100, 0),
        (1, 0, 100, 1),
        (1, 3, 100, 1),
        (1, 8, 100, 3),
        (47, 3, 100, 47),
        (5, 98, 100, 2),
        (5, 100, 100, 0),
    ],
)
def test_sections_are_asked_for_with_a_quarter_in_reserve(missing: int, present: int, limit: int, asked: int) -> None:
    assert growth(missing, present, limit) == asked


def test_a_room_that_fills_one_by_one_asks_each_client_a_few_times_only() -> None:
    present, asked = 3, 0
    for publishers in range(1, 101):
        more = growth(max(0, publishers - present), present, 128)
        if more:
            present, asked = present + more, asked + 1
    assert asked <= 16
