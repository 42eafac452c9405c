"""`sfu explain`: an explanation as text."""

from api import report
from api.explain import EXAMPLE

NOW = EXAMPLE["decisions"][-1]["at"] + 1500


def test_an_explanation_is_a_sentence_four_layers_and_what_was_decided() -> None:
    assert list(report.explanations([EXAMPLE], NOW)) == [
        "ada's camera is shown to bob at 320x180, 15 frames/s, 149 kbit/s: a keyframe of a better layer is awaited; "
        "ada ignores keyframe requests.",
        "  wanted   S2 T2  1280x720  30 frames/s  1540 kbit/s",
        "  allowed  S2 T2  1280x720  30 frames/s  1540 kbit/s",
        "  target   S2 T2  1280x720  30 frames/s  1540 kbit/s",
        "  current  S0 T2  320x180  15 frames/s  149 kbit/s",
        "  since    1.5 s ago",
        "     1.8 s ago  wanted    anything",
        "     1.7 s ago  target    S2 T2",
        "     1.5 s ago  current   S0 T2  waiting_for_keyframe",
    ]


def test_what_is_not_there_is_said_and_tracks_are_apart() -> None:
    never = EXAMPLE | {"current": None, "since": 0, "decisions": []}
    off = {"at": NOW + 50, "what": "target", "layer": None, "cause": "paused", "detail": ""}
    seen = list(report.explanations([never, EXAMPLE | {"decisions": [off]}], NOW))
    assert seen[4:7] == ["  current  nothing", "", EXAMPLE["sentence"]]
    assert seen[-1] == "     0.0 s ago  target    nothing  paused"
