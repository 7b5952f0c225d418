"""Runs the kubelet machine on real time: writes go to the API server, actions to the runtime."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import grpc.aio
import msgspec

from emucluster.core.errors import ApiError, NotFound, Unreachable, from_status
from emucluster.core.kubelet.commands import (
    ApiWrite,
    Command,
    FinishPodDeletion,
    ReadinessBecame,
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
from emucluster.live.metrics.kubelet import KubeletCounts
from emucluster.live.node.gathering import Gathering
from emucluster.live.rpc.channel import credentials
from emucluster.live.rpc.errors import translate
from emucluster.live.rpc.pb import api_pb2, api_pb2_grpc

log = logging.getLogger("emucluster.kubelet")

_encode = msgspec.json.Encoder().encode

WRITE_TIMEOUT_S = 10.0
DELETE_DEADLINE_S = 4.0
"""Below that of who injects the fault for which a pod is deleted."""

RunAction = Callable[[Any], None]
"""Carries out a command of the container runtime; its outcome comes back by `handle`."""

Report = RecordEvent | WritePodStatus
"""What a kubelet has most to say of, and says all together."""

OnReadiness = Callable[[ReadinessBecame], None]
"""Told what the kubelet holds of a pod's readiness, each time that it changes."""


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
        on_readiness: OnReadiness = lambda change: None,
    ) -> None:
        self._kubelet = kubelet
        self._node_name = node_name
        self._stub = api_pb2_grpc.ApiStub(channel)
        self._metadata = credentials(token)
        self._run_action = run_action
        self._on_readiness = on_readiness
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._reports: Gathering[Report] = Gathering(self._report, self._spawn)
        self._halted = True
        self._waiting: list[Callable[[], Sequence[Command]]] = []
        self._epoch = 0
        self.counts = KubeletCounts()
        self.on_reboot: Callable[[], None] = lambda: None
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
        self._reports.forget()
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
        self.counts.restarted()
        self.on_reboot()
        self._perform(self._kubelet.reboot(now_s(), stamp()))
        self.wake()

    async def stop(self) -> None:
        """End timers and writes."""
        self.halt()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def delete_by_force(self, namespace: str, name: str, uid: str) -> None:
        """Delete a Pod in the API without a grace period. Raises EmuclusterError."""
        try:
            async with asyncio.timeout(DELETE_DEADLINE_S):
                await self._send(FinishPodDeletion(namespace, name, uid))
        except TimeoutError:
            raise Unreachable("the control plane does not answer") from None
        except grpc.aio.AioRpcError as error:
            unreachable = Unreachable(f"the control plane does not answer: {error.details()}")
            raise translate(error) or unreachable from error

    def take_pods(self, pods: Sequence[Pod]) -> None:
        """All pods of this node, as a watch begins with them."""
        for pod in pods:
            self.counts.seen(pod, now_s())
        self._feed(lambda: self._kubelet.handle_pod_list(pods, now_s(), stamp()))

    def take_object(self, type_: ObjectEvent, obj: Object) -> None:
        """A change seen by the informer."""
        if isinstance(obj, Pod):
            self.counts.seen(obj, now_s())
            self._feed(lambda: self._kubelet.handle_pod(type_, obj, now_s(), stamp()))
        else:
            self._feed(lambda: self._kubelet.handle_object(type_, obj, now_s(), stamp()))

    def handle(self, event: KubeletEvent) -> None:
        """Something happened to a container, probe or hook."""
        self.counts.heard(event, now_s())
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
        for command in commands:
            if isinstance(command, RecordEvent):
                self._reports.put(command)
                continue
            if isinstance(command, ReadinessBecame):
                self._on_readiness(command)
                continue
            self.counts.asked(command, now_s())
            if isinstance(command, WritePodStatus):
                self._reports.put(command)
            elif isinstance(command, ApiWrite):
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
            event = _failed(command, translate(error) or error)
        except ApiError as error:
            event = _failed(command, error)
        if epoch == self._epoch:
            self.handle(event)

    async def _send(self, command: ApiWrite) -> None:
        match command:
            case RenewLease(node_name=name, lease_duration_s=duration_s):
                request = api_pb2.HeartbeatRequest(node_name=name, lease_duration_s=duration_s)
                await self._call(self._stub.Heartbeat, request)
            case WriteNodeStatus(node=node):
                await self._write_node_status(node)
            case RegisterNode(node=node):
                await self._register(node)
            case FinishPodDeletion(namespace=namespace, name=name, uid=uid):
                deletion = api_pb2.DeleteRequest(
                    kind="Pod", namespace=namespace, name=name, uid=uid, grace_period_s=0
                )
                await self._call(self._stub.Delete, deletion)

    async def _write_node_status(self, node: Node) -> None:
        ref = api_pb2.ObjectRef(kind="Node", name=node.metadata.name)
        current = codec.decode_json((await self._call(self._stub.Get, ref)).json)
        assert isinstance(current, Node)
        # Optimistic; a conflict is retried by the kubelet, on fresh data.
        changed = codec.encode_json(replace(current, status=node.status))
        await self._call(self._stub.UpdateStatus, api_pb2.WriteRequest(json=changed))

    async def _register(self, node: Node) -> None:
        try:
            request = api_pb2.WriteRequest(json=codec.encode_json(node))
            await self._call(self._stub.Create, request)
        except grpc.aio.AioRpcError as error:
            cause = translate(error)
            if not isinstance(cause, ApiError) or cause.reason != "AlreadyExists":
                raise
            await self._write_node_status(node)

    async def _report(self, said: Sequence[Report]) -> None:
        """Everything in one call. What fails for a status fails for it alone."""
        epoch = self._epoch
        notes = [each for each in said if isinstance(each, RecordEvent)]
        statuses = [each for each in said if isinstance(each, WritePodStatus)]
        request = api_pb2.ReportRequest(
            notes=[_note(each, self._node_name) for each in notes],
            statuses=[_status(each) for each in statuses],
        )
        events: list[KubeletEvent]
        try:
            refusals = (await self._call(self._stub.Report, request)).refusals
            events = [
                _failed(each, from_status(refusal)) if refusal else Wrote(each)
                for each, refusal in zip(statuses, refusals, strict=True)
            ]
        except grpc.aio.AioRpcError as error:
            if notes:
                log.info("events lost: %s", error.code())
            events = [_failed(each, translate(error) or error) for each in statuses]
        for event in events:
            if epoch == self._epoch:
                self.handle(event)

    async def _call(self, method: Any, request: Any) -> Any:
        return await method(request, metadata=self._metadata, timeout=WRITE_TIMEOUT_S)


def _failed(command: ApiWrite, error: Exception) -> WriteFailed:
    """The write that did not come about, in the words of whoever refused it."""
    text = str(error)
    if isinstance(error, grpc.aio.AioRpcError):
        text = error.details() or str(error.code())
    return WriteFailed(command, text, isinstance(error, NotFound))


def _note(note: RecordEvent, node_name: str) -> api_pb2.EventNote:
    return api_pb2.EventNote(
        kind=note.kind,
        namespace=note.namespace,
        name=note.name,
        uid=note.uid,
        type=note.type,
        reason=note.reason,
        message=note.message,
        component="kubelet",
        host=node_name,
        field_path=note.field_path,
    )


def _status(command: WritePodStatus) -> api_pb2.PodStatusWrite:
    return api_pb2.PodStatusWrite(
        namespace=command.namespace,
        name=command.name,
        uid=command.uid,
        json=_encode(command.status),
    )
