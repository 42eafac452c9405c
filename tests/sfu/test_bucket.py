"""The budget of a client, a key, an address."""

from sfu.bucket import Bucket


def test_a_burst_passes_and_then_its_rate() -> None:
    bucket = Bucket(rate=2, burst=3, at=100.0)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(100.6), bucket.take(100.7)] == [True, False]
    assert [bucket.take(1_000.0) for _ in range(4)] == [True, True, True, False]


def test_what_is_overspent_is_waited_for_and_comes_back() -> None:
    bucket = Bucket(rate=50, burst=200, at=0.0)
    assert [bucket.spend(0.0) for _ in range(200)] == [0.0] * 200
    assert [round(bucket.spend(0.0), 3) for _ in range(3)] == [0.02, 0.04, 0.06]
    assert round(bucket.spend(0.08), 3) == 0.0, "four came back, three were owed"
    assert not bucket.is_full(3.0) and bucket.is_full(5.0)


def test_what_is_missing_tells_how_long_to_wait_and_spends_nothing() -> None:
    bucket = Bucket(rate=10, burst=5, at=0.0)
    assert bucket.take(0.0, 5) and not bucket.take(0.0)
    assert [round(wait, 3) for wait in (bucket.wait(0.0), bucket.wait(0.0, 3), bucket.wait(0.1))] == [0.1, 0.3, 0.0]


def test_a_clock_that_stands_still_or_goes_back_gives_nothing() -> None:
    bucket = Bucket(rate=10, burst=1, at=5.0)
    assert [bucket.take(5.0), bucket.take(4.0), bucket.take(4.05)] == [True, False, False]
