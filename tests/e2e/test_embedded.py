"""The service without its HTTP interfaces: an application that embeds `Sfu` receives messages to the server."""

import asyncio

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from loadtest import envelope, loopback
from sfu import Config, Sfu
from sfu.commands import ADMINISTRATOR, SendData
from sfu.model import Grant
from sfu.signalling.messages import Answer, Join, Offer
from sfu.signalling.requests import SignallingSession
from sfu.views import ParticipantInfo

from .waiting import when


async def answer_of(session: SignallingSession) -> Answer:
    async for _, message in session.outbox:
        if isinstance(message, Answer):
            return message
    raise AssertionError("the outbox ended without an answer")


async def test_what_is_sent_to_the_server_reaches_the_application() -> None:
    heard: list[tuple[str, str, bytes]] = []

    def hear(room: str, sender: ParticipantInfo, payload: bytes) -> None:
        heard.append((room, sender.identity, payload))

    loopback.allow("http://127.0.0.1")
    async with (
        Sfu(Config(udp_port=0), on_message=hear) as sfu,
        sfu.attach(Grant("ada", room_join=True), "office", Join("join")) as session,
    ):
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        try:
            reliable = pc.createDataChannel("sfu-reliable")
            lossy = pc.createDataChannel("sfu-lossy", ordered=False, maxRetransmits=0)
            answers: list[bytes] = []
            reliable.on("message", answers.append)
            await pc.setLocalDescription(await pc.createOffer())
            await session.handle(Offer("offer", 1, pc.localDescription.sdp))
            answer = await asyncio.wait_for(answer_of(session), 5)
            await pc.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
            await when(lambda: {reliable.readyState, lossy.readyState} == {"open"}, "the channels open", limit=10)

            reliable.send(envelope.seal(envelope.SERVER, b"for sure"))
            await when(lambda: ("office", "ada", b"for sure") in heard, "the application hears it")
            lossy.send(envelope.seal(envelope.SERVER, b"maybe"))
            await when(lambda: ("office", "ada", b"maybe") in heard, "the application hears it")

            assert await sfu.execute(SendData(ADMINISTRATOR, "office", b"heard", to=["ada"])) == 1
            await when(lambda: answers, "the answer arrives")
            assert envelope.unseal(answers[0]) == (envelope.SERVER, b"heard")
        finally:
            await pc.close()
