"""Later offers: what changes, what must not change, and what restarts."""

from dataclasses import replace

import pytest

from sfu.errors import NegotiationError
from sfu.model import Kind
from sfu.negotiation.negotiation import Allow, Negotiated, restarts_ice
from sfu.negotiation.sdp import SessionDescription

from .answer_rules import check
from .offers import (
    AUDIO,
    DATA,
    FRESH,
    LOCAL,
    NAMES,
    VIDEO,
    Part,
    answered,
    captured,
    edited,
    offer,
    section,
    stopped,
)

MIC = section(AUDIO, "0", "a=sendonly", "a=ssrc:1 cname:c")
EAR = section(AUDIO, "1", "a=recvonly")
EYE = section(VIDEO, "2", "a=recvonly")


def without_version(negotiated: Negotiated) -> Negotiated:
    lines = [line for line in negotiated.answer.split("\r\n") if not line.startswith("o=")]
    return replace(negotiated, version=0, answer="\r\n".join(lines))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_offer_again_changes_nothing_but_the_version(name: str) -> None:
    """That is what replaceTrack and repeated actpass look like from here."""
    first = answered(captured(name))
    second = answered(captured(name), first)
    assert without_version(second) == without_version(first)
    assert second.version == 2
    o1, o2 = (n.answer.split("\r\n")[1].split(" ") for n in (first, second))
    assert (o1[1], o1[2], o2[2]) == (o2[1], "1", "2")


def test_sections_are_added_and_the_slots_there_are_keep_their_ssrcs() -> None:
    first = answered(offer(MIC, EAR, EYE))
    text = offer(
        MIC, EAR, EYE, section(AUDIO, "3", "a=recvonly"), section(VIDEO, "4", "a=recvonly"), section(DATA, "5")
    )
    second = answered(text, first)
    check(text, second.answer)
    assert second.slots[:2] == first.slots
    assert [(slot.mid, slot.index) for slot in second.slots[2:]] == [("3", 1), ("4", 1)]
    assert first.sctp is None and second.sctp is not None
    assert not second.ice_restarted and not second.association_changed


def test_a_section_made_inactive_is_neither_published_nor_shown() -> None:
    first = answered(offer(MIC, EAR, EYE))
    silent = section(AUDIO, "0", "a=inactive")
    second = answered(offer(silent, EAR, EYE), first)
    assert (second.sections[0].publication, second.sections[0].rejected) == (None, False)
    assert "BUNDLE 0 1 2\r\n" in second.answer
    third = answered(offer(MIC, EAR, EYE), second)
    assert third.publications == first.publications


def test_a_slot_that_ended_never_gets_its_ssrcs_again() -> None:
    """On one association a number of an SSRC may be encrypted once: it would begin anew."""
    first = answered(offer(MIC, EYE))
    second = answered(offer(MIC, section(VIDEO, "2", "a=inactive")), first)
    third = answered(offer(MIC, EYE), second)
    assert second.slots == ()
    assert not {third.slots[0].ssrc, third.slots[0].rtx_ssrc} & {first.slots[0].ssrc, first.slots[0].rtx_ssrc}


def test_no_slot_is_given_an_ssrc_that_anybody_has_or_had() -> None:
    first = answered(offer(section(AUDIO, "0", "a=ssrc:1 cname:c"), EYE))
    ear, eye = first.slots
    text = offer(section(AUDIO, "0", "a=ssrc:2 cname:c"), section(VIDEO, "2", "a=inactive"), section(VIDEO, "3"))
    used = [0, 2, ear.ssrc, eye.ssrc, eye.rtx_ssrc or 0, 77, 77, 78]
    second = answered(text, first, new_ssrc=iter(used).__next__)
    assert second.slots[0] == ear
    assert (second.slots[1].ssrc, second.slots[1].rtx_ssrc) == (77, 78)
    with pytest.raises(ValueError, match="new_ssrc yields only SSRCs that are in use"):
        answered(text, first, new_ssrc=lambda: 2)


