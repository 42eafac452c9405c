"""A light WebRTC client for load tests and misbehaviour: own ICE, SDP and RTP, OpenSSL for DTLS, libsrtp for SRTP.

It decodes nothing and shows nothing. It measures what was forwarded, when, and at which cost. Browsers and aiortc test
the conformance to WebRTC.
"""

from loadtest.wire.client import WRONG_FINGERPRINT, Client
from loadtest.wire.dtls import HandshakeError
from loadtest.wire.http import Refused, Session, open_session, request
from loadtest.wire.receiver import Reception
from loadtest.wire.transport import ConnectError

__all__ = [
    "WRONG_FINGERPRINT",
    "Client",
    "ConnectError",
    "HandshakeError",
    "Reception",
    "Refused",
    "Session",
    "open_session",
    "request",
]
