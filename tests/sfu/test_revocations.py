"""A removed participant stays out with every earlier token, whatever the clocks, and returns after `readmit`."""

from dataclasses import replace

import pytest

from sfu import limits
from sfu.config import Config
from sfu.errors import NotAllowed
from sfu.model import Grant, Permissions, Source
from sfu.revocations import LEEWAY, Revocations, Revoked

from ..live import rooms_of
from .scene import START, grant, scene

PUBLISHES, WATCHES = Permissions(), Permissions(can_publish=False)


def is_admitted(revocations: Revocations, one: Grant, at: float) -> bool:
    try:
        revocations.admit("room", one, START + at)
    except Revoked:
        return False
    return True


def test_revocations_are_the_same_after_their_json() -> None:
    one, two = removed(), Revocations(memory=86_400.0)
    reduced = Permissions(can_publish_sources=(Source.CAMERA,))
    one.reduce("room", "bob", reduced, START + 3600, START)
    one.readmit("room", "bob", START, "J1")
    kept = one.take_changes()
    assert one.take_changes() == [] and sorted(entry[:2] for entry in kept) == [("room", "ada"), ("room", "bob")]
    two.restore(kept)
    assert two._entries == one._entries and len(two) == 2
    assert not is_admitted(two, grant("ada"), 1) and is_admitted(two, grant("bob", jti="J1"), 1)
    two.handle_timeout(START + 2 * 86_400)
    assert len(two) == 0 and sorted(two.take_changes()) == [("room", "ada", ""), ("room", "bob", "")]


def test_a_revocation_of_a_later_version_that_cannot_be_read_loses_no_other() -> None:
    one, two = removed(), Revocations(memory=86_400.0)
    two.restore([("room", "eve", '{"until": 1, "new": 2}'), *one.take_changes()])
    assert len(two) == 1 and not is_admitted(two, grant("ada"), 1)
    two.handle_timeout(START + 2 * 86_400)
    assert len(two) == 0


def removed(at: float = 0.0) -> Revocations:
    revocations = Revocations(memory=86_400.0)
    revocations.remove("room", "ada", START + 3600, START + at)
    return revocations


@pytest.mark.parametrize(
    ("made", "at", "admitted"),
    [
        (-10, 1, False),
        (0, 1, False),
        # Made before the removal by a clock that is ahead by as much as a token may be.
        (50, 1, False),
        (60, 1, False),
        (60, 3000, False),
        # Made after it: refused at first, as nobody can tell it from the ones above.
        (30, 30, False),
        (60.5, 60.5, True),
        # By a clock that is behind by a minute.
        (50, 110, False),
        (61, 121, True),
    ],
)
def test_what_says_that_it_was_made_up_to_the_removal_and_the_leeway_is_refused(
    made: float, at: float, admitted: bool
) -> None:
    assert is_admitted(removed(), grant("ada", issued=START + made), at) is admitted


def test_a_token_without_a_time_is_older_than_every_removal() -> None:
    assert not is_admitted(removed(), grant("ada", issued=0), 3000)


@pytest.mark.parametrize(("at", "retry_after"), [(0, 61), (0.5, 61), (30, 31), (59.9, 2), (61, 0)])
def test_a_refusal_says_when_a_new_token_lets_in(at: float, retry_after: int) -> None:
    revocations = removed()
    with pytest.raises(Revoked, match="this token was revoked") as refused:
        revocations.admit("room", grant("ada"), START + at)
    assert refused.value.retry_after == retry_after
    # Also one of a backend that tells the time in whole seconds.
    made = float(int(START + at + retry_after)) if retry_after else START + at
    assert is_admitted(revocations, grant("ada", issued=made), at + retry_after)


@pytest.mark.parametrize("identity", ["bob", "ada"])
@pytest.mark.parametrize("room", ["room", "other"])
def test_it_concerns_one_identity_in_one_room(identity: str, room: str) -> None:
    if (identity, room) != ("ada", "room"):
        removed().admit(room, grant(identity), START + 1)


def test_a_readmitted_token_lets_in_at_once_and_no_other_does() -> None:
    revocations = removed()
    revocations.readmit("room", "ada", START + 1, "good")
    old = grant("ada", issued=START - 10)
    assert is_admitted(revocations, replace(old, jti="good"), 1)
    assert not is_admitted(revocations, replace(old, jti="other"), 1)
    assert not is_admitted(revocations, old, 1)


@pytest.mark.parametrize(("made", "admitted"), [(-10, False), (4, False), (5, True), (6, True)])
def test_all_that_are_made_from_now_on_let_in_at_once(made: float, admitted: bool) -> None:
    revocations = removed()
    revocations.readmit("room", "ada", START + 5.9)
    assert is_admitted(revocations, grant("ada", issued=START + made), 6) is admitted


