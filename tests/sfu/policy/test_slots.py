"""The track that each section shows, as tables."""

import random
from collections.abc import Mapping, Sequence

import pytest

from sfu.model import Kind, Source
from sfu.policy.slots import Claim, Layout, Selection, growth, order, ranked, select

from .full_plan import choose, plan


def sections(audio: int, video: int) -> list[tuple[str, Kind]]:
    """`a0 a1 … v0 v1 …`."""
    return [(f"a{i}", Kind.AUDIO) for i in range(audio)] + [(f"v{i}", Kind.VIDEO) for i in range(video)]


def wanted(words: str) -> list[Claim]:
    """`A.cam B.mic A.screen`: participants and sources, most wanted first."""
    sources = {
        "cam": (Kind.VIDEO, Source.CAMERA),
        "mic": (Kind.AUDIO, Source.MICROPHONE),
        "screen": (Kind.VIDEO, Source.SCREEN_SHARE),
        "sound": (Kind.AUDIO, Source.SCREEN_SHARE_AUDIO),
        "other": (Kind.VIDEO, Source.UNKNOWN),
    }
    return [Claim(word, word.split(".")[0], *sources[word.split(".")[1]]) for word in words.split()]


def fitted(
    want: Sequence[Claim], places: Sequence[tuple[str, Kind]], present: Mapping[str, str | None]
) -> Mapping[str, str | None]:
    """Returns the new contents of the sections, from the present ones."""
    layout = Layout.of(places, present)
    count = (sum(kind is Kind.AUDIO for _, kind in places), sum(kind is Kind.VIDEO for _, kind in places))
    layout, changed = layout.fit(select(ranked(want), 0, count))
    before = {mid: present.get(mid) for mid, _ in places}
    now = layout.shown()
    # The second section of a track that `present` has twice is empty already.
    assert {mid: one.track for mid, one in changed.items() if one is not None}.items() >= {
        (mid, now[mid]) for mid in now if now[mid] not in (before[mid], None)
    }
    return now


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
    ("lip sync: both are new, and go side by side", "B.mic C.cam A.cam A.mic", (3, 3), "a0=B.mic v1=C.cam",
     "a0=B.mic v1=C.cam v2=A.cam a2=A.mic"),
    ("a camera leaves the slot beside a stranger's microphone to the stranger", "B.mic A.cam", (2, 2), "a0=B.mic",
     "a0=B.mic v1=A.cam"),
    ("beside a stranger if need be", "A.cam B.mic", (1, 1), "", "v0=A.cam a0=B.mic"),
    ("the sound of a screen goes beside the screen", "A.cam A.mic A.screen A.sound", (2, 2), "",
     "v0=A.screen v1=A.cam a1=A.mic a0=A.sound"),
    ("a screen goes beside its sound", "A.screen A.sound", (2, 2), "a1=A.sound", "a1=A.sound v1=A.screen"),
    ("a sound goes beside its screen", "A.screen A.sound", (2, 2), "v1=A.screen", "v1=A.screen a1=A.sound"),
    ("a screen goes before cameras", "A.cam B.cam C.screen", (0, 1), "v0=A.cam", "v0=C.screen"),
    ("too few: the first wanted", "A.cam B.cam C.cam", (0, 2), "", "v0=A.cam v1=B.cam"),
    ("another order takes the slot of who fell out", "C.cam A.cam B.cam", (0, 2), "v0=A.cam v1=B.cam",
     "v0=A.cam v1=C.cam"),
    ("a track shows once, whatever the map says", "A.cam", (0, 2), "v0=A.cam v1=A.cam", "v0=A.cam"),
    ("tracks of no known source have no partner", "A.other A.mic", (2, 2), "", "v0=A.other a1=A.mic"),
]  # fmt: skip


@pytest.mark.parametrize(("why", "want", "count", "before", "after"), TABLE, ids=[row[0] for row in TABLE])
def test_sections_show(why: str, want: str, count: tuple[int, int], before: str, after: str) -> None:
    result = fitted(order(wanted(want), {}, {}), sections(*count), shown(before))
    assert {mid: track for mid, track in result.items() if track} == shown(after)
    assert set(result) == {mid for mid, _ in sections(*count)}


ORDERS: Sequence[tuple[str, str, str, str, str]] = [
    # why, joined, on stage, spoke (the last one last), order
    ("as they joined", "A.cam B.cam C.cam", "", "", "A.cam B.cam C.cam"),
    ("a screen and its sound go first", "A.cam B.cam B.screen B.sound", "", "", "B.screen B.sound A.cam B.cam"),
    ("who spoke last goes before who never did", "A.cam B.cam C.cam", "", "B C", "C.cam B.cam A.cam"),
    ("a screen goes before who speaks", "A.cam B.screen C.cam", "", "C", "B.screen C.cam A.cam"),
    ("the stage goes before all, in its own order", "A.screen B.cam C.cam D.cam", "D B", "C",
     "D.cam B.cam A.screen C.cam"),
    ("on stage, the screen goes before the camera", "A.cam B.cam B.screen", "B", "", "B.screen B.cam A.cam"),
]  # fmt: skip


