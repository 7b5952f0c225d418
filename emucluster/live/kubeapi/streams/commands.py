"""The `exec` and `attach` subresources of pods, over WebSockets.

Source: kubernetes pkg/registry/core/pod/rest/subresources.go and
pkg/kubelet/cri/streaming/remotecommand.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

import grpc.aio
import msgspec

from emucluster.core.errors import BadRequest, InternalError, NotFound
from emucluster.core.kubelet.image import parse_image
from emucluster.core.objects import Pod
from emucluster.live.kubeapi.api import KubeApi
from emucluster.live.kubeapi.request import Answer, Request
from emucluster.live.rpc.pb import lab_pb2

from . import channels
from .channels import V4, V5, Gone, WebSocket
from .pods import container_of, is_running, node_of, pod_of
from .ways import AgentCalls

_QUEUED_MAX = 256
"""Messages of standard input that wait for the process; kubectl's have up to 32 KiB."""
_STALLED_S = 300.0
"""So long a process may leave its input alone: meanwhile it is not seen that the client goes."""


async def exec_(api: KubeApi, request: Request) -> Answer | None:
    """A process in a container; its exit code comes last, on the error channel."""
    pod = pod_of(api, request)
    query = request.query
    tty = bool(query.flag("tty"))
    start = lab_pb2.ExecStart(
        container=container_of(pod, query.text("container")),
        command=query.all("command"),
        stdin=bool(query.flag("stdin")),
        stdout=query.flag("stdout") is not False,
        stderr=query.flag("stderr") is not False and not tty,
        tty=tty,
    )
    if not start.command:
        node_of(api, pod)
        raise BadRequest("you must specify at least one command for the container")
    await _streamed(api, request, pod, start)
    return None


async def attach(api: KubeApi, request: Request) -> Answer | None:
    """What a container's own process writes from now on, and what it reads if it has `stdin`."""
    pod = pod_of(api, request)
    start = lab_pb2.ExecStart(
        container=container_of(pod, request.query.text("container")),
        stdin=bool(request.query.flag("stdin")),
        attach=True,
    )
    await _streamed(api, request, pod, start)
    return None


async def _streamed(api: KubeApi, request: Request, pod: Pod, start: Any) -> None:
    """The streams of a process, between the client and the node."""
    node = node_of(api, pod)
    _has_processes(pod, start.container)
    start.namespace, start.pod, start.uid = (
        pod.metadata.namespace,
        pod.metadata.name,
        pod.metadata.uid,
    )
    protocol = channels.chosen_protocol(request, (V5, V4)) if request.websocket else ""
    # A client whose WebSocket was refused comes again by SPDY: it is to be told why.
    start.check_only = not request.websocket
    async with api.ways.agent(node) as agent:
        inputs: asyncio.Queue[Any] = asyncio.Queue(_QUEUED_MAX)
        await inputs.put(lab_pb2.ExecInput(start=start))
        call = agent.stub.Exec(_drained(inputs), metadata=agent.metadata)
        try:
            outputs = aiter(call)
            await _started(agent, outputs, start.container)
            if not request.websocket:
                raise no_websocket(request)
            socket = await WebSocket.accept(request, protocol)
            await _while_connected(_feed(socket, inputs), _show(socket, agent, outputs, start))
        finally:
            call.cancel()


def _has_processes(pod: Pod, container: str) -> None:
    """Raises BadRequest for what emucluster itself serves, InternalError for what does not run."""
    if not is_running(pod, container):
        raise InternalError(f'unable to upgrade connection: container not found ("{container}")')
    spec = pod.spec
    found = next(
        each for each in (*spec.init_containers, *spec.containers) if each.name == container
    )
    if parse_image(found.image or "", stand_in=True).kind != "command":
        raise BadRequest(
            f"container {container} of pod {pod.metadata.name} has no processes of its own: it is "
            f"{found.image}, served by emucluster itself; exec and attach are for command: images"
        )


def no_websocket(request: Request) -> BadRequest:
    """What is said to a request that is not the opening of a WebSocket."""
    if "spdy" in request.headers.get("upgrade", "").lower():
        return BadRequest(
            "streams by SPDY are not served: use a client that speaks WebSockets, as kubectl does "
            "from 1.31 on"
        )
    return BadRequest("Upgrade request required")


async def _started(agent: AgentCalls, outputs: Any, container: str) -> None:
    """Return once the process runs. Raises ApiError when it does not."""
    try:
        await agent.ask(anext(outputs))
    except NotFound:
        text = f'unable to upgrade connection: container not found ("{container}")'
        raise InternalError(text) from None


async def _drained(queue: asyncio.Queue[Any]) -> AsyncGenerator[Any, None]:
    while True:
        yield await queue.get()


async def _feed(socket: WebSocket, inputs: asyncio.Queue[Any]) -> None:
    """What the client sends, to the process; returns when the client goes."""
    async for message in socket.messages():
        asked = _input(message)
        if asked is None:
            continue
        try:
            await asyncio.wait_for(inputs.put(asked), _STALLED_S)
        except TimeoutError:
            return


def _input(message: bytes) -> Any:
    """What a message asks for; None for nothing."""
    number, data = (message[0], message[1:]) if message else (-1, b"")
    if number == channels.STDIN and data:
        return lab_pb2.ExecInput(stdin=data)
    if number == channels.CLOSE and data == bytes((channels.STDIN,)):
        return lab_pb2.ExecInput(end_of_stdin=True)
    if number == channels.RESIZE:
        with contextlib.suppress(msgspec.MsgspecError, ValueError):
            size = msgspec.json.decode(data, type=dict[str, int])
            width, height = size.get("Width", 0), size.get("Height", 0)
            return lab_pb2.ExecInput(size=lab_pb2.TerminalSize(width=width, height=height))
    return None


async def _show(socket: WebSocket, agent: AgentCalls, outputs: Any, start: Any) -> None:
    """What the process writes, to the client, and how it ended."""
    await socket.send(channels.channel(channels.STDOUT, b""))  # as upstream: we are connected
    try:
        async for output in outputs:
            what = output.WhichOneof("what")
            if what == "stdout":
                await socket.send(channels.channel(channels.STDOUT, output.stdout))
            elif what == "stderr":
                await socket.send(channels.channel(channels.STDERR, output.stderr))
            elif what == "exit_code":
                code = output.exit_code
                ended = channels.exited(tuple(start.command), code) if code else channels.success()
                await socket.send(ended)
        if start.attach:  # how the container ended is in its status
            await socket.send(channels.success())
    except grpc.aio.AioRpcError as error:
        doing = "attaching to container" if start.attach else "executing command in container"
        await socket.send(channels.failed(doing, str(agent.error(error))))
    await socket.close()


async def _while_connected(
    listening: Coroutine[Any, Any, None], telling: Coroutine[Any, Any, None]
) -> None:
    """Until all is told, or the client goes."""
    tasks = [asyncio.create_task(listening), asyncio.create_task(telling)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        with contextlib.suppress(Gone):
            for task in done:
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
