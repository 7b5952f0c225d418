"""Runs the kubelet machine on real time: writes go to the API server, actions to the runtime."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import grpc.aio

from emucluster.core.errors import ApiError, NotFound
from emucluster.core.kubelet.commands import (
    ApiWrite,
    Command,
    FinishPodDeletion,
    RecordEvent,
    RegisterNode,
    RenewLease,
    WriteNodeStatus,
    WritePodStatus,
)
from emucluster.core.kubelet.events import KubeletEvent, WriteFailed, Wrote
from emucluster.core.kubelet.kubelet import Kubelet, ObjectEvent
from emucluster.core.objects import Node, Object, Pod, codec, replace
from emucluster.live.clock import now_s, stamp
from emucluster.live.rpc.channel import credentials
from emucluster.live.rpc.errors import translate
from emucluster.live.rpc.pb import api_pb2, api_pb2_grpc

log = logging.getLogger("emucluster.kubelet")

WRITE_TIMEOUT_S = 10.0

RunAction = Callable[[Any], None]
"""Carries out a command of the container runtime; its outcome comes back by `handle`."""


class KubeletDriver:
    """Feeds the kubelet with events and time, and carries out what it returns.

    While halted (the machine is silent, frozen or off) nothing is fed and nothing is sent;
    what happened meanwhile waits.
    """

    def __init__(
        self,
        kubelet: Kubelet,
        channel: grpc.aio.Channel,
        token: str,
        *,
        node_name: str,
        run_action: RunAction,
    ) -> None:
        self._kubelet = kubelet
        self._node_name = node_name
        self._stub = api_pb2_grpc.ApiStub(channel)
        self._metadata = credentials(token)
        self._run_action = run_action
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._halted = True
        self._waiting: list[Callable[[], Sequence[Command]]] = []
        self._epoch = 0
        self.registered = asyncio.Event()
        """Set once the API server has this Node."""

    def start(self) -> None:
        """Begin: register the node, renew the lease; pods run once they are listed."""
        self._halted = False
        self._feed(lambda: self._kubelet.start(now_s(), stamp()))

    def halt(self) -> None:
        """Stop feeding and sending; answers to what is under way are not taken either."""
        self._halted = True
        self._epoch += 1
        self._cancel_timer()

    def go_on(self) -> None:
        """After a freeze: take what waited, in order."""
        self._halted = False
        waiting, self._waiting = self._waiting, []
        self._perform(self._kubelet.resume(now_s(), stamp()))
        for step in waiting:
            self._perform(step())
        self.wake()

    def reboot(self) -> None:
        """After loss of power: what waited is lost, containers are gone, pods start again."""
        self._halted = False
        self._waiting.clear()
        self._perform(self._kubelet.reboot(now_s(), stamp()))
        self.wake()

    async def stop(self) -> None:
        """End timers and writes."""
        self.halt()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def take_pods(self, pods: Sequence[Pod]) -> None:
        """All pods of this node, as a watch begins with them."""
        self._feed(lambda: self._kubelet.handle_pod_list(pods, now_s(), stamp()))

    def take_object(self, type_: ObjectEvent, obj: Object) -> None:
        """A change seen by the informer."""
        if isinstance(obj, Pod):
            self._feed(lambda: self._kubelet.handle_pod(type_, obj, now_s(), stamp()))
        else:
            self._feed(lambda: self._kubelet.handle_object(type_, obj, now_s(), stamp()))

    def handle(self, event: KubeletEvent) -> None:
        """Something happened to a container, probe or hook."""
        self._feed(lambda: self._kubelet.handle(event, now_s(), stamp()))

    def wake(self) -> None:
        """Let the kubelet do what is due."""
        if not self._halted:
            self._perform(self._kubelet.wake(now_s(), stamp()))
            self._arm()

    def _feed(self, step: Callable[[], Sequence[Command]]) -> None:
        if self._halted:
            self._waiting.append(step)
            return
        self._perform(step())
        self._arm()

    def _arm(self) -> None:
        self._cancel_timer()
        wake_s = self._kubelet.next_wake_s()
        if wake_s is not None and not self._halted:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.001, wake_s - now_s()), self.wake)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _perform(self, commands: Sequence[Command]) -> None:
        notes = [command for command in commands if isinstance(command, RecordEvent)]
        if notes:
            self._spawn(self._record(notes))
        for command in commands:
            if isinstance(command, RecordEvent):
                continue
            if isinstance(command, ApiWrite):
                self._spawn(self._write(command))
            else:
                self._run_action(command)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write(self, command: ApiWrite) -> None:
        epoch = self._epoch
        event: KubeletEvent
        try:
            await self._send(command)
            event = Wrote(command)
            if isinstance(command, RegisterNode):
                self.registered.set()
        except grpc.aio.AioRpcError as error:
            cause = translate(error)
            event = WriteFailed(
                command, str(cause or error.details() or error.code()), isinstance(cause, NotFound)
            )
        except ApiError as error:
            event = WriteFailed(command, str(error), isinstance(error, NotFound))
        if epoch == self._epoch:
            self.handle(event)

    async def _send(self, command: ApiWrite) -> None:
        match command:
            case RenewLease(node_name=name, lease_duration_s=duration_s):
                request = api_pb2.HeartbeatRequest(node_name=name, lease_duration_s=duration_s)
                await self._call(self._stub.Heartbeat, request)
            case WritePodStatus():
                await self._write_pod_status(command)
            case WriteNodeStatus(node=node):
                await self._write_node_status(node)
            case RegisterNode(node=node):
                await self._register(node)
            case FinishPodDeletion(namespace=namespace, name=name, uid=uid):
                deletion = api_pb2.DeleteRequest(
                    kind="Pod", namespace=namespace, name=name, uid=uid, grace_period_s=0
                )
                await self._call(self._stub.Delete, deletion)

    async def _write_pod_status(self, command: WritePodStatus) -> None:
        ref = api_pb2.ObjectRef(kind="Pod", namespace=command.namespace, name=command.name)
        pod = codec.decode_json((await self._call(self._stub.Get, ref)).json)
        if not isinstance(pod, Pod) or pod.metadata.uid != command.uid:
            raise NotFound.of("pods", command.name)
        status = replace(command.status, conditions=_merged(pod, command))
        await self._update_status(replace(pod, status=status))

    async def _write_node_status(self, node: Node) -> None:
        ref = api_pb2.ObjectRef(kind="Node", name=node.metadata.name)
        current = codec.decode_json((await self._call(self._stub.Get, ref)).json)
        assert isinstance(current, Node)
        await self._update_status(replace(current, status=node.status))

    async def _update_status(self, obj: Object) -> None:
        """Optimistic; a conflict is retried by the kubelet, on fresh data."""
        request = api_pb2.WriteRequest(json=codec.encode_json(obj))
        await self._call(self._stub.UpdateStatus, request)

    async def _register(self, node: Node) -> None:
        try:
            request = api_pb2.WriteRequest(json=codec.encode_json(node))
            await self._call(self._stub.Create, request)
        except grpc.aio.AioRpcError as error:
            cause = translate(error)
            if not isinstance(cause, ApiError) or cause.reason != "AlreadyExists":
                raise
            await self._write_node_status(node)

    async def _record(self, notes: Sequence[RecordEvent]) -> None:
        request = api_pb2.RecordRequest(
            notes=[
                api_pb2.EventNote(
                    kind=note.kind,
                    namespace=note.namespace,
                    name=note.name,
                    uid=note.uid,
                    type=note.type,
                    reason=note.reason,
                    message=note.message,
                    component="kubelet",
                    host=self._node_name,
                )
                for note in notes
            ]
        )
        try:
            await self._call(self._stub.Record, request)
        except grpc.aio.AioRpcError as error:
            log.info("events lost: %s", error.code())

    async def _call(self, method: Any, request: Any) -> Any:
        return await method(request, metadata=self._metadata, timeout=WRITE_TIMEOUT_S)


def _merged(pod: Pod, command: WritePodStatus) -> Any:
    """Conditions of others (such as DisruptionTarget) stay; the kubelet's own are replaced."""
    own = {condition.type for condition in command.status.conditions}
    kept = tuple(c for c in pod.status.conditions if c.type not in own) if pod.status else ()
    return (*command.status.conditions, *kept)
