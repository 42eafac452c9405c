"""A cache keeps what was used last, within its budget."""

from sfu.recent import Recent


def kept(recent: Recent[str, str], keys: str) -> str:
    return "".join(key for key in keys if recent.peek(key) is not None)


def test_the_least_recently_used_result_goes_first_and_a_peek_is_no_use() -> None:
    recent = Recent[str, str](16)
    for key in "abc":
        assert recent.recall(key, lambda key=key: (key.upper(), 1)) == key.upper()  # type: ignore[misc]
    assert recent.recall("a", lambda: ("again", 1)) == "A", "it is not computed again"
    assert recent.peek("b") == "B" and recent.peek("x") is None
    for key in "defghijklmnop":
        recent.recall(key, lambda: ("", 1))
    assert kept(recent, "abc") == "abc" and recent.weight == 16
    recent.recall("q", lambda: ("", 1))
    assert kept(recent, "abc") == "ac", "b was only looked at"


def test_a_result_that_weighs_too_much_is_not_stored() -> None:
    recent = Recent[str, str](16)
    assert recent.recall("a", lambda: ("A", 2)) == "A"
    assert recent.peek("a") is None and recent.weight == 0


def test_a_forgotten_result_weighs_nothing() -> None:
    recent = Recent[str, str](16)
    recent.recall("a", lambda: ("A", 1))
    recent.forget("a")
    recent.forget("b")
    assert recent.peek("a") is None and recent.weight == 0 == len(recent)
