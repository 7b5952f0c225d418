"""Connections of the server: uvicorn's, with limits for those who are slow or mean harm.

uvicorn knows no deadline for a head, no size of all headers, nothing of a peer's certificate, and
waits for ever for a client that does not read.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import partial
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from emucluster.core.errors import BadRequest, to_status

from .crowd import Crowd
from .one_write import OneWrite
from .users import AUTHENTICATED, User

HEAD_DEADLINE_S = 5.0
"""From the first byte of a head to its last."""
FIRST_BYTE_S = 32.0
"""From the handshake to the first byte: clients open connections before they need them."""
HEAD_MAX = 64 * 1024
IDLE_S = 120.0
"""Between requests; client-go gives up after 90 s itself."""
STALLED_S = 60.0
"""A client that takes nothing for so long, while there is something for it, is cut off."""
LINGER_S = 1.0
"""How long the rest of a refused body is read and dropped, so that the refusal is read."""


class HeadTooLarge(Exception):
    """More header bytes than HEAD_MAX."""


class Connection(HttpToolsProtocol):
    """One connection over TLS."""

    def __init__(self, config: Config, state: ServerState, crowd: Crowd[Connection]) -> None:
        super().__init__(config=config, server_state=state, app_state={})
        self._crowd = crowd
        self._in_head = False
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._lingering: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = OneWrite(transport, self.loop)  # type: ignore[assignment]
        streams = sum(1 for each in self.connections if not isinstance(each, Connection))
        for each in self._crowd.enter(self, streams):
            self.connections.discard(each)
            each.transport.abort()
            if each is self:
                return
        user = _certified(transport.get_extra_info("ssl_object"))
        self.app_state = {"user": user, "introduce": partial(self._crowd.introduce, self)}
        self._deadline = self.loop.call_later(FIRST_BYTE_S, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.leave(self)
        for timer in (self._deadline, self._stalled, self._lingering):
            if timer is not None:
                timer.cancel()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.parser is None:
            return
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_MAX:
                self._refuse(431, "Request header fields too large")
            elif self._deadline is None:
                self._deadline = self.loop.call_later(HEAD_DEADLINE_S, self.transport.abort)

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes = True, 0
        self._in_time()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers come this way too, long after the head is over.
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > 2 * HEAD_MAX:
            raise HeadTooLarge
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes = False, 0
        self._in_time()
        self._crowd.begin(self)
        super().on_headers_complete()
        if self.parser.should_upgrade() and not self._should_upgrade():
            self.cycle.keep_alive = False  # the parser reads no further requests after this one

    def _in_time(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def on_message_complete(self) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete:  # no other request was waiting behind it
            self._crowd.end(self)
        if self.cycle.more_body and not self.transport.is_closing():
            self._lingering = self.loop.call_later(LINGER_S, self.transport.close)

    def handle_websocket_upgrade(self) -> None:
        self._crowd.leave(self)  # the transport has another protocol from now on
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)

    def _refuse(self, code: int, text: str) -> None:
        """Answer what is not HTTP as we read it, and end."""
        body = to_status(BadRequest(text)).replace(b'"code": 400', b'"code": %d' % code)
        phrase = b"Bad Request" if code == 400 else b"Request Header Fields Too Large"
        self.transport.write(
            b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%b" % (code, phrase, len(body), body)
        )
        self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


def _certified(tls: Any) -> User | None:
    """Whom a verified client certificate names: CN the user, O his groups."""
    if not isinstance(tls, ssl.SSLObject):
        return None
    certificate = tls.getpeercert()
    if not certificate:
        return None
    names: dict[str, list[str]] = {}
    subject: Any = certificate.get("subject", ())
    for attributes in subject:
        for key, value in attributes:
            names.setdefault(key, []).append(value)
    user = names.get("commonName", [""])[0]
    return User(user, (*names.get("organizationName", ()), AUTHENTICATED)) if user else None


_ = httptools  # the parser that uvicorn's protocol drives
