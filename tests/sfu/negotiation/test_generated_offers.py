"""Offers put together at random, one after another in one call: each is answered or refused with a sentence, what is
answered the plane can be told, and a refused one changes nothing."""

from dataclasses import dataclass, replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sfu.errors import NegotiationError
from sfu.model import Kind, ParticipantKind
from sfu.negotiation.fragment import fragment, restart, restarts_ice
from sfu.negotiation.sdp import SessionDescription
from sfu.signalling import messages

from ..scene import grant, open_session, scene
from .hostile import growths, lines
from .offers import AUDIO, DATA, FRESH, LOCAL, TRANSPORT, VIDEO, answered, offer

relaxed = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))

MIDS = ("0", "1", "2", "a", "0" * 17, "0 1", "", "(0)")
SIMULCAST = "\r\n".join(
    ("a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", *(f"a=rid:{rid} send" for rid in "qhf"))
)
ODD = (
    f"{SIMULCAST}\r\na=simulcast:send q;h;f", f"{SIMULCAST}\r\na=simulcast: send rid=f;h",
    "a=rid:q send", "a=rid:h send pt=97", "a=rid:f send max-width=9", "a=simulcast:send q;h;f", "a=simulcast:send ~q,h",
    "a=simulcast: send rid=q;h", "a=ssrc-group:SIM 1 2 3", "a=ssrc-group:SIM 1 1", "a=ssrc-group:FID 1 2",
    "a=ssrc-group:FID 2 1", "a=ssrc-group:FID 1 1", "a=ssrc:1 cname:x", "a=ssrc:1 msid:x y", "a=msid:x y",
    "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid", "a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:mid",
    "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", "a=extmap:15 urn:3gpp:video-orientation",
    "a=extmap:300 urn:ietf:params:rtp-hdrext:sdes:mid", "a=extmap-allow-mixed", "a=extmap:20 urn:x",
    "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "a=rtpmap:96 H264/90000", "a=fmtp:96 profile-level-id=42e01f", "a=fmtp:97 apt=97", "a=fmtp:111 111/111",
    "a=rtpmap:111 red/48000/2", "a=rtpmap:97 rtx/90000", "a=rtcp-fb:* nack", "a=bundle-only", "a=rtcp-rsize",
    "a=ice-lite", "a=setup:passive", "a=setup:active", "a=setup:x", "a=fingerprint:sha-1 AB", "a=tls-id:x",
    "a=sctp-port:0", "a=sctpmap:5000 x", "a=max-message-size:0", "a=ice-ufrag:x", "a=ice-ufrag:another", "a=mid:9",
)  # fmt: skip


@dataclass(frozen=True)
class Sketch:
    """A section, and what is odd about it."""

    kind: tuple[str, ...]
    mid: str | None
    """None: its place."""
    port: str
    direction: str
    has_transport: bool
    odd: tuple[str, ...]
    left_out: int

    def text(self, place: int) -> tuple[str, ...]:
        first, *rest = self.kind
        kept = [line for index, line in enumerate(rest) if index != self.left_out]
        mid = str(place) if self.mid is None else self.mid
        named = [f"a=mid:{mid}"] if mid else []
        transport = TRANSPORT if self.has_transport else ()
        return (first.replace(" 9 ", f" {self.port} "), *kept, *named, *transport, f"a={self.direction}", *self.odd)


sketches = st.builds(
    Sketch,
    kind=st.sampled_from((AUDIO, VIDEO, VIDEO, DATA, ("m=text 9 RTP/AVP 0",), ("m=audio",))),
    mid=st.none() | st.none() | st.none() | st.sampled_from(MIDS),
    port=st.sampled_from(("9", "9", "9", "0", "70000", "x")),
    direction=st.sampled_from(("sendrecv", "sendonly", "recvonly", "inactive")),
    has_transport=st.sampled_from((True, True, True, False)),
    odd=st.lists(st.sampled_from(ODD) | lines, max_size=8).map(tuple),
    left_out=st.integers(0, 24),
)
offers = st.builds(
    lambda parts, bundle: offer(*(part.text(place) for place, part in enumerate(parts)), bundle=bundle),
    st.lists(sketches, min_size=1, max_size=5),
    st.sampled_from((None, None, None, "", "0", "0 1 2", "a 0 0 1", "z")),
)


@relaxed
@given(st.lists(offers, min_size=1, max_size=4))
def test_each_offer_of_a_call_is_answered_by_the_rules_or_refused(texts: list[str]) -> None:
    previous = None
    for number, text in enumerate(texts):
        try:
            negotiated = answered(text, previous, local=replace(LOCAL, ufrag=f"ours{number}"))
        except NegotiationError as error:
            assert 10 < len(str(error)) < 300
            continue
        assert negotiated.answer.isascii()
        read = SessionDescription.parse(negotiated.answer)
        assert len(read.sections) == len(negotiated.sections)
        assert [section.port == 0 for section in read.sections] == [s.rejected for s in negotiated.sections]
        accepted = [section.mid for section in negotiated.sections if not section.rejected]
        assert len(accepted) == len(set(accepted))
        ssrcs = [ssrc for slot in negotiated.slots for ssrc in (slot.ssrc, slot.rtx_ssrc) if ssrc is not None]
        assert len(ssrcs) == len(set(ssrcs))
        previous = negotiated


@relaxed
@given(st.lists(offers, min_size=1, max_size=3), growths)
async def test_whatever_is_answered_the_plane_can_be_told_by_every_door(texts: list[str], grow: object) -> None:
    async with scene() as it:
        client = await it.client("client")
        for kind in Kind:
            await client.ask(messages.Publish, cid=kind.value, kind=kind)
        for text in (*texts, grow(6_000)):  # type: ignore[operator]
            reply = await client.ask(messages.Offer, sdp=text, tracks={})
            assert isinstance(reply, messages.Answer) or reply.code == "negotiation_failed", reply
            for door in (ParticipantKind.INGRESS, ParticipantKind.VIEWER):
                try:
                    session = open_session(it.sfu, grant(door.value), "room", door, text)
                except NegotiationError:
                    continue
                session.close()
        await client.session.handle(messages.Leave("leave"))
        await it.pass_time(0)
        plane = it.plane
        assert not (plane.transports or plane.tracks or plane.slots or plane.channels)


@relaxed
@given(
    st.lists(st.sampled_from(("a=ice-ufrag:abcd", "a=ice-pwd:" + "p" * 24, "m=audio 9 RTP/AVP 0", "a=mid:0")) | lines)
)
def test_a_fragment_is_read_or_refused(parts: list[str]) -> None:
    session = answered(offer((*AUDIO, "a=mid:0", *TRANSPORT)))
    try:
        received = fragment("\r\n".join(parts))
    except NegotiationError as error:
        assert 10 < len(str(error)) < 300
        return
    if restarts_ice(received, session):
        text, negotiated = restart(received, session, FRESH)
        assert fragment(text).ufrag == FRESH.ufrag == negotiated.local_ufrag


def test_a_sketch_without_oddities_is_a_call() -> None:
    """Otherwise the tests above would prove nothing."""
    parts = [Sketch(kind, None, "9", "sendrecv", True, (), 24) for kind in (AUDIO, VIDEO)]
    negotiated = answered(offer(*(part.text(place) for place, part in enumerate(parts))))
    assert (len(negotiated.publications), len(negotiated.slots)) == (2, 2)
    simulcast = Sketch(VIDEO, None, "9", "sendonly", True, (f"{SIMULCAST}\r\na=simulcast:send q;h;f",), 24)
    assert len(answered(offer(simulcast.text(0))).publications[0].encodings) == 3
