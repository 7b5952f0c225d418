"""What a node lets others see of its containers, and do in them: logs, exec, usage."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from emucluster.core.errors import BadRequest, InternalError
from emucluster.live.node.attaching import attach
from emucluster.live.node.pod_logs import LogQuery, stream_logs
from emucluster.live.node.usage import NodeUsage
from emucluster.live.pods.execs import ExecFailed, ExecRequest, ExecSession
from emucluster.live.pods.runtime import PodRuntime
from emucluster.live.rpc.pb import lab_pb2


class NodeInsides:
    """The containers of one node, for its Agent."""

    def __init__(self, runtime: PodRuntime) -> None:
        self._runtime = runtime
        self._usage = NodeUsage(runtime)

    def logs(self, request: Any) -> AsyncIterator[bytes]:
        """See `stream_logs`."""
        query = LogQuery(
            namespace=request.namespace,
            pod=request.pod,
            container=request.container,
            uid=request.uid,
            tail=request.tail if request.HasField("tail") and request.tail >= 0 else None,
            previous=request.previous,
            follow=request.follow,
            timestamps=request.timestamps,
            since_s=request.since_s if request.HasField("since_s") else None,
            limit_bytes=request.limit_bytes if request.HasField("limit_bytes") else None,
        )
        return stream_logs(self._runtime.logs, query, writer_of=self._runtime.writer_of)

    async def exec(self, requests: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
        """Run what the first request says; the others are its input. Raises ApiError.

        What cannot be executed is told after the start, as in Kubernetes, where a client is
        answered before the runtime tries.
        """
        requests = aiter(requests)
        first = await anext(requests, None)
        if first is None or first.WhichOneof("what") != "start":
            raise BadRequest("the first message must say what to start")
        start = first.start
        if start.check_only:
            require = self._runtime.require_process if start.attach else self._runtime.require_exec
            require(start.uid, start.container)
            yield lab_pb2.ExecOutput(started=True)
            return
        if start.attach:
            async with contextlib.aclosing(attach(self._runtime, start, requests)) as outputs:
                async for each in outputs:
                    yield each
            return
        asked = ExecRequest(
            tuple(start.command), start.stdin, start.stdout, start.stderr, start.tty
        )
        self._runtime.require_exec(start.uid, start.container)
        yield lab_pb2.ExecOutput(started=True)
        try:
            session = await self._runtime.exec(start.uid, start.container, asked)
        except OSError as error:
            raise InternalError(f"failed to exec in container: {error.strerror}") from None
        except ExecFailed as error:
            raise InternalError(f"failed to exec in container: {error}") from None
        feeding = asyncio.create_task(_feed(session, requests))
        try:
            async with contextlib.aclosing(session.output()) as output:
                async for stream, data in output:
                    if stream == "stdout":
                        yield lab_pb2.ExecOutput(stdout=data)
                    else:
                        yield lab_pb2.ExecOutput(stderr=data)
            yield lab_pb2.ExecOutput(exit_code=await session.exit_code())
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
            self._runtime.end_exec(session)

    async def usage(self) -> Any:
        """What the node's processes take now."""
        return await self._usage.report()


async def _feed(session: ExecSession, requests: AsyncIterator[Any]) -> None:
    async for request in requests:
        what = request.WhichOneof("what")
        if what == "stdin":
            await session.write(request.stdin)
        elif what == "end_of_stdin":
            session.end_of_stdin()
        elif what == "size":
            session.resize(request.size.width, request.size.height)
