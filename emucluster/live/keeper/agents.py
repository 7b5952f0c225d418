"""Calls to the machines' own services: `Agent`, and `Api` for where a pod is."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
import grpc.aio

from emucluster.core.errors import EmuclusterError, NotFound, Unreachable
from emucluster.live.network.looking import TOTAL_S
from emucluster.live.rpc.channel import connect_aio, credentials
from emucluster.live.rpc.errors import translate
from emucluster.live.rpc.pb import api_pb2, api_pb2_grpc, lab_pb2, lab_pb2_grpc

DEADLINE_S = 5.0
GATHER_DEADLINE_S = 2.0


class Agents:
    """One channel per address, opened on first use."""

    def __init__(self, token: str) -> None:
        self._metadata = credentials(token)
        self._channels: dict[str, grpc.aio.Channel] = {}

    def stub(self, address: str) -> Any:
        return lab_pb2_grpc.AgentStub(self._channel(address))

    def _channel(self, address: str) -> grpc.aio.Channel:
        channel = self._channels.get(address)
        if channel is None:
            channel = self._channels[address] = connect_aio(address)
        return channel

    async def call(self, address: str, method: str, request: Any, *, who: str) -> Any:
        """One unary call to the `Agent` at `address`; errors come out as the agent's own."""
        return await self._unary(getattr(self.stub(address), method), request, who)

    async def _unary(self, method: Any, request: Any, who: str) -> Any:
        try:
            return await method(
                request,
                metadata=self._metadata,
                timeout=DEADLINE_S,
                # Of a process that has just been started again the channel still believes that
                # it refuses, until its back-off ends.
                wait_for_ready=True,
            )
        except grpc.aio.AioRpcError as error:
            raise own_error(error, who) from error

    async def pod(self, api: str, namespace: str, name: str) -> dict[str, Any]:
        """A pod as the API server has it. Raises `NotFound`, or `Unreachable` if it is down."""
        stub = api_pb2_grpc.ApiStub(self._channel(api))
        ref = api_pb2.ObjectRef(kind="Pod", namespace=namespace, name=name)
        found = await self._unary(stub.Get, ref, "control-plane")
        pod: dict[str, Any] = json.loads(found.json)
        return pod

    async def create(self, api: str, obj: dict[str, Any]) -> dict[str, Any]:
        """Create an object and return it as it then is. Raises ApiError, Unreachable."""
        stub = api_pb2_grpc.ApiStub(self._channel(api))
        request = api_pb2.WriteRequest(json=json.dumps(obj).encode())
        made: dict[str, Any] = json.loads(
            (await self._unary(stub.Create, request, "control-plane")).json
        )
        return made

    async def delete(self, api: str, kind: str, namespace: str, name: str) -> None:
        """Delete an object. Raises NotFound, Unreachable."""
        stub = api_pb2_grpc.ApiStub(self._channel(api))
        request = api_pb2.DeleteRequest(kind=kind, namespace=namespace, name=name)
        await self._unary(stub.Delete, request, "control-plane")

    async def logs(self, address: str, request: Any, *, who: str) -> AsyncIterator[Any]:
        """The chunks of a pod's log, as its node sends them."""
        call = self.stub(address).Logs(request, metadata=self._metadata)
        try:
            async for chunk in call:
                yield chunk
        except grpc.aio.AioRpcError as error:
            raise own_error(error, who) from error
        finally:
            call.cancel()

    async def probe(self, address: str, request: Any, *, who: str) -> Any:
        """Have a machine look at another; as long as its looks may take."""
        limit_s = DEADLINE_S + TOTAL_S + request.timeout_s
        try:
            return await self.stub(address).Probe(request, metadata=self._metadata, timeout=limit_s)
        except grpc.aio.AioRpcError as error:
            raise own_error(error, who) from error

    async def observe(self, address: str) -> AsyncIterator[Any]:
        """What a machine observes. Ends with AioRpcError when it does not answer any more."""
        call = self.stub(address).Observe(
            lab_pb2.ObserveRequest(), metadata=self._metadata, wait_for_ready=True
        )
        try:
            async for batch in call:
                yield batch
        finally:
            call.cancel()

    async def gather(
        self, machines: Iterable[tuple[str, str]], method: str, request: Any
    ) -> tuple[list[Any], list[str]]:
        """Ask all (name, address) at once: the replies, and the names of those that were silent."""

        async def ask(name: str, address: str) -> tuple[str, Any]:
            call = getattr(self.stub(address), method)
            try:
                return name, await call(
                    request,
                    metadata=self._metadata,
                    timeout=GATHER_DEADLINE_S,
                    wait_for_ready=True,
                )
            except grpc.aio.AioRpcError:
                return name, None

        answers = await asyncio.gather(*(ask(name, address) for name, address in machines))
        replies = [reply for _, reply in answers if reply is not None]
        return replies, [name for name, reply in answers if reply is None]

    async def close(self) -> None:
        channels, self._channels = list(self._channels.values()), {}
        await asyncio.gather(*(channel.close(None) for channel in channels))


def own_error(error: grpc.aio.AioRpcError, who: str) -> EmuclusterError:
    """What an agent answered; or that it did not."""
    carried = translate(error)
    if carried is not None:
        return carried
    code, details = error.code(), error.details() or error.code().name
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        return Unreachable(f"{who} does not answer: {details}")
    if code is grpc.StatusCode.NOT_FOUND:
        return NotFound(details)
    return EmuclusterError(f"{who}: {details}")
