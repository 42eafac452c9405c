"""A peer connection without a media library: it offers, connects, sends prepared payloads, and measures received
media."""

import asyncio
import time
from collections.abc import Sequence

from loadtest.wire import dtls, media, rtcp, sdp
from loadtest.wire.receiver import FEEDBACK_INTERVAL, Receiver
from loadtest.wire.sdp import Kind, Simulcast
from loadtest.wire.sender import Numbers, Sender
from loadtest.wire.transport import Transport

WRONG_FINGERPRINT = ":".join(["AB"] * 32)


class Client:
    """Send its offer, then call `connect` with the answer of WHIP, WHEP or the WebSocket.

    `sends` are tracks published (`simulcast`: video in three encodings), `audios` and `videos` the receive sections.
    Create it on a running loop. Ways to misbehave: `fingerprint=WRONG_FINGERPRINT`, `half_an_ice_check`, `vanish`.
    """

    def __init__(
        self,
        *,
        sends: Sequence[Kind] = (),
        simulcast: Simulcast | None = None,
        audios: int = 0,
        videos: int = 0,
        sample: int = 1,
        fingerprint: str | None = None,
    ) -> None:
        identity = dtls.identity()
        encodings = media.simulcast() if simulcast else {}
        rids = tuple(encodings) if simulcast == "rid" else ()
        streams = len(encodings) if simulcast == "group" else 0
        self.sections = sdp.sections(sends=sends, rids=rids, streams=streams, audios=audios, videos=videos)
        self.senders: list[Sender] = []
        for section in self.sections:
            if section.rids:
                self.senders += [Sender(section, encodings[rid], rid=rid) for rid in section.rids]
            elif section.group:
                pairs = zip(section.group, encodings.values(), strict=True)
                self.senders += [Sender(section, source, ssrc=ssrc) for ssrc, source in pairs]
            elif section.ssrc:
                self.senders.append(Sender(section))
        self.receiver = Receiver(sample=sample)
        self.transport = Transport(identity, self._on_rtp, self._on_rtcp)
        self.offer = sdp.offer(
            self.sections,
            ufrag=self.transport.ufrag,
            password=self.transport.password,
            fingerprint=fingerprint or identity.fingerprint,
        )
        self._numbers = Numbers()
        self._feedback: asyncio.TimerHandle | None = None
        self._playing: list[asyncio.Task[None]] = []

    async def connect(self, answer: str, limit: float = 10.0) -> None:
        """Connects. Returns when media can flow. Raises ConnectError, HandshakeError, or ValueError for an unusable
        answer."""
        await self.transport.connect(sdp.remote(answer), limit)
        self._give_feedback()

    def play(self) -> None:
        """Sends all tracks until the client is closed."""
        for sender in self.senders:
            self._playing.append(asyncio.create_task(sender.run(self.transport, self._numbers)))

    def nack(self, ssrc: int, lost: Sequence[int]) -> None:
        """Requests packets again, lost or not. They arrive on the RTX stream: `Reception.repaired`."""
        self.transport.send_rtcp(self.receiver.nack(ssrc, list(lost)))

    def ask_keyframe(self, ssrc: int) -> None:
        self.transport.send_rtcp(self.receiver.pli(ssrc))

    def half_an_ice_check(self, answer: str) -> None:
        """Sends the first half of a check and a complete one that nominates nothing, then vanishes."""
        self.transport.open(sdp.remote(answer))
        check = self.transport.check(nominate=False)
        self.transport.send(check[: len(check) // 2])
        self.transport.send(check)
        self.vanish()

    def vanish(self) -> None:
        """Closes the socket without notifying the server."""
        self._stop()
        self.transport.close(politely=False)

    def close(self) -> None:
        """Sends BYE and close_notify, then closes."""
        self._stop()
        for sender in self.senders:
            self.transport.send_rtcp(rtcp.bye(sender.ssrc))
        self.transport.close()

    def _stop(self) -> None:
        for task in self._playing:
            task.cancel()
        if self._feedback:
            self._feedback.cancel()

    def _give_feedback(self) -> None:
        for compound in self.receiver.poll_rtcp(time.monotonic()):
            self.transport.send_rtcp(compound)
        self._feedback = asyncio.get_running_loop().call_later(FEEDBACK_INTERVAL, self._give_feedback)

    def _on_rtp(self, datagram: bytes) -> None:
        self.receiver.handle_rtp(datagram, self.transport)

    def _on_rtcp(self, datagram: bytes) -> None:
        compound = self.transport.unprotect_rtcp(datagram)
        if compound is None:
            return
        self.receiver.handle_rtcp(compound)
        if not self.senders:
            return
        for type_, format, body in rtcp.packets(compound):
            if type_ == rtcp.PAYLOAD_FEEDBACK and format in (rtcp.PLI, rtcp.FIR) and len(body) >= 8:
                # PLI names the source in the header, FIR in its entry (RFC 5104 s4.3.1).
                asked = body[8:12] if format == rtcp.FIR else body[4:8]
                for sender in self.senders:
                    if sender.ssrc == int.from_bytes(asked):
                        sender.handle_pli()
            elif type_ == rtcp.TRANSPORT_FEEDBACK and format == rtcp.NACK and len(body) >= 12:
                media, lost = rtcp.nacked(body)
                for sender in self.senders:
                    if sender.ssrc == media:
                        sender.handle_nack(lost, self.transport, self._numbers)
