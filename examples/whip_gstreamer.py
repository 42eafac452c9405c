"""Publishes a test picture and a tone by WHIP (RFC 9725) with GStreamer's webrtcbin. PIPELINE names the sources.

/usr/bin/python3 examples/whip_gstreamer.py URL TOKEN [--seconds N]

It needs Debian's python3-gst-1.0 and gstreamer1.0-plugins-bad, -good and -nice, and no package of this project. Where
GStreamer has `whipclientsink` (gst-plugins-rs), that element does all of it.
"""

import argparse
import contextlib
import sys
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urljoin

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

# The server bundles all media on one transport, and GStreamer by default none.
PIPELINE = """
webrtcbin name=peer bundle-policy=max-bundle
videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=30/1
    ! vp8enc deadline=1 keyframe-max-dist=300 target-bitrate=800000 ! rtpvp8pay picture-id-mode=15-bit
    ! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! peer.
audiotestsrc is-live=true wave=ticks ! audioconvert ! audioresample ! opusenc ! rtpopuspay
    ! application/x-rtp,media=audio,encoding-name=OPUS,payload=111 ! peer.
"""
ELEMENTS = ("webrtcbin", "nicesink", "dtlsenc", "srtpenc", "vp8enc", "rtpvp8pay", "opusenc", "rtpopuspay")


class Publisher:
    def __init__(self, url: str, token: str) -> None:
        self.session = ""
        self.failure = ""
        self.loop = GLib.MainLoop()
        self._url = url
        self._token = token
        self._pipeline = Gst.parse_launch(PIPELINE)
        self._peer = self._pipeline.get_by_name("peer")
        self._peer.connect("on-negotiation-needed", self._offer)
        self._peer.connect("notify::ice-gathering-state", self._gathered)
        self._peer.connect("notify::connection-state", self._changed)

    def run(self, seconds: int) -> None:
        """Publishes for this time, or until the connection or the session fails."""
        GLib.timeout_add_seconds(seconds, self.loop.quit)
        self._pipeline.set_state(Gst.State.PLAYING)
        with contextlib.suppress(KeyboardInterrupt):
            self.loop.run()
        if self.session:
            self._ask("DELETE", self.session)
        self._pipeline.set_state(Gst.State.NULL)

    def _offer(self, *_: Any) -> None:
        self._peer.emit("create-offer", None, Gst.Promise.new_with_change_func(self._offered))

    def _offered(self, promise: Any) -> None:
        # The offer is a part of the reply, which must outlive it.
        reply = promise.get_reply()
        self._peer.emit("set-local-description", reply["offer"], Gst.Promise.new())

    def _gathered(self, *_: Any) -> None:
        if self._peer.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            GLib.idle_add(self._publish)

    def _publish(self) -> bool:
        if not self.session:
            sdp = self._peer.get_property("local-description").sdp.as_text()
            answer, location = self._ask("POST", f"{self._url}/v1/whip", sdp)
            if location:
                self.session = urljoin(self._url, location)
                _, parsed = GstSdp.SDPMessage.new_from_text(answer)
                description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, parsed)
                self._peer.emit("set-remote-description", description, Gst.Promise.new())
        return False

    def _changed(self, *_: Any) -> None:
        state = self._peer.get_property("connection-state").value_nick
        print(state, flush=True)
        if state in ("failed", "closed", "disconnected"):
            self.loop.quit()

    def _ask(self, method: str, url: str, body: str = "") -> tuple[str, str]:
        """Returns the body and the Location of the reply. A refusal ends the loop."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/sdp"}
        request = urllib.request.Request(url, body.encode() if body else None, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                return reply.read().decode(), reply.headers.get("Location", "")
        except urllib.error.HTTPError as error:
            self.failure = error.read().decode()
        except OSError as error:
            self.failure = str(error)
        self.loop.quit()
        return "", ""


def main() -> None:
    parser = argparse.ArgumentParser(description="Publishes a test picture and a tone by WHIP with GStreamer.")
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("--seconds", type=int, default=3600)
    wish = parser.parse_args()
    Gst.init(None)
    missing = [name for name in ELEMENTS if Gst.ElementFactory.find(name) is None]
    if missing:
        sys.exit(f"GStreamer lacks {', '.join(missing)}.")
    publisher = Publisher(wish.url.rstrip("/"), wish.token)
    publisher.run(wish.seconds)
    if publisher.failure:
        sys.exit(publisher.failure)


if __name__ == "__main__":
    main()