@pytest.mark.parametrize(("why", "joined", "stage", "spoke", "after"), ORDERS, ids=[row[0] for row in ORDERS])
def test_first_comes(why: str, joined: str, stage: str, spoke: str, after: str) -> None:
    ranks = {name: rank for rank, name in enumerate(stage.split())}
    turns = {name: turn for turn, name in enumerate(spoke.split(), 1)}
    assert [track.track for track in order(wanted(joined), ranks, turns)] == after.split()


def shown_of(selection: Selection) -> list[Claim]:
    return [track for column in selection.wanted for track in column.among(selection.tracks)]


CHOICES: Sequence[tuple[str, str, str, int, str]] = [
    # why, in order, not visible, last n, chosen
    ("all, where there is no bound", "A.cam B.cam C.cam", "", 0, "A.cam B.cam C.cam"),
    ("the first few pictures and everybody's sound", "A.cam A.mic B.cam B.mic C.mic", "", 1, "A.cam A.mic B.mic C.mic"),
    ("what is visible goes before what is not", "A.cam B.cam C.cam", "A.cam", 0, "B.cam C.cam A.cam"),
    ("a page further on is what counts", "A.cam B.cam C.cam D.cam", "A.cam B.cam", 2, "C.cam D.cam"),
    ("with room left, what is not visible stays", "A.cam B.cam", "A.cam", 2, "B.cam A.cam"),
]  # fmt: skip


@pytest.mark.parametrize(("why", "ordered", "unseen", "last_n", "after"), CHOICES, ids=[row[0] for row in CHOICES])
def test_of_a_large_room_one_is_shown(why: str, ordered: str, unseen: str, last_n: int, after: str) -> None:
    assert [track.track for track in choose(wanted(ordered), unseen.split(), last_n)] == after.split()


def test_what_is_not_visible_is_not_missing() -> None:
    selection = select(ranked(wanted("A.cam B.cam C.cam"), ("A.cam",)), 0, (0, 1), unseen=("A.cam",))
    assert fitted(shown_of(selection), sections(0, 1), shown("v0=A.cam")) == {"v0": "B.cam"}
    assert selection.missing == (0, 1)


@pytest.mark.parametrize("seed", range(50))
def test_whatever_happens_the_first_are_shown_once_and_who_stays_does_not_move(seed: int) -> None:
    chance = random.Random(seed)
    everybody = wanted(" ".join(f"{name}.{what}" for name in "ABCDEFGH" for what in ("cam", "mic", "screen")))
    present: dict[str, str | None] = {}
    places = sections(4, 5)
    layout = Layout.of(places, present)
    for _ in range(30):
        unseen = {track.track for track in chance.sample(everybody, 5) if track.kind is Kind.VIDEO}
        last_n = chance.choice((0, 2, 4))
        ordered = order(chance.sample(everybody, 12), {"C": 0}, {"D": chance.randrange(3), "E": 1})
        who = chance.choice("AX")
        own = {track.track for track in everybody if track.participant == who}
        others = [track for track in ordered if track.track not in own]
        chosen = choose(others, unseen, last_n)
        result = plan(chosen, places, present)
        selection = select(ranked(ordered, unseen), last_n, (4, 5), own=own, unseen=unseen)
        assert plan(shown_of(selection), places, present) == result, "what has no section makes no difference"
        layout, moved = layout.fit(selection)
        changed = {mid: one.track if one is not None else None for mid, one in moved.items()}
        assert layout.key == Layout.of(places, result).key
        assert layout.shown() == result and layout.tracks == selection.tracks
        assert changed == {mid: result[mid] for mid in result if present.get(mid) != result[mid] or mid in changed}
        assert selection.tracks == {track for track in result.values() if track}
        assert selection.beyond == {t.track for t in others} - {t.track for t in chosen}
        for kind, count in ((Kind.AUDIO, 4), (Kind.VIDEO, 5)):
            first = [track.track for track in chosen if track.kind is kind][:count]
            now = [track for mid, of in places if of is kind and (track := result[mid])]
            assert sorted(now) == sorted(first)
            assert kind is Kind.AUDIO or not last_n or len(now) <= last_n
            assert all(result[mid] == track for mid, track in present.items() if track in now)
        present = dict(result)


def test_what_has_no_section_is_missing() -> None:
    assert select(ranked(wanted("A.cam B.cam C.screen A.mic")), 0, (1, 1)).missing == (0, 2)


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
