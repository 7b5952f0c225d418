"""Frames of SPDY/3.1 read and written; see section 2.6 of the draft."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from .dictionary import DICTIONARY

DATA_MAX = 32 * 1024
"""Of a frame that we send."""
FRAME_MAX = 1 << 20
"""Of one that we take; spdystream's are at most 32 KiB."""
HEADERS_MAX = 16 * 1024

PROTOCOL_ERROR, INVALID_STREAM, REFUSED_STREAM, CANCEL, INTERNAL_ERROR = 1, 2, 3, 5, 6
"""Status codes of RST_STREAM."""

_VERSION = 3
_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _SETTINGS, _PING, _GOAWAY = 1, 2, 3, 4, 6, 7
_HEADERS, _WINDOW_UPDATE = 8, 9
_FLAG_FIN = 0x01
_HEAD = struct.Struct(">II")
_WORD = struct.Struct(">I")
_STREAM_MASK = 0x7FFFFFFF


class SpdyError(Exception):
    """The peer sends what is no SPDY; the connection cannot go on."""


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """SYN_STREAM. Names of headers are in lower case. `fin`: the peer will send nothing on it."""

    stream: int
    headers: Mapping[str, str]
    fin: bool


@dataclass(frozen=True, slots=True)
class DataReceived:
    """A DATA frame. `fin`: the last one of this stream."""

    stream: int
    data: bytes
    fin: bool


@dataclass(frozen=True, slots=True)
class StreamReset:
    """RST_STREAM: neither side sends anything on it any more."""

    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class Pinged:
    """PING; one of the peer's is to be answered with its number."""

    number: int


@dataclass(frozen=True, slots=True)
class GoneAway:
    """GOAWAY: the peer opens no more streams."""


Event: TypeAlias = StreamOpened | DataReceived | StreamReset | Pinged | GoneAway


class Framer:
    """Both directions of one connection, as its server has it."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._inflater = zlib.decompressobj(zdict=DICTIONARY)
        self._deflater = zlib.compressobj(zdict=DICTIONARY)

    # Receiving

    def receive(self, data: bytes) -> list[Event]:
        """What these bytes complete. Raises SpdyError."""
        self._received += data
        events: list[Event] = []
        while len(self._received) >= _HEAD.size:
            first, second = _HEAD.unpack_from(self._received)
            length, flags = second & 0xFFFFFF, second >> 24
            if length > FRAME_MAX:
                raise SpdyError(f"a frame of {length} bytes is too large")
            end = _HEAD.size + length
            if len(self._received) < end:
                break
            payload = bytes(self._received[_HEAD.size : end])
            del self._received[:end]
            event = self._frame(first, flags, payload)
            if event is not None:
                events.append(event)
        return events

    def _frame(self, first: int, flags: int, payload: bytes) -> Event | None:
        fin = bool(flags & _FLAG_FIN)
        if not first >> 31:
            if not first:
                raise SpdyError("data on stream 0")
            return DataReceived(first, payload, fin)
        if first >> 16 & 0x7FFF != _VERSION:
            raise SpdyError(f"version {first >> 16 & 0x7FFF}, and not {_VERSION}")
        return self._control(first & 0xFFFF, fin, payload)

    def _control(self, kind: int, fin: bool, payload: bytes) -> Event | None:
        if kind == _SYN_STREAM:
            stream = _word(payload, 0) & _STREAM_MASK
            headers = self._headers(payload[10:])
            if not stream % 2:
                raise SpdyError(f"stream {stream} is none of a client's")
            return StreamOpened(stream, headers, fin)
        if kind == _RST_STREAM:
            return StreamReset(_word(payload, 0) & _STREAM_MASK, _word(payload, 4))
        if kind == _PING:
            return Pinged(_word(payload, 0))
        if kind == _GOAWAY:
            return GoneAway()
        if kind in (_SYN_REPLY, _HEADERS):
            self._headers(payload[4:])  # later blocks build on it
        elif kind not in (_SETTINGS, _WINDOW_UPDATE):
            raise SpdyError(f"a frame of type {kind}")
        return None

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            plain = self._inflater.decompress(block, HEADERS_MAX)
        except zlib.error as error:
            raise SpdyError(f"a header block that cannot be read: {error}") from None
        if self._inflater.unconsumed_tail:
            raise SpdyError(f"headers of more than {HEADERS_MAX} bytes")
        headers: dict[str, str] = {}
        at = 4
        for _ in range(_word(plain, 0)):
            name, at = _text(plain, at)
            value, at = _text(plain, at)
            headers[name.lower()] = value
        return headers

    # Sending

    def reply(self, stream: int, headers: Mapping[str, str] | None = None) -> bytes:
        """SYN_REPLY: a stream of the peer is accepted. To be sent in the order of the calls."""
        block = [_WORD.pack(len(headers or {}))]
        for name, value in (headers or {}).items():
            for text in (name.lower().encode(), value.encode()):
                block += [_WORD.pack(len(text)), text]
        packed = self._deflater.compress(b"".join(block))
        packed += self._deflater.flush(zlib.Z_SYNC_FLUSH)
        return _control(_SYN_REPLY, _WORD.pack(stream) + packed)

    @staticmethod
    def data(stream: int, data: bytes, *, fin: bool = False) -> bytes:
        """DATA; at most DATA_MAX bytes at a time are good manners."""
        return _HEAD.pack(stream, (_FLAG_FIN if fin else 0) << 24 | len(data)) + data

    @staticmethod
    def reset(stream: int, status: int) -> bytes:
        """RST_STREAM."""
        return _control(_RST_STREAM, _HEAD.pack(stream, status))

    @staticmethod
    def ping(number: int) -> bytes:
        """PING, be it the answer to one."""
        return _control(_PING, _WORD.pack(number))

    @staticmethod
    def go_away(last_stream: int) -> bytes:
        """GOAWAY, without an error: no stream after this one is taken."""
        return _control(_GOAWAY, _HEAD.pack(last_stream, 0))


def _control(kind: int, payload: bytes) -> bytes:
    return _HEAD.pack(1 << 31 | _VERSION << 16 | kind, len(payload)) + payload


def _word(payload: bytes, at: int) -> int:
    if len(payload) < at + 4:
        raise SpdyError("a frame that is too short")
    return int(_WORD.unpack_from(payload, at)[0])


def _text(plain: bytes, at: int) -> tuple[str, int]:
    """A counted text, and where it ends."""
    end = at + 4 + _word(plain, at)
    if end > len(plain):
        raise SpdyError("a header block that ends too soon")
    return plain[at + 4 : end].decode("latin-1"), end
