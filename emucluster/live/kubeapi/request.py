"""What a handler is given, and what it gives back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from emucluster.core.errors import BadRequest, Timeout, TooLarge

from .accept import JSON, PLAIN, Representation
from .limits import body_deadline_s
from .paths import Target
from .pieces import slices
from .query import Query
from .users import ANONYMOUS, User

BODY_MAX = 3 * 1024 * 1024
"""As kube-apiserver's limit (MaxRequestBodyBytes)."""
WARNINGS_MAX, WARNING_CUT = 4096, 256
"""Characters: of all warnings together, and of each where that is too much."""

Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]
Headers: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `pretty`: indent the JSON for people, if it may be changed."""

    body: bytes = b""
    status: int = 200
    media: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Request:
    """One request, of HTTP or the opening of a WebSocket.

    A handler either returns an `Answer`, or returns None after it has answered itself by `send`
    (ASGI messages: `http.response.*`, or `websocket.*`). What it raises is answered as a Status if
    nothing was sent yet.

    Attributes:
        path: as sent, undecoded.
        parts: the decoded parts of the path.
        headers: names in lower case; of a name that comes twice both, joined by commas.
        target: what the path names, if that is a resource.
        verb: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
        wanted: the form of the answer, for handlers of objects.
        warnings: texts that go into `Warning` headers of the answer.
        websocket: whether `receive` and `send` speak ASGI's WebSocket messages; `subprotocols`
            are those that the client offers.
        receive, send: ASGI's.
        waiting: entered while the body comes; see `limits.Slot`.
    """

    method: str
    path: str
    parts: tuple[str, ...]
    query: Query
    headers: Headers
    receive: Receive
    send: Send
    user: User = ANONYMOUS
    target: Target | None = None
    verb: str = ""
    wanted: Representation = PLAIN
    warnings: list[str] = field(default_factory=list)
    websocket: bool = False
    subprotocols: tuple[str, ...] = ()
    waiting: Callable[[], AbstractContextManager[None]] = nullcontext
    status: int = 0
    """Of the answer that is under way; 0 before."""

    @property
    def started(self) -> bool:
        """Whether an answer is under way, so that none can take its place."""
        return self.status > 0

    async def body(self) -> bytes:
        """The whole body, at most BODY_MAX bytes.

        Raises TooLarge before more than that is read, BadRequest when the client goes away,
        Timeout when it comes too slowly, TooManyRequests.
        """
        try:
            announced = int(self.headers.get("content-length", "0"))
        except ValueError:
            raise BadRequest("content-length is not a number") from None
        if announced > BODY_MAX:
            raise TooLarge.of(BODY_MAX)
        with self.waiting():
            return await self._received()

    async def _received(self) -> bytes:
        chunks, size = [], 0
        started_s = asyncio.get_running_loop().time()
        while True:
            try:
                async with asyncio.timeout_at(body_deadline_s(started_s, size)):
                    message = await self.receive()
            except TimeoutError:
                raise Timeout("Timeout: the body of the request came too slowly") from None
            if message["type"] != "http.request":
                raise BadRequest("the client closed the connection before the body was complete")
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > BODY_MAX:
                raise TooLarge.of(BODY_MAX)
            chunks.append(chunk)
            if not message.get("more_body", False):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def gone(self) -> None:
        """Return when the client has closed the connection; what it still sends is dropped."""
        while (await self.receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
            pass

    async def start(
        self, *, status: int = 200, media: str = JSON, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        """Begin an answer in pieces; `Warning` headers are added."""
        self.status = status
        if self.websocket:
            await self._refuse_upgrade(status, media, headers)
            return
        all_ = [(b"content-type", media.encode("latin-1"))]
        all_ += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        all_ += warning_headers(self.warnings)
        if not any(name == b"cache-control" for name, _ in all_):
            all_.append((b"cache-control", b"no-cache, private"))
        await self.send({"type": "http.response.start", "status": status, "headers": all_})

    async def _refuse_upgrade(
        self, status: int, media: str, headers: tuple[tuple[str, str], ...]
    ) -> None:
        """An answer of plain HTTP to the opening of a WebSocket."""
        all_ = [(b"content-type", media.encode("latin-1"))]
        all_ += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        kind = "websocket.http.response.start"
        await self.send({"type": kind, "status": status, "headers": all_})

    async def accept(self, subprotocol: str) -> None:
        """Open the WebSocket with one of `subprotocols`."""
        self.status = 101
        await self.send({"type": "websocket.accept", "subprotocol": subprotocol})

    async def piece(self, data: bytes, *, last: bool = False) -> None:
        """The next piece of an answer; waits while the client is slow to read."""
        if self.websocket:
            kind = "websocket.http.response.body"
            await self.send({"type": kind, "body": data, "more_body": not last})
            return
        left = len(data)
        for part in slices(data):
            left -= len(part)
            more = left > 0 or not last
            await self.send({"type": "http.response.body", "body": part, "more_body": more})

    async def answer(self, answer: Answer) -> None:
        """A whole answer."""
        headers = answer.headers
        if answer.status != 304:  # which would have to tell the length of what it does not send
            headers = (("content-length", str(len(answer.body))), *headers)
        await self.start(status=answer.status, media=answer.media, headers=headers)
        await self.piece(answer.body, last=True)


def warning_headers(texts: Iterable[str]) -> list[tuple[bytes, bytes]]:
    """`Warning` headers, each text once, and no more of them than a client can be expected to read.

    Long ones are cut where all together are too long (apiserver pkg/endpoints/filters/warning.go).
    """
    lines = [_printable(text) for text in dict.fromkeys(texts)]
    if sum(map(len, lines)) > WARNINGS_MAX:
        lines = [line[:WARNING_CUT] for line in lines][: WARNINGS_MAX // WARNING_CUT]
    return [(b"warning", _quoted(line)) for line in lines]


def _printable(text: str) -> str:
    """On one line, and with what no header may hold escaped (a user's field names may have it)."""
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def _quoted(line: str) -> bytes:
    """apimachinery pkg/util/net/http.go, NewWarningHeader."""
    quoted = line.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{quoted}"'.encode()
