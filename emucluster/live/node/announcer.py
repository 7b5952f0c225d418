"""Writes into the node's own Node where it is reached from other machines."""

import asyncio
import logging
import random
from collections.abc import Mapping
from typing import Any

import grpc
import grpc.aio

from emucluster.core.objects import Node, codec, replace
from emucluster.live.rpc.channel import credentials
from emucluster.live.rpc.pb import api_pb2, api_pb2_grpc

log = logging.getLogger("emucluster.announcer")

WRITE_TIMEOUT_S = 10.0
RETRY_S = 0.3


class Announcer:
    """Keeps annotations of one Node as `announce` last said; others' are left alone.

    It waits for the Node to be registered, and writes again when somebody took them away. While
    halted, as long as the machine is silent or off, nothing is written.
    """

    def __init__(
        self, channel: grpc.aio.Channel, token: str, node_name: str, *, rng: random.Random
    ) -> None:
        self._stub = api_pb2_grpc.ApiStub(channel)
        self._metadata = credentials(token)
        self._node_name = node_name
        self._rng = rng
        self._wanted: dict[str, str] = {}
        self._known: Mapping[str, str] | None = None
        self._halted = False
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write, in a task of its own."""
        self._task = asyncio.create_task(self._run(), name="announcer")

    async def stop(self) -> None:
        """Write no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def halt(self, halted: bool) -> None:
        """Stop writing, or go on."""
        self._halted = halted
        self._changed.set()

    def announce(self, annotation: str, text: str) -> None:
        """What the annotation is to be from now on."""
        self._wanted[annotation] = text
        self._changed.set()

    def take(self, node: Node) -> None:
        """The own Node, as the API server has it now."""
        if node.metadata.name == self._node_name:
            self._known = node.metadata.annotations or {}
            self._changed.set()

    @property
    def _due(self) -> bool:
        known = self._known
        if self._halted or known is None:
            return False
        return any(known.get(key) != text for key, text in self._wanted.items())

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._due:
                try:
                    await self._write()
                except grpc.aio.AioRpcError as error:
                    log.info("not announced yet: %s", error.code())
                    await asyncio.sleep(RETRY_S * self._rng.uniform(0.5, 1.5))

    async def _write(self) -> None:
        """Optimistic: a conflict raises, and is tried again on fresh data."""
        ref = api_pb2.ObjectRef(kind="Node", name=self._node_name)
        found = codec.decode_json((await self._call(self._stub.Get, ref)).json)
        assert isinstance(found, Node)
        wanted = {**(found.metadata.annotations or {}), **self._wanted}
        node = replace(found, metadata=replace(found.metadata, annotations=wanted))
        await self._call(self._stub.Update, api_pb2.WriteRequest(json=codec.encode_json(node)))
        self._known = wanted

    async def _call(self, method: Any, request: Any) -> Any:
        return await method(request, metadata=self._metadata, timeout=WRITE_TIMEOUT_S)