def test_a_slot_with_other_payload_types_is_another_one_in_the_same_place() -> None:
    """The plane would go on sending what is no longer agreed upon."""
    first = answered(offer(EAR, section(VIDEO, "2", "a=recvonly")))
    moved = offer(EAR, section(VIDEO, "2", "a=recvonly")).replace("96", "106")
    second = answered(moved, first)
    assert second.slots[0] == first.slots[0]
    before, after = first.slots[1], second.slots[1]
    assert (after.mid, after.index) == (before.mid, before.index)
    assert after.ssrc != before.ssrc and after.payload_types[0].number == 106
    assert f"a=ssrc:{after.ssrc} " in second.answer and f"a=ssrc:{before.ssrc} " not in second.answer


def test_slots_keep_their_streams_when_an_earlier_one_ends() -> None:
    ears: list[Part] = [section(AUDIO, mid, "a=recvonly") for mid in "abc"]
    first = answered(offer(*ears))
    second = answered(offer(section(AUDIO, "a", "a=inactive"), *ears[1:], section(AUDIO, "d", "a=recvonly")), first)
    assert [(slot.mid, slot.index) for slot in second.slots] == [("b", 1), ("c", 2), ("d", 0)]


def test_a_stopped_section_is_used_again_under_a_new_mid() -> None:
    first = answered(offer(MIC, EAR, EYE))
    text = offer(MIC, stopped(AUDIO, "1"), EYE)
    second = answered(text, first)
    check(text, second.answer)
    assert second.sections[1].rejected
    text = offer(MIC, section(VIDEO, "7", "a=sendonly"), EYE)
    third = answered(text, second)
    check(text, third.answer)
    assert third.publications[1].mid == "7"
    assert third.slots == second.slots == first.slots[1:]


def test_the_first_section_can_stop_and_the_next_speaks_for_the_transport() -> None:
    first = answered(offer(MIC, EAR))
    text = offer(("m=audio 0 UDP/TLS/RTP/SAVPF 0", "a=inactive"), EAR)  # Firefox gives a stopped section no mid
    second = answered(text, first)
    assert (first.tag, second.tag) == ("0", "1")
    assert SessionDescription.parse(second.answer).sections[1].has("candidate")
    assert not second.ice_restarted


def test_everything_can_stop_and_come_back() -> None:
    first = answered(offer(MIC))
    second = answered(offer(stopped(AUDIO, "0")), first)
    assert second.sections[0].rejected
    assert (second.remote_ufrag, second.role) == (first.remote_ufrag, first.role)
    assert not second.ice_restarted and not second.association_changed
    third = answered(offer(section(VIDEO, "1", "a=sendonly")), second)
    assert third.publications[0].kind == Kind.VIDEO


def test_permissions_can_change_without_a_new_section() -> None:
    first = answered(offer(MIC, EAR))
    second = answered(offer(MIC, EAR), first, allow=Allow(publish=frozenset()))
    assert second.publications == () and second.slots == first.slots
    third = answered(offer(MIC, EAR), second)
    assert third.publications == first.publications


def test_new_credentials_restart_ice_and_keep_the_rest() -> None:
    first = answered(offer(MIC, EAR, EYE))
    text = edited(offer(MIC, EAR, EYE), ("a=ice-ufrag:them", "a=ice-ufrag:they"))
    assert restarts_ice(SessionDescription.parse(text), first)
    assert not restarts_ice(SessionDescription.parse(offer(MIC, EAR, EYE)), first)
    assert not restarts_ice(SessionDescription.parse(text), None)
    second = answered(text, first, local=FRESH)
    assert (second.ice_restarted, second.association_changed) == (True, False)
    assert (second.remote_ufrag, second.local_ufrag) == ("they", "anew")
    assert (second.role, second.slots) == (first.role, first.slots)
    assert "a=ice-ufrag:anew\r\n" in second.answer
    assert not answered(text, second, local=FRESH).ice_restarted


def test_a_restart_with_the_old_credentials_of_ours_is_a_mistake_of_the_caller() -> None:
    first = answered(offer(MIC))
    with pytest.raises(ValueError, match="an ICE restart needs fresh local credentials"):
        answered(edited(offer(MIC), ("a=ice-ufrag:them", "a=ice-ufrag:they")), first)


@pytest.mark.parametrize(("setup", "role"), [("active", "server"), ("passive", "client")])
def test_a_restart_that_repeats_actpass_keeps_the_role(setup: str, role: str) -> None:
    first = answered(edited(offer(MIC), ("a=setup:actpass", f"a=setup:{setup}")))
    again = edited(offer(MIC), ("a=ice-ufrag:them", "a=ice-ufrag:they"))
    second = answered(again, first, local=FRESH)
    assert (second.role, second.association_changed, second.ice_restarted) == (role, False, True)


