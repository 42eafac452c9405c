"""Offers that cannot be answered: a sentence for the client, and never another exception."""

import random

import pytest

from sfu import messages
from sfu.errors import NegotiationError
from sfu.model import Kind
from sfu.session.negotiation import Allow

from ..scene import scene
from .offers import AUDIO, DATA, NAMES, VIDEO, answered, captured, edited, offer, section, stopped

ONE = offer(section(AUDIO, "0"))
SIMULCAST = ("a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", "a=rid:q send")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (offer(), "the offer has no m-section"),
        (offer(stopped(AUDIO, "0")), "the offer has no m-section that is wanted"),
        (edited(ONE, ("a=fingerprint", "a=x")), "the offer has no a=fingerprint"),
        (
            edited(ONE, ("sha-256 AB", "sha-256 GG")),
            f"a=fingerprint:sha-256 GG{':AB' * 10} is not a hash function and its digest",
        ),
        (edited(ONE, ("sha-256 AB:", "sha-256 ")), "the sha-256 fingerprint has 31 octets instead of 32"),
        (edited(ONE, ("sha-256", "sha-1")), "the offer has no fingerprint of sha-256, sha-384 or sha-512"),
        (edited(ONE, ("a=ice-ufrag", "a=x")), "the offer has no a=ice-ufrag and a=ice-pwd"),
        (edited(ONE, ("a=ice-pwd", "a=x")), "the offer has no a=ice-ufrag and a=ice-pwd"),
        (edited(ONE, ("a=ice-ufrag:them", "a=ice-ufrag:th")), "a=ice-ufrag is not 4 to 256 letters, digits, + and /"),
        (edited(ONE, ("a=ice-pwd:tt", "a=ice-pwd:t:")), "a=ice-pwd is not 22 to 256 letters, digits, + and /"),
        (edited(ONE, ("s=-", "s=-\r\na=ice-lite")), "the offer is ICE lite, as we are: nobody would send checks"),
        (edited(ONE, ("actpass", "holdconn")), "a=setup:holdconn is neither actpass, active nor passive"),
        (edited(ONE, ("a=mid:0", "a=x")), "m-section 0 has no a=mid"),
        (edited(ONE, ("a=mid:0", "a=mid:0 1")), "a=mid:'0 1' is not a token of at most 16 characters"),
        (edited(ONE, ("a=mid:0", "a=mid:" + "0" * 17)), f"a=mid:{'0' * 17!r} is not a token of at most 16 characters"),
        (offer(section(AUDIO, "0"), section(VIDEO, "0")), "two m-sections have the mid '0'"),
        (edited(ONE, ("a=rtcp-mux", "a=x")), "the section '0' does not offer a=rtcp-mux"),
        (edited(ONE, ("opus/48000/2", "G722/8000")), "the offer has no codec that we speak, only g722"),
        (edited(ONE, ("a=rtpmap:111", "a=x")), "the offer has nothing that we speak"),
        (edited(ONE, ("BUNDLE 0", "BUNDLE 1")), "a=group:BUNDLE names none of the m-sections"),
        (
            offer(section(VIDEO, "0", *SIMULCAST, "a=simulcast:send q;h")),
            "a=simulcast names rid 'h', which no a=rid declares",
        ),
        (offer(section(VIDEO, "0", "a=simulcast:")), "a=simulcast: is not a direction and its streams (RFC 8853)"),
        (
            offer(section(VIDEO, "0", *SIMULCAST, "a=simulcast:both q")),
            "a=simulcast:both q names the direction 'both'",
        ),
        (
            offer(
                section(
                    VIDEO,
                    "0",
                    *SIMULCAST,
                    *(f"a=rid:{n} send" for n in range(9)),
                    "a=simulcast:send " + ";".join(map(str, range(9))),
                )
            ),
            "a=simulcast names 9 streams, and 8 are allowed",
        ),
        (
            offer(section(VIDEO, "0", "a=ssrc-group:SIM 1 2 3 4 5 6 7 8 9")),
            "the SIM group has 9 streams, and 8 are allowed",
        ),
        (
            offer(
                section(AUDIO, "0", "a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid"),
                section(VIDEO, "1", "a=extmap:3 urn:3gpp:video-orientation"),
            ),
            "extension id 3 means both urn:ietf:params:rtp-hdrext:sdes:mid and urn:3gpp:video-orientation "
            "in one bundle",
        ),
    ],
)
def test_the_client_is_told_what_is_wrong(text: str, sentence: str) -> None:
    with pytest.raises(NegotiationError) as error:
        answered(text)
    assert str(error.value) == sentence


def test_data_channels_alone_are_refused_to_those_who_may_not() -> None:
    with pytest.raises(NegotiationError, match=r"^the offer has nothing but data channels, which are not allowed$"):
        answered(offer(section(DATA, "0")), allow=Allow(data=False))


def damaged(text: str, chance: random.Random) -> str:
    """Lines lost, doubled, cut and swapped, characters changed."""
    original = text.split("\r\n")
    lines = list(original)
    for _ in range(chance.randint(1, 12)):
        at = chance.randrange(1, len(lines))
        match chance.randrange(5):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, chance.choice(original))
            case 2:
                lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
            case 3:
                other = chance.randrange(1, len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case _:
                cut = chance.randrange(len(lines[at]) + 1)
                lines[at] = lines[at][:cut] + chance.choice("0 :;/=,~\u0663\ud800Zm") + lines[at][cut + 1 :]
    return "\r\n".join(lines)


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_offer_is_answered_or_refused_but_never_breaks_us(name: str) -> None:
    """60 seeds for each captured offer."""
    for seed in range(60):
        text = damaged(captured(name), random.Random(f"{name} {seed}"))
        try:
            negotiated = answered(text)
        except NegotiationError as error:
            assert str(error)
        else:
            assert negotiated.answer.isascii()
            assert answered(text, negotiated).version == 2


@pytest.mark.parametrize("name", NAMES)
async def test_whatever_is_answered_the_plane_can_be_told(name: str) -> None:
    """Its specs are checked too, and there is nobody to tell of it once an offer is adopted."""
    async with scene() as it:
        for seed in range(20):
            chance = random.Random(f"{name} {seed}")
            client = await it.client(f"client {seed}")
            for kind in Kind:
                await client.ask(messages.Publish, cid=kind.value, kind=kind)
            for _ in range(3):
                await client.ask(messages.Offer, sdp=damaged(captured(name), chance), tracks={})
            await client.session.handle(messages.Leave("leave"))
        await it.pass_time(0)
        plane = it.plane
        assert not (plane.transports or plane.tracks or plane.slots or plane.channels)
        assert not it.sfu.rooms["room"].participants


def test_a_retransmission_stream_that_is_its_own_original_is_none() -> None:
    text = offer(section(VIDEO, "0", "a=sendonly", "a=ssrc-group:FID 5 5", "a=ssrc:5 cname:c"))
    (publication,) = answered(text).publications
    assert [(e.ssrc, e.rtx_ssrc) for e in publication.encodings] == [(5, None)]
