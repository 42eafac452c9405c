"""Damaged offers: an answer, or a sentence for the client, and never another exception."""

import random

import pytest

from sfu.errors import NegotiationError
from sfu.model import Kind
from sfu.signalling import messages

from ...live import rooms_of
from ..scene import scene
from .offers import NAMES, answered, captured


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
        assert not rooms_of(it.sfu)["room"].participants
