"""SPDY/3.1 as spdystream speaks it: draft-mbelshe-httpbis-spdy-00."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.live.kubeapi.streams.spdy import (
    DataReceived,
    Framer,
    GoneAway,
    Pinged,
    SpdyError,
    StreamOpened,
    StreamReset,
    frames,
)
from emucluster.live.kubeapi.streams.spdy.dictionary import DICTIONARY


class Client:
    """Makes a client's frames, and reads the headers of replies."""

    def __init__(self) -> None:
        self._deflater = zlib.compressobj(zdict=DICTIONARY)
        self._inflater = zlib.decompressobj(zdict=DICTIONARY)

    def block(self, headers: dict[str, str]) -> bytes:
        plain = struct.pack(">I", len(headers))
        for name, value in headers.items():
            plain += struct.pack(">I", len(name)) + name.encode()
            plain += struct.pack(">I", len(value)) + value.encode()
        return self._deflater.compress(plain) + self._deflater.flush(zlib.Z_SYNC_FLUSH)

    def open(self, stream: int, headers: dict[str, str], *, fin: bool = False) -> bytes:
        payload = struct.pack(">IIH", stream, 0, 0) + self.block(headers)
        return control(1, payload, flags=int(fin))

    def replied(self, frame: bytes) -> tuple[int, bytes]:
        stream = struct.unpack_from(">I", frame, 8)[0]
        return stream, self._inflater.decompress(frame[12:])


def control(kind: int, payload: bytes, *, flags: int = 0, version: int = 3) -> bytes:
    return struct.pack(">HHI", 0x8000 | version, kind, flags << 24 | len(payload)) + payload


def test_the_dictionary_is_that_of_the_draft() -> None:
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


def test_streams_are_opened_with_headers_that_share_a_dictionary() -> None:
    client, framer = Client(), Framer()
    error = {"streamtype": "error", "port": "80", "requestid": "0"}
    data = {"streamtype": "data", "port": "80", "requestid": "0"}
    sent = client.open(1, error, fin=True) + client.open(3, {"StreamType": "data"} | data)
    assert framer.receive(sent) == [StreamOpened(1, error, True), StreamOpened(3, data, False)]
    for stream in (1, 3):
        assert client.replied(framer.reply(stream)) == (stream, struct.pack(">I", 0))
    assert client.replied(framer.reply(5, {"A": "b"}))[1] == b"\0\0\0\1\0\0\0\1a\0\0\0\1b"


def test_all_that_comes_is_an_event_or_of_no_concern() -> None:
    framer = Framer()
    sent = Framer.data(1, b"abc") + Framer.data(1, b"", fin=True) + Framer.reset(3, 5)
    sent += Framer.ping(7) + Framer.go_away(1)
    sent += control(9, struct.pack(">II", 1, 65536))  # WINDOW_UPDATE
    sent += control(4, struct.pack(">I", 0))  # SETTINGS
    assert framer.receive(sent) == [
        DataReceived(1, b"abc", False),
        DataReceived(1, b"", True),
        StreamReset(3, 5),
        Pinged(7),
        GoneAway(),
    ]


@given(st.lists(st.binary(max_size=300), max_size=8), st.data())
def test_frames_may_come_in_any_pieces(parts: list[bytes], draw: st.DataObject) -> None:
    sent = b"".join(Framer.data(1, part) for part in parts)
    framer, found = Framer(), []
    while sent:
        size = draw.draw(st.integers(1, len(sent)))
        found += framer.receive(sent[:size])
        sent = sent[size:]
    assert [event.data for event in found if isinstance(event, DataReceived)] == parts


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (control(6, b"\0\0\0\1", version=2), "version 2"),
        (control(12, b""), "type 12"),
        (control(1, struct.pack(">IIH", 1, 0, 0) + b"nonsense"), "cannot be read"),
        (control(6, b"\0"), "too short"),
        (struct.pack(">II", 0, 1) + b"x", "stream 0"),
        (struct.pack(">II", 1, frames.FRAME_MAX + 1), "too large"),
        (Client().open(2, {}), "none of a client's"),
        (Client().open(1, {"a": "x" * frames.HEADERS_MAX}), "headers of more than"),
    ],
)
def test_what_is_no_spdy_is_refused(sent: bytes, why: str) -> None:
    with pytest.raises(SpdyError, match=why):
        Framer().receive(sent)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(sent: bytes) -> None:
    try:
        Framer().receive(sent)
    except SpdyError:
        pass
