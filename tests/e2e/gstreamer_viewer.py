"""A viewer made of GStreamer's webrtcbin, run by the system's Python: It writes its offer to the first line of its
output, reads the answer from its input, then writes a line of JSON for each decoded picture and each change of its
connection.

It is unlike browsers: libnice makes no consent checks (RFC 7675) and keeps its path alive by Binding Indications, and
no RTCP is sent before something was received.
"""

import json
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

VIDEO = "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000"
AUDIO = "application/x-rtp,media=audio,encoding-name=OPUS,encoding-params=(string)2,payload=111,clock-rate=48000"
DECODE = "queue ! rtpvp8depay ! vp8dec ! fakesink name=pictures sync=false signal-handoffs=true"


class Viewer:
    def __init__(self) -> None:
        self.pipeline = Gst.Pipeline.new("viewer")
        self.peer = Gst.ElementFactory.make("webrtcbin", "peer")
        self.peer.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        self.pipeline.add(self.peer)
        self.peer.connect("pad-added", self.receive)
        self.peer.connect("notify::connection-state", self.changed)
        self.peer.connect("notify::ice-gathering-state", self.gathered)
        for caps in (AUDIO, VIDEO):
            direction = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
            self.peer.emit("add-transceiver", direction, Gst.Caps.from_string(caps))
        self.pictures = 0
        self.pipeline.set_state(Gst.State.PLAYING)
        self.peer.emit("create-offer", None, Gst.Promise.new_with_change_func(self.offered))

    def offered(self, promise: Gst.Promise) -> None:
        promise.wait()
        # Each object has a name, because the offer is part of the reply.
        reply = promise.get_reply()
        offer = reply["offer"]
        self.peer.emit("set-local-description", offer, Gst.Promise.new())

    def gathered(self, *_: object) -> None:
        if self.peer.get_property("ice-gathering-state") != GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            return
        say(offer=self.peer.get_property("local-description").sdp.as_text())
        threading.Thread(target=self.answer, daemon=True).start()

    def answer(self) -> None:
        _, sdp = GstSdp.SDPMessage.new_from_text(json.loads(sys.stdin.readline())["answer"])
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
        self.peer.emit("set-remote-description", answer, Gst.Promise.new())

    def changed(self, *_: object) -> None:
        say(state=self.peer.get_property("connection-state").value_nick)

    def receive(self, _: Gst.Element, pad: Gst.Pad) -> None:
        caps = pad.get_current_caps()
        video = caps is not None and caps.get_structure(0).get_string("media") == "video"
        sink = Gst.parse_bin_from_description(DECODE if video else "fakesink sync=false", True)
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))
        if video:
            sink.get_by_name("pictures").connect("handoff", self.shown)

    def shown(self, *_: object) -> None:
        self.pictures += 1
        say(pictures=self.pictures)


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    Gst.init(None)
    if sys.argv[1:] == ["--check"]:
        # Checks whether everything is installed.
        sys.exit(not all(map(Gst.ElementFactory.find, ("webrtcbin", "nicesink", "vp8dec", "srtpdec"))))
    viewer = Viewer()
    GLib.MainLoop().run()
