"""As much of HTTP/2 as it takes to hear from any gRPC server: nothing of its services is called.

A server answers SETTINGS with an acknowledgement once it has read everything before it (RFC 9113,
6.5.3), and ignores frames of a type that it does not know (4.1): so bytes can be pushed at it and
their arrival seen. PING would do too, but servers of gRPC close after a few ("too many pings").
"""

from __future__ import annotations

import asyncio
import socket

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS, _GOAWAY, _UNKNOWN = 0x4, 0x7, 0xFA
_ACK = 0x1
_HEADER = 9
_FRAME_MAX = 16_384
_READ_BYTES = 65536


def _frame(kind: int, payload: bytes = b"", flags: int = 0) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + bytes(4) + payload


class Http2Talk:
    """One connection on which a server is made to answer, over a connected socket.

    Every method raises ConnectionError when the server closed, resets or speaks something else.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._loop = asyncio.get_running_loop()
        self._received = b""

    async def open(self) -> None:
        """Introduce ourselves; returns once the server has answered."""
        await self._send(_PREFACE + _frame(_SETTINGS))
        await self._acknowledged()

    async def exchange(self, count: int = 0) -> None:
        """Send `count` bytes that mean nothing; returns once the server has read them."""
        filler = _frame(_UNKNOWN, bytes(_FRAME_MAX))
        for _ in range(count // len(filler)):
            await self._send(filler)
        rest = count % len(filler)
        if rest > _HEADER:
            await self._send(_frame(_UNKNOWN, bytes(rest - _HEADER)))
        await self._send(_frame(_SETTINGS))
        await self._acknowledged()

    def close(self) -> None:
        self.sock.close()

    async def _acknowledged(self) -> None:
        while True:
            kind, flags, payload = await self._read()
            if kind == _GOAWAY:
                raise ConnectionError(f"GOAWAY: {payload[8:].decode(errors='replace')}")
            if kind != _SETTINGS:
                continue
            if flags & _ACK:
                return
            await self._send(_frame(_SETTINGS, flags=_ACK))

    async def _send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self.sock, data)

    async def _read(self) -> tuple[int, int, bytes]:
        while len(self._received) < _HEADER:
            await self._receive()
        length = int.from_bytes(self._received[:3], "big")
        if length > _FRAME_MAX:
            raise ConnectionError("it does not speak HTTP/2")
        while len(self._received) < _HEADER + length:
            await self._receive()
        kind, flags = self._received[3], self._received[4]
        payload = self._received[_HEADER : _HEADER + length]
        self._received = self._received[_HEADER + length :]
        return kind, flags, payload

    async def _receive(self) -> None:
        chunk = await self._loop.sock_recv(self.sock, _READ_BYTES)
        if not chunk:
            raise ConnectionError("the server closed the connection")
        self._received += chunk
