"""`attach`: what a container's own process writes from now on, and what it is given to read.

Source: containerd internal/cri/io/container_io.go (Attach).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any

from emucluster.live.node.pod_logs import POLL_S
from emucluster.live.pods.running import RunningContainer
from emucluster.live.pods.runtime import PodRuntime
from emucluster.live.pods.stdin import StdinWriter
from emucluster.live.rpc.pb import lab_pb2

_CHUNK = 32 * 1024


async def attach(
    runtime: PodRuntime, start: Any, requests: AsyncIterator[Any]
) -> AsyncGenerator[Any, None]:
    """Until the container ends; `requests` are its input, if `start` says that there is any.

    Both its streams come as one. The end of the input is the container's own if that says
    `stdinOnce`; if not, it is only the end of this. Input for a container that holds none open is
    dropped. Raises NotFound when it does not run, BadRequest when it has no process.
    """
    _, container = runtime.require_process(start.uid, start.container)
    input_ = _Input(container) if start.stdin else None
    feeding: asyncio.Task[None] | None = None
    try:
        with container.log.open("rb", buffering=0) as file:
            offset = os.fstat(file.fileno()).st_size
            yield lab_pb2.ExecOutput(started=True)
            if input_ is not None:
                feeding = asyncio.create_task(input_.feed(requests))
            over = False
            while not over:
                await asyncio.sleep(POLL_S)
                # Asked before what is written is read: nothing comes after the end.
                over = runtime.writer_of(container.log) is not container
                over = over or (input_ is not None and input_.ends_all)
                if os.fstat(file.fileno()).st_size < offset:  # rotated
                    offset = 0
                for data in _pieces(file.fileno(), offset):
                    offset += len(data)
                    yield lab_pb2.ExecOutput(stdout=data)
    finally:
        if feeding is not None:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
        if input_ is not None:
            input_.close()


def _pieces(fd: int, offset: int) -> Iterator[bytes]:
    while data := os.pread(fd, _CHUNK, offset):
        yield data
        offset += len(data)


class _Input:
    """What one client gives a container to read."""

    def __init__(self, container: RunningContainer) -> None:
        self._once = container.command.spec.stdin_once
        self._stdin = container.stdin
        self._writer: StdinWriter | None = self._stdin.attach() if self._stdin else None
        self._over = False

    @property
    def ends_all(self) -> bool:
        """Whether there is no more of it, and therefore no more output for this client."""
        return self._over and not self._once

    async def feed(self, requests: AsyncIterator[Any]) -> None:
        """Until its end is told."""
        async for request in requests:
            what = request.WhichOneof("what")
            if what == "stdin" and self._writer is not None:
                await self._writer.write(request.stdin)
            elif what == "end_of_stdin" and self._writer is not None:
                self._over = True
                self.close()

    def close(self) -> None:
        """No more comes; not while it is fed."""
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        if self._once and self._stdin is not None:
            self._stdin.close()