def test_a_second_removal_ends_every_readmission() -> None:
    revocations = removed()
    revocations.readmit("room", "ada", START + 1, "good")
    revocations.readmit("room", "ada", START + 1)
    revocations.remove("room", "ada", START + 3600, START + 2)
    assert not is_admitted(revocations, grant("ada", issued=START + 3, jti="good"), 3)


def test_the_token_that_takes_a_readmitted_ones_place_counts_as_it_did() -> None:
    revocations = removed()
    revocations.readmit("room", "ada", START + 1, "first")
    first = grant("ada", jti="first")
    revocations.renew("room", first, "second")
    revocations.renew("room", grant("ada", jti="unknown"), "third")
    assert is_admitted(revocations, replace(first, jti="second"), 2)
    assert not is_admitted(revocations, replace(first, jti="third"), 2)


@pytest.mark.parametrize(
    ("permissions", "made", "admitted"),
    [
        (PUBLISHES, -10, False),
        (PUBLISHES, 50, False),
        (PUBLISHES, 61, True),
        # What grants no more than what is left takes nothing back.
        (WATCHES, -10, True),
        (WATCHES, 1, True),
        (Permissions(can_publish_sources=()), 1, False),
    ],
)
def test_after_a_reduction_only_what_grants_more_is_refused(
    permissions: Permissions, made: float, admitted: bool
) -> None:
    revocations = Revocations(memory=86_400.0)
    revocations.reduce("room", "ada", WATCHES, START + 3600, START)
    assert is_admitted(revocations, replace(grant("ada", issued=START + made), permissions=permissions), 61) is admitted


def test_who_was_removed_and_then_reduced_is_not_let_in_by_a_lesser_token_of_before() -> None:
    revocations = removed()
    revocations.reduce("room", "ada", WATCHES, START + 3600, START + 10)
    assert not is_admitted(revocations, replace(grant("ada"), permissions=WATCHES), 10)


def test_what_is_given_back_counts_again() -> None:
    revocations = Revocations(memory=86_400.0)
    revocations.reduce("room", "ada", WATCHES, START + 3600, START)
    assert not is_admitted(revocations, grant("ada"), 1)
    revocations.extend("room", "ada", PUBLISHES)
    assert is_admitted(revocations, grant("ada"), 1)


def test_they_are_forgotten_in_time_and_a_token_that_shows_itself_is_remembered_until_it_expires() -> None:
    revocations = Revocations(memory=100.0)
    for identity in ("ada", "bob"):
        revocations.remove("room", identity, START + 50, START)
    assert not is_admitted(revocations, grant("ada", expires=int(START) + 1000), 5)
    for at, left in ((109, 2), (110, 1), (1059, 1), (1060, 0)):
        revocations.handle_timeout(START + at)
        assert len(revocations) == left, at


def test_they_are_bounded_and_the_next_to_be_forgotten_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REVOCATIONS", 3)
    revocations = Revocations(memory=100.0)
    for at, identity in enumerate(("ada", "bob", "cyd")):
        revocations.remove("room", identity, START, START + at)
    revocations.remove("room", "ada", START, START + 10)
    revocations.remove("room", "dan", START, START + 11)
    assert len(revocations) == 3
    gone = [name for name in ("ada", "bob", "cyd", "dan") if is_admitted(revocations, grant(name), 12)]
    assert gone == ["bob"]
    for _ in range(50):
        revocations.readmit("room", "ada", START, f"token {_}")
    assert not is_admitted(revocations, grant("ada", jti="token 0"), 12)
    assert is_admitted(revocations, grant("ada", jti="token 49"), 12)


async def test_the_service_keeps_out_a_token_of_a_fast_clock_and_readmits_by_jti_when_the_room_is_gone() -> None:
    async with scene(Config(revocation=100_000.0)) as it:
        await it.client("ada", grant_=grant("ada", issued=START + 50))
        rooms_of(it.sfu).find("room").moderation.remove("ada")
        rooms_of(it.sfu).delete("room")
        with pytest.raises(NotAllowed):
            await it.client("ada", grant_=grant("ada", issued=START + 50))
        it.sfu._joins.readmit("room", "ada", "one")
        await it.client("ada", grant_=replace(grant("ada", issued=START + 50), jti="one"))


async def test_who_was_sent_a_token_while_readmitted_comes_back_with_that() -> None:
    async with scene() as it:
        await it.client("ada")
        rooms_of(it.sfu).find("room").moderation.remove("ada")
        it.sfu._joins.readmit("room", "ada", "one")
        ada = await it.client("ada", grant_=replace(grant("ada"), jti="one"))
        await ada.session.note_token(START + 1, START + 3601, "two")
        await it.client("ada", grant_=replace(grant("ada", issued=START + 1), jti="two"))


def test_the_leeway_is_that_of_the_doors() -> None:
    from api import auth

    assert auth.LEEWAY == LEEWAY