@pytest.mark.parametrize(
    "edit",
    [
        ("a=fingerprint:sha-256 AB:AB", "a=fingerprint:sha-256 CD:AB"),
        ("a=setup:actpass", "a=setup:actpass\r\na=fingerprint:sha-384 " + ":".join(["01"] * 48)),
        ("a=setup:actpass", "a=setup:actpass\r\na=tls-id:" + "k" * 20),
        ("a=setup:actpass", "a=setup:passive"),
    ],
    ids=["another fingerprint", "one more fingerprint", "a tls-id", "the other role"],
)
def test_a_new_association_is_noticed(edit: tuple[str, str]) -> None:
    first = answered(offer(MIC, EAR))
    text = edited(offer(MIC, EAR), edit)
    second = answered(text, first)
    check(text, second.answer)
    assert (second.association_changed, second.ice_restarted) == (True, False)
    assert not answered(text, second).association_changed


def test_a_new_association_chooses_its_role_anew() -> None:
    first = answered(edited(offer(MIC), ("a=setup:actpass", "a=setup:passive")))
    second = answered(edited(offer(MIC), ("sha-256 AB:AB", "sha-256 CD:AB")), first)
    assert (first.role, second.role, second.association_changed) == ("client", "server", True)


def test_our_tls_id_is_as_constant_as_theirs() -> None:
    def ours(negotiated: Negotiated) -> str:
        value = SessionDescription.parse(negotiated.answer).sections[0].tls_id
        assert value is not None and 20 <= len(value) <= 255
        return value

    texts = [offer(section(AUDIO, "0", f"a=tls-id:{letter * 20}")) for letter in "ab"]
    first = answered(texts[0])
    second = answered(texts[0], first)
    third = answered(texts[1], second)
    assert ours(first) == ours(second) != ours(third)
    assert "tls-id" not in answered(offer(MIC)).answer


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (offer(MIC), "the offer has 1 m-sections where 3 were negotiated"),
        (edited(offer(MIC, EAR, EYE), ("a=fingerprint", "a=x")), "the offer has no a=fingerprint"),
        (offer(section(VIDEO, "0"), section(VIDEO, "1"), stopped(VIDEO, "2")), "the section '0' is now 'video'"),
    ],
)
def test_a_bad_second_offer_is_refused_and_changes_nothing(text: str, sentence: str) -> None:
    first = answered(offer(MIC, EAR, EYE))
    with pytest.raises(NegotiationError) as error:
        answered(text, first)
    assert str(error.value) == sentence
    assert without_version(answered(offer(MIC, EAR, EYE), first)) == without_version(first)


def test_sections_that_changed_places_go_on() -> None:
    first = answered(offer(MIC, EAR, EYE))
    text = offer(MIC, EYE, EAR)
    second = answered(text, first)
    check(text, second.answer)
    assert sorted(slot.ssrc for slot in second.slots) == sorted(slot.ssrc for slot in first.slots)
    assert second.publications == first.publications


def test_another_mid_at_a_place_is_another_section() -> None:
    first = answered(offer(MIC, EAR, EYE))
    text = offer(MIC, section(AUDIO, "9", "a=recvonly"), EYE)
    second = answered(text, first)
    check(text, second.answer)
    assert [slot.mid for slot in second.slots] == ["9", "2"]
    assert second.slots[0].ssrc != first.slots[0].ssrc


def test_a_section_that_lost_its_codecs_is_rejected_and_the_rest_goes_on() -> None:
    first = answered(offer(MIC, EAR, EYE))
    text = edited(offer(MIC, EAR, EYE), ("VP8/90000", "VP7/90000"))
    second = answered(text, first)
    check(text, second.answer)
    assert [section.rejected for section in second.sections] == [False, False, True]
    assert second.section("2") is not None and second.section("") is None


def test_local_is_only_asked_for_fresh_credentials_when_ice_restarts() -> None:
    first = answered(offer(MIC))
    assert answered(offer(MIC), first, local=LOCAL).local_ufrag == LOCAL.ufrag
