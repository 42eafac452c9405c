"""A hardware camera by WHIP: H.264 in one profile, periodic keyframes, and no response to requests.

It offers neither RTX nor transport-wide feedback: aiortc offers RTX only if it is preferred, and never the feedback.
"""

from collections.abc import Callable

from aiortc import RTCRtpSender
from av import VideoFrame

from loadtest import sources

from ..peer import Peer

PERIOD = 60
"""Frames from keyframe to keyframe: 4 s."""
RATE = 15


class HardwareTrack(sources.CardTrack):
    """The test card, with a call of `on_keyframe` for every 60th frame."""

    def __init__(self, card: int) -> None:
        super().__init__(card, 320, 180, RATE)
        self.made = 0
        """Frames."""
        self.on_keyframe: Callable[[], None] = lambda: None

    async def recv(self) -> VideoFrame:
        frame = await super().recv()
        if self.made % PERIOD == 0:
            self.on_keyframe()
        self.made += 1
        return frame


class Camera(Peer):
    """`async with Camera(url, token) as camera: await camera.start(7)`."""

    track: HardwareTrack

    async def start(self, card: int) -> None:
        self.track = HardwareTrack(card)
        transceiver = self.pc.addTransceiver(self.track, direction="sendonly")
        h264 = [one for one in RTCRtpSender.getCapabilities("video").codecs if one.mimeType == "video/H264"]
        transceiver.setCodecPreferences(h264[:1])
        sender = transceiver.sender
        self.track.on_keyframe = sender._send_keyframe
        # Called for a PLI.
        sender._send_keyframe = lambda: None  # type: ignore[method-assign]
        self._played = sources.Source(self.track)
        await self._open("/v1/whip")
