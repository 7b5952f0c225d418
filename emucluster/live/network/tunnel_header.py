"""The header that opens a tunnelled connection: bytes in, bytes out, no sockets and no clock.

    offset  size  field
    0       4     magic "EMCT"
    4       1     version
    5       1     length of the service text
    6       1     length of the hop text
    7       1     zero
    8       16    flow id
    24      16    nonce
    40      8     time, milliseconds since the epoch
    48      6     destination: IPv4 address, port
    54      6     source: IPv4 address, port
    60      -     service text, hop text (UTF-8)
    then    16    HMAC-SHA256 of all that, keyed by the cluster's token, cut to 16 bytes

Multi-byte numbers are big-endian. Nonce and time are under the MAC, so that a recorded header is
refused: inside the window by its nonce, outside it by its time.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
import struct
from collections import deque
from dataclasses import dataclass

from emucluster.live.network.sockets import Address

MAGIC = b"EMCT"
VERSION = 1
NONCE_BYTES = 16
MAC_BYTES = 16
REPLAY_WINDOW_S = 30.0

_FIXED = struct.Struct("!4sBBBx16s16sQ4sH4sH")
MAX_BYTES = _FIXED.size + 255 + 255 + MAC_BYTES


class BadHeader(Exception):
    """Not a header of ours, or not a fresh one; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class TunnelHeader:
    """What the near node tells the far node about one connection."""

    flow_id: bytes
    nonce: bytes
    time_ms: int
    destination: Address
    source: Address
    """Whom the destination shall see."""
    service: str = ""
    hop: str = ""


def _clip(text: str) -> bytes:
    """At most 255 bytes of UTF-8, no character cut in two."""
    return text.encode()[:255].decode(errors="ignore").encode()


def _mac(token: bytes, body: bytes) -> bytes:
    return hmac.digest(token, body, hashlib.sha256)[:MAC_BYTES]


def encode(header: TunnelHeader, token: bytes) -> bytes:
    """The header's bytes, authenticated with `token`. Raises ValueError for what cannot be sent."""
    if len(header.flow_id) != 16 or len(header.nonce) != NONCE_BYTES:
        raise ValueError("flow id and nonce are 16 bytes each")
    service, hop = _clip(header.service), _clip(header.hop)
    try:
        fixed = _FIXED.pack(
            MAGIC,
            VERSION,
            len(service),
            len(hop),
            header.flow_id,
            header.nonce,
            header.time_ms,
            socket.inet_aton(header.destination[0]),
            header.destination[1],
            socket.inet_aton(header.source[0]),
            header.source[1],
        )
    except (struct.error, OSError) as error:
        raise ValueError(f"cannot be put into a tunnel header: {error}") from error
    body = fixed + service + hop
    return body + _mac(token, body)


def decode(data: bytes, token: bytes) -> tuple[TunnelHeader, int] | None:
    """The header at the start of `data` and its length; None while more bytes are needed.

    Raises BadHeader as soon as it is clear that no valid header begins here.
    """
    if not MAGIC.startswith(data[:4]):
        raise BadHeader("not a tunnel header")
    if len(data) > 4 and data[4] != VERSION:
        raise BadHeader(f"version {data[4]}, this is {VERSION}")
    if len(data) < _FIXED.size:
        return None
    fields = _FIXED.unpack_from(data)
    service_end = _FIXED.size + fields[2]
    body_end = service_end + fields[3]
    end = body_end + MAC_BYTES
    if len(data) < end:
        return None
    if not hmac.compare_digest(data[body_end:end], _mac(token, data[:body_end])):
        raise BadHeader("wrong MAC")
    return _header(fields, data[_FIXED.size : service_end], data[service_end:body_end]), end


def _header(
    fields: tuple[bytes, int, int, int, bytes, bytes, int, bytes, int, bytes, int],
    service: bytes,
    hop: bytes,
) -> TunnelHeader:
    _, _, _, _, flow_id, nonce, time_ms, to_ip, to_port, from_ip, from_port = fields
    return TunnelHeader(
        flow_id=flow_id,
        nonce=nonce,
        time_ms=time_ms,
        destination=(socket.inet_ntoa(to_ip), to_port),
        source=(socket.inet_ntoa(from_ip), from_port),
        service=service.decode(errors="replace"),
        hop=hop.decode(errors="replace"),
    )


class ReplayGuard:
    """Accepts each nonce once, and only while its time is within `window_s` of ours."""

    def __init__(self, window_s: float = REPLAY_WINDOW_S) -> None:
        self._window_s = window_s
        self._seen: set[bytes] = set()
        self._order: deque[tuple[float, bytes]] = deque()

    def check(self, header: TunnelHeader, *, now_s: float) -> None:
        """Accept the header at wall clock `now_s`, or raise BadHeader (stale, replay)."""
        age_s = now_s - header.time_ms / 1000
        if abs(age_s) > self._window_s:
            raise BadHeader(f"{age_s:+.1f} s old, the window is {self._window_s:g} s")
        self._expire(now_s)
        if header.nonce in self._seen:
            raise BadHeader("replayed")
        self._seen.add(header.nonce)
        # A header from the future stays fresh for longer: it is remembered by its own time.
        self._order.append((max(now_s, header.time_ms / 1000) + self._window_s, header.nonce))

    def __len__(self) -> int:
        return len(self._seen)

    def _expire(self, now_s: float) -> None:
        while self._order and self._order[0][0] < now_s:
            self._seen.discard(self._order.popleft()[1])
