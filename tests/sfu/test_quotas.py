"""Quotas per key and per address; a refusal has no effects."""

import pytest

from sfu.commands import ADMINISTRATOR, ChangeParticipant
from sfu.config import Config
from sfu.errors import NegotiationError, SfuError, TooManyRequests
from sfu.model import Grant, ParticipantKind
from sfu.quotas import Quotas
from sfu.signalling.messages import Join

from ..live import media_sessions_of, rooms_of
from .scene import Scene, grant, open_session, scene, sdp

SENDING = sdp([("audio", "sendonly")])


def met(quotas: Quotas, key: str, address: str, now: float, times: int) -> tuple[int, set[str]]:
    """How many joins pass, and which limits the others met."""
    passed, limits = 0, set()
    for _ in range(times):
        try:
            quotas.join(key, address, now)
            passed += 1
        except TooManyRequests as refused:
            limits.add(refused.limit)
            assert refused.retry_after >= 1
    return passed, limits


def test_three_hundred_of_one_address_join_within_three_seconds() -> None:
    quotas = Quotas(Config())
    assert met(quotas, "key", "192.0.2.1", 0.0, 300) == (300, set())
    assert [met(quotas, "key", "192.0.2.2", at / 100, 1) for at in range(300)] == [(1, set())] * 300


def test_an_address_and_a_key_have_a_rate_and_twice_as_much_at_once() -> None:
    quotas = Quotas(Config())
    assert met(quotas, "key", "192.0.2.1", 0.0, 500) == (400, {"joins_per_address"})
    assert met(quotas, "key", "", 0.0, 700) == (600, {"joins_per_key"})
    assert met(quotas, "other", "192.0.2.1", 0.1, 100) == (20, {"joins_per_address"})
    assert met(quotas, "key", "", 0.3, 200) == (150, {"joins_per_key"})


def test_who_is_refused_spends_nothing_and_who_only_asks_neither() -> None:
    quotas = Quotas(Config(joins_per_address=1, joins_per_key=1))
    for _ in range(9):
        quotas.require("key", "192.0.2.1", 0.0)
    assert met(quotas, "key", "192.0.2.1", 0.0, 9)[0] == 2
    assert met(quotas, "key", "192.0.2.1", 1.0, 9)[0] == 1
    with pytest.raises(TooManyRequests):
        quotas.require("key", "192.0.2.1", 1.0)


def test_what_is_remembered_is_bounded_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sfu.limits.ADDRESSES", 10)
    quotas = Quotas(Config())
    for number in range(100):
        quotas.join(f"k{number}", f"192.0.2.{number}", 0.0)
    assert len(quotas._addresses) == len(quotas._keys) == 10
    quotas.handle_timeout(10.0)
    assert quotas._addresses == quotas._keys == {}


def of_key(identity: str, key: str = "k") -> Grant:
    from dataclasses import replace

    return replace(grant(identity), key=key, room="")


def counts(it: Scene) -> tuple[dict[str, int], dict[str, int]]:
    return dict(it.sfu._quotas.rooms), dict(it.sfu._quotas.participants)


async def test_a_room_is_kept_only_when_somebody_is_in_it() -> None:
    async with scene() as it:
        for number in range(50):
            with pytest.raises(NegotiationError):
                open_session(it.sfu, of_key("a"), f"r{number}", ParticipantKind.INGRESS, "v=0")
            with pytest.raises(SfuError):
                async with it.sfu.attach(of_key("x" * 300), f"r{number}", Join("join")):
                    pass
        assert rooms_of(it.sfu) == {} and counts(it) == ({}, {})
        session = open_session(it.sfu, of_key("a"), "room", ParticipantKind.INGRESS, SENDING)
        assert list(rooms_of(it.sfu)) == ["room"] and counts(it) == ({"k": 1}, {"k": 1})
        session.close()
        await it.pass_time(60)
        assert rooms_of(it.sfu) == {} and counts(it) == ({}, {})


async def test_a_key_has_so_many_rooms_and_participants_and_others_theirs() -> None:
    async with scene(Config(max_rooms_per_key=2, max_participants_per_key=3)) as it:
        for identity, room in (("a", "1"), ("b", "2"), ("c", "1")):
            open_session(it.sfu, of_key(identity), room, ParticipantKind.INGRESS, SENDING)
        with pytest.raises(TooManyRequests, match="has 3 participants") as full:
            open_session(it.sfu, of_key("d"), "1", ParticipantKind.INGRESS, SENDING)
        assert full.value.limit == "participants_per_key"
        await it.sfu.execute(ChangeParticipant(ADMINISTRATOR, "1", "c", name="C"))
        media_sessions_of(it.sfu)[next(iter(media_sessions_of(it.sfu)))].close()
        with pytest.raises(TooManyRequests, match="has 2 rooms") as full:
            open_session(it.sfu, of_key("d"), "3", ParticipantKind.INGRESS, SENDING)
        assert full.value.limit == "rooms_per_key"
        open_session(it.sfu, of_key("d", "other"), "3", ParticipantKind.INGRESS, SENDING)
        rooms_of(it.sfu).create("4", key="third")
        assert counts(it) == ({"k": 2, "other": 1, "third": 1}, {"k": 2, "other": 1})
        for name in list(rooms_of(it.sfu)):
            rooms_of(it.sfu).delete(name)
        assert counts(it) == ({}, {})
