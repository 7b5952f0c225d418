"""SPDY/3.1, as far as clients of Kubernetes speak it. Source: draft-mbelshe-httpbis-spdy-00.

Pure: bytes in, events out; frames to send are returned as bytes. Their library (moby/spdystream)
neither sends nor heeds WINDOW_UPDATE, so nothing here waits for one: what holds up a sender is the
connection underneath.
"""

from .frames import (
    DataReceived,
    Event,
    Framer,
    GoneAway,
    Pinged,
    SpdyError,
    StreamOpened,
    StreamReset,
)

__all__ = [
    "DataReceived",
    "Event",
    "Framer",
    "GoneAway",
    "Pinged",
    "SpdyError",
    "StreamOpened",
    "StreamReset",
]
