"""The light client: others can read its packets, and it connects, measures and misbehaves as documented."""

import asyncio
import hashlib
import hmac
import time
import zlib
from collections.abc import AsyncIterator, Callable

import aioice.stun
import pytest
from aiortc.rtp import RtcpPacket, RtcpPsfbPacket, RtcpRrPacket, RtcpRtpfbPacket, RtcpSdesPacket, RtcpSrPacket

from loadtest import wire
from loadtest.person import person, shows
from loadtest.service import Service, serving
from loadtest.wire import media, rtcp, stun
from loadtest.wire.sdp import VP8, VP8_RTX, Simulcast
from sfu.model import Quality

TRANSACTION = bytes(range(12))


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with serving() as service:
        yield service


async def publish(service: Service, identity: str = "alice") -> wire.Session:
    client = wire.Client(sends=["audio", "video"])
    session = await wire.open_session(service.whip(), service.token(identity, "room"), client)
    client.play()
    return session


async def watch(service: Service, identity: str = "bob") -> wire.Session:
    client = wire.Client(audios=1, videos=1)
    return await wire.open_session(service.whep(), service.token(identity, "room"), client)


async def until(is_so: Callable[[], bool]) -> None:
    for _ in range(500):
        if is_so():
            return
        await asyncio.sleep(0.02)
    pytest.fail("it did not come to that within ten seconds")


def test_a_check_is_signed_with_the_password_of_the_peer_and_ends_with_its_sum() -> None:
    check = stun.binding_request(TRANSACTION, "theirs:ours", "password", 7)
    assert check[:20] == bytes.fromhex("0001") + (len(check) - 20).to_bytes(2) + bytes.fromhex("2112a442") + TRANSACTION
    assert int.from_bytes(check[-4:]) == zlib.crc32(check[:-8]) ^ 0x5354554E
    signed = check[:2] + (len(check) - 28).to_bytes(2) + check[4:-32]
    assert check[-28:-8] == hmac.digest(b"password", signed, hashlib.sha1)


