"""The head of an answer together with the beginning of its body.

uvicorn writes them one after the other, and over TLS each write is a record and a packet of its
own: a third of what a small answer costs on its way.
"""

from __future__ import annotations

import asyncio
from typing import Any

_HEAD = b"HTTP/1.1 "


class OneWrite:
    """A transport that holds back a head until something follows, or the loop comes round."""

    __slots__ = ("_head", "_loop", "_transport", "_turn")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""
        self._turn: asyncio.Handle | None = None

    def write(self, data: bytes) -> None:
        """Write, after what was held back."""
        if self._head:
            data = self._taken() + data
        elif data.startswith(_HEAD):
            self._head = data
            self._turn = self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        """Close, after what was held back."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            self._transport.write(self._taken())

    def _taken(self) -> bytes:
        head, self._head = self._head, b""
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        return head

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
