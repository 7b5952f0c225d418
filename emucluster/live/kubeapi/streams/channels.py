"""Several streams over one WebSocket: the first byte of each message says whose it is.

Source: k8s.io/apimachinery pkg/util/httpstream/wsstream, k8s.io/streaming and
kubernetes pkg/kubelet/... remotecommand (protocols v4 and v5).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from emucluster.core.errors import BadRequest
from emucluster.live.kubeapi.request import Request

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
"""v5 can also close a channel."""

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255

NORMAL_CLOSURE = 1000

_encode = msgspec.json.Encoder().encode


class Gone(Exception):
    """The client has closed the WebSocket."""


class WebSocket:
    """The server's end of one that is accepted."""

    def __init__(self, request: Request, protocol: str) -> None:
        self.protocol = protocol
        self._request = request
        self._sending = asyncio.Lock()

    @classmethod
    async def accept(cls, request: Request, protocol: str) -> WebSocket:
        """Answer the client's opening; from here on no Status can be answered.

        `protocol` is empty for a client that has offered none.
        """
        request.status = 101
        opening = await request.receive()
        if opening["type"] != "websocket.connect":
            raise Gone
        await request.send({"type": "websocket.accept", "subprotocol": protocol or None})
        return cls(request, protocol)

    async def messages(self) -> AsyncIterator[bytes]:
        """What the client sends, until it closes; that it does is noticed in here alone."""
        while True:
            message = await self._request.receive()
            if message["type"] == "websocket.disconnect":
                return
            data = message.get("bytes")
            yield data if data is not None else (message.get("text") or "").encode()

    async def send(self, data: bytes) -> None:
        """One message; waits while the client is slow to read. Raises Gone."""
        await self._told({"type": "websocket.send", "bytes": data})

    async def close(self) -> None:
        """All is said. Raises Gone."""
        await self._told({"type": "websocket.close", "code": NORMAL_CLOSURE})

    async def _told(self, message: dict[str, Any]) -> None:
        async with self._sending:
            try:
                await self._request.send(message)
            except OSError as error:
                raise Gone from error


def chosen_protocol(request: Request, ours: tuple[str, ...]) -> str:
    """The first of ours that the client offers. Raises BadRequest when there is none."""
    for protocol in ours:
        if protocol in request.subprotocols:
            return protocol
    offered = " ".join(request.subprotocols)
    raise BadRequest(
        f"unable to upgrade: none of the protocols [{offered}] is served, only [{' '.join(ours)}]"
    )


def channel(number: int, data: bytes) -> bytes:
    """A message of one channel."""
    return bytes((number,)) + data


def success() -> bytes:
    """The message of the error channel after exit code 0."""
    return channel(ERROR, _encode({"metadata": {}, "status": "Success"}))


def exited(command: tuple[str, ...], code: int) -> bytes:
    """That message after another exit code (pkg/kubelet/cri/streaming/remotecommand/exec.go)."""
    shown = f"error executing command [{' '.join(command)}], exit code {code}"
    status: dict[str, Any] = {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: {shown}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }
    return channel(ERROR, _encode(status))


def failed(doing: str, message: str) -> bytes:
    """That message when a container could not be followed to the end.

    Args:
        doing: `executing command in container` or `attaching to container`.
    """
    said = f"error {doing}: {message}"
    status = {
        "metadata": {},
        "status": "Failure",
        "message": f"Internal error occurred: {said}",
        "reason": "InternalError",
        "details": {"causes": [{"message": said}]},
        "code": 500,
    }
    return channel(ERROR, _encode(status))