@pytest.mark.parametrize(
    ("datagram", "sentence"),
    [
        (b"\x01\x01", "shorter than its header"),
        (bytes(20), "wrong cookie"),
        (stun.binding_request(TRANSACTION, "a:b", "another password", 7), "wrong MESSAGE-INTEGRITY"),
        (bytes.fromhex("01010000 2112a442") + TRANSACTION, "no MESSAGE-INTEGRITY"),
    ],
)
def test_a_response_that_is_not_genuine_is_told_apart(datagram: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        stun.verify(datagram, "password")


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7"])
def test_aioice_reads_our_answer_to_a_check(address: str) -> None:
    answer = aioice.stun.parse_message(stun.binding_success(TRANSACTION, address, 7882, "password"))
    answer.check_message_integrity(b"password")
    assert answer.transaction_id == TRANSACTION
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == (address, 7882)


def test_aiortc_reads_our_reports() -> None:
    sent, described = RtcpPacket.parse(rtcp.sender_report(1, 1_800_000_000.5, 90_000, 10, 1000))
    assert isinstance(sent, RtcpSrPacket)
    assert isinstance(described, RtcpSdesPacket)
    assert (sent.ssrc, sent.sender_info.rtp_timestamp, sent.sender_info.packet_count) == (1, 90_000, 10)
    assert sent.sender_info.ntp_timestamp == (1_800_000_000 + 2_208_988_800) << 32 | 1 << 31
    assert described.chunks[0].items == [(1, b"wire")]
    (received,) = RtcpPacket.parse(
        rtcp.receiver_report(1, [rtcp.Report(2, lost=3, highest=70_000, last_sr=5, delay=6)])
    )
    assert isinstance(received, RtcpRrPacket)
    report = received.reports[0]
    assert (report.ssrc, report.packets_lost, report.highest_sequence, report.lsr, report.dlsr) == (2, 3, 70_000, 5, 6)


def test_aiortc_reads_our_requests() -> None:
    (nack,) = RtcpPacket.parse(rtcp.nack(1, 2, [65_535, 3]))
    assert isinstance(nack, RtcpRtpfbPacket)
    assert (nack.fmt, nack.media_ssrc, nack.lost) == (1, 2, [65_535, 3])
    (pli,) = RtcpPacket.parse(rtcp.pli(1, 2))
    assert isinstance(pli, RtcpPsfbPacket)
    assert (pli.fmt, pli.media_ssrc) == (1, 2)


def test_a_nack_names_its_numbers_across_the_wrap() -> None:
    assert rtcp.nacked(bytes.fromhex("00000001 00000002 ffff0003")) == (2, [65_535, 0, 1])


def test_transport_wide_feedback_tells_what_came_when() -> None:
    # 64 ms units: reference 2; then +1 ms, a gap, and 100 ms later, which needs a large delta.
    packet = rtcp.transport_feedback(1, 2, 9, [(65_536 + 7, 0.129), (65_536 + 9, 0.229)])
    assert packet == bytes.fromhex("8fcd0006 00000001 00000002 00070003 00000209 d2000401 90000000")


def test_a_keyframe_comes_first_and_then_on_demand() -> None:
    source = media.Vp8()
    kinds = [media.is_keyframe(source.next_frame()[0]) for _ in range(3)]
    source.wants_keyframe = True
    assert [*kinds, media.is_keyframe(source.next_frame()[0])] == [True, False, False, True]


def test_frames_are_of_five_or_six_packets_and_keep_the_rate() -> None:
    source = media.Vp8(wants_keyframe=False)
    frames = [source.next_frame() for _ in range(30)]
    assert {len(frame) for frame in frames} == {5, 6}
    assert 1_450_000 < sum(8 * len(payload) for frame in frames for payload in frame) <= 1_500_000


async def test_what_is_published_arrives_and_is_measured(service: Service) -> None:
    published = await publish(service)
    watched = await watch(service)
    receiver = watched.client.receiver
    await asyncio.wait_for(receiver.first_keyframe, 10)
    await until(lambda: all(len(receiver.by_kind(kind)) == 1 for kind in (VP8, 111)))
    await until(lambda: len(receiver.latencies) > 50)
    assert receiver.refused == 0
    assert all(latency >= 0 for latency in receiver.latencies)
    await watched.end()
    await published.end()


async def test_packets_are_asked_for_again_and_keyframes_too(service: Service) -> None:
    published = await publish(service)
    watched = await watch(service)
    receiver = watched.client.receiver
    await asyncio.wait_for(receiver.first_keyframe, 10)
    ssrc, video = next((ssrc, one) for ssrc, one in receiver.receptions.items() if one.payload_type == VP8)
    await until(lambda: video.packets > 20)
    lost = [video.highest - 1 & 0xFFFF, video.highest & 0xFFFF]
    watched.client.nack(ssrc, lost)
    await until(lambda: any(one.repaired >= set(lost) for one in receiver.by_kind(VP8_RTX)))
    sender = next(sender for sender in published.client.senders if sender.section.kind == "video")
    before = sender.keyframe_requests
    watched.client.ask_keyframe(ssrc)
    await until(lambda: sender.keyframe_requests > before)
    await watched.end()
    await published.end()


async def test_a_wrong_fingerprint_never_connects(service: Service) -> None:
    client = wire.Client(sends=["audio"], fingerprint=wire.WRONG_FINGERPRINT)
    with pytest.raises(wire.HandshakeError, match="handshake failed"):
        await wire.open_session(service.whip(), service.token("eve", "room"), client)
    client.vanish()


async def test_half_a_check_and_a_cut_cable_leave_the_others_in_peace(service: Service) -> None:
    published = await publish(service)
    half = wire.Client(audios=1, videos=1)
    status, _, answer = await wire.request(
        "POST", service.whep(), service.token("half", "room"), half.offer.encode(), "application/sdp"
    )
    assert status == 201
    half.half_an_ice_check(answer.decode())
    gone = await watch(service, "gone")
    gone.client.vanish()
    watched = await watch(service)
    receiver = watched.client.receiver
    await asyncio.wait_for(receiver.first_keyframe, 10)
    before = receiver.packets
    await until(lambda: receiver.packets > before + 50)
    await watched.end()
    await published.end()


async def test_a_refusal_is_a_sentence(service: Service) -> None:
    with pytest.raises(wire.Refused, match=r"^401: .*JWT"):
        await wire.open_session(service.whip(), "no token", wire.Client(sends=["audio"]))


async def test_credentials_of_base64url_characters_are_taken(service: Service) -> None:
    client = wire.Client(sends=["audio"])
    offer = client.offer.replace(client.transport.ufrag, "u-_=f").replace(client.transport.password, "p" * 21 + "-_=")
    client.transport.ufrag, client.offer = "u-_=f", offer
    session = await wire.open_session(service.whip(), service.token("alice", "room"), client)
    await session.end()


@pytest.mark.parametrize("simulcast", ["rid", "group"])
async def test_a_simulcast_is_forwarded_encoding_by_encoding_as_it_is_asked_for(
    service: Service, simulcast: Simulcast
) -> None:
    room = (service.url, "room")
    async with (
        person(*room, service.token("alice", "room"), publishes=simulcast) as alice,
        person(*room, service.token("bob", "room"), videos=1) as bob,
    ):
        video = await bob.video()
        for quality, encoding in ((Quality.HIGH, 2), (Quality.LOW, 0), (Quality.MEDIUM, 1)):
            began = time.monotonic()
            await bob.settings(alice.track, quality)
            assert await shows(video, encoding, began) >= began
    assert [encoder.keyframes > 0 for encoder in alice.encoders()] == [True, True, True]
