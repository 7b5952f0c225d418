"""The container runtime of a node: carries out the kubelet's commands on its pods."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from emucluster.core.errors import EmuclusterError
from emucluster.core.kubelet.commands import (
    PodIdentity,
    RunHook,
    RuntimeCommand,
    SendProbe,
    SignalContainer,
    StartContainer,
    StopPod,
)
from emucluster.core.kubelet.events import (
    ContainerExited,
    ContainerStarted,
    HookFinished,
    ProbeFinished,
    RuntimeEvent,
)
from emucluster.live.pods.checks import Target, check
from emucluster.live.pods.logs import PodLogs
from emucluster.live.pods.source import find_source
from emucluster.live.pods.workload import Exit

ROTATE_EVERY_S = 5.0
LISTEN_DEADLINE_S = 30.0

Inside = Callable[[str], Mapping[str, str]]
"""Pod IP -> the variables that put a client in this pod inside the cluster."""


@dataclass(slots=True)
class RunningContainer:
    """One instance, from the command that starts it until its exit has been told."""

    command: StartContainer
    log: Path
    env: dict[str, str]
    source_dir: str
    pid: int = 0
    ports: Mapping[int, int] = field(default_factory=dict)

    @property
    def started(self) -> bool:
        return self.pid != 0


@dataclass(slots=True)
class RunningPod:
    """What the runtime knows of a pod: its live containers by name."""

    identity: PodIdentity
    containers: dict[str, RunningContainer] = field(default_factory=dict)
    frozen: bool = False


class PodRuntime(ABC):
    """What both packings share. `on_event` is told everything that happens.

    `directory` takes the pods' output and shipped code. `inside` gives the proxy variables of
    containers with code of the user's; without it they get none.
    """

    def __init__(self, directory: str | Path, *, inside: Inside | None = None) -> None:
        self.on_event: Callable[[RuntimeEvent], None] = lambda event: None
        self.logs = PodLogs(Path(directory) / "pods")
        self.source_cache = Path(directory) / "source"
        self.listen_deadline_s = LISTEN_DEADLINE_S
        self._inside = inside
        self._pods: dict[str, RunningPod] = {}
        self._real: dict[tuple[str, int], int] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._one_exited = asyncio.Event()

    # --- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Get ready for pods."""
        self._spawn(self._rotate())

    async def stop(self, grace_s: float) -> None:
        """SIGTERM to every container, SIGKILL to what is left after `grace_s`."""
        for pod in self._pods.values():
            for name, container in pod.containers.items():
                uid, container_id = pod.identity.uid, container.command.container_id
                self.perform(SignalContainer(uid, name, container_id, "TERM"))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                while self._is_busy():
                    self._one_exited.clear()
                    await self._one_exited.wait()
        await self.kill_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def perform(self, command: RuntimeCommand) -> None:
        """Begin what the kubelet asks; the outcome comes by `on_event`."""
        match command:
            case StartContainer():
                self._begin(command)
            case SignalContainer():
                if (found := self._find(command.pod_uid, command.container_id)) is not None:
                    self._signal(found[0], found[1], command)
            case StopPod():
                self._end_pod(command.pod_uid)
            case SendProbe():
                self._spawn(self._probe(command))
            case RunHook():
                self._spawn(self._hook(command))

    # --- what the node asks ---------------------------------------------------------------------

    def real_port(self, ip: str, port: int) -> int | None:
        """The port that a pod's process listens on for a container port; None for nobody."""
        return self._real.get((ip, port))

    def ip_of(self, pod_uid: str) -> str | None:
        """The address of a pod that runs or has run here and was not stopped."""
        pod = self._pods.get(pod_uid)
        return pod.identity.ip if pod is not None else None

    def condition_of(self, ip: str) -> Literal["running", "frozen", "stopped"]:
        """Whether the pod with this address does anything; stopped: no container of it runs."""
        found = [pod for pod in self._pods.values() if pod.identity.ip == ip and pod.containers]
        if not found:
            return "stopped"
        return "frozen" if any(pod.frozen for pod in found) else "running"

    def describe(self) -> list[dict[str, Any]]:
        """The pods as they are, for people and tests."""
        return [
            {
                "uid": uid,
                "namespace": pod.identity.namespace,
                "name": pod.identity.name,
                "ip": pod.identity.ip,
                "frozen": pod.frozen,
                "pid": self.pid_of(uid),
                "containers": {
                    name: {"pid": each.pid, "ports": {str(k): v for k, v in each.ports.items()}}
                    for name, each in pod.containers.items()
                },
            }
            for uid, pod in self._pods.items()
        ]

    def forget_logs(self, namespace: str, name: str, uid: str) -> None:
        """Remove a pod's output: its object is deleted. Till then `logs` shows what it wrote."""
        self.logs.remove(self.logs.directory(namespace, name, uid))

    # --- faults ---------------------------------------------------------------------------------

    async def freeze_all(self) -> None:
        """Stop every pod in its tracks."""
        for uid, pod in list(self._pods.items()):
            if pod.containers:
                await self.freeze(uid)

    async def thaw_all(self) -> None:
        """Let every pod go on as it was."""
        for uid in list(self._pods):
            await self.thaw(uid)

    async def kill_all(self) -> None:
        """The machine has gone down: end everything and forget it. No event tells of it."""
        pods, self._pods = self._pods, {}
        self._real.clear()
        for pod in pods.values():
            self._destroy(pod)

    @abstractmethod
    def pid_of(self, pod_uid: str) -> int | None:
        """The process that a pod runs in."""

    @abstractmethod
    async def crash(self, pod_uid: str) -> str:
        """End a pod's containers with SIGKILL; returns how. Raises `EmuclusterError`."""

    @abstractmethod
    async def freeze(self, pod_uid: str) -> str:
        """Make a pod accept and never answer; returns how. Raises `EmuclusterError`."""

    @abstractmethod
    async def thaw(self, pod_uid: str) -> None:
        """Undo `freeze`; does nothing to a pod that is gone or not frozen."""

    def _running(self, pod_uid: str) -> RunningPod:
        """A pod that has a container here. Raises `EmuclusterError`."""
        pod = self._pods.get(pod_uid)
        if pod is None or not pod.containers:
            raise EmuclusterError("the pod has no running container")
        return pod

    # --- what the packings differ in ------------------------------------------------------------

    @abstractmethod
    def _launch(self, pod: RunningPod, container: RunningContainer) -> None:
        """Start a container; `_started` or `_exited` follows."""

    @abstractmethod
    def _signal(
        self, pod: RunningPod, container: RunningContainer, command: SignalContainer
    ) -> None:
        """Signal a container."""

    @abstractmethod
    def _destroy(self, pod: RunningPod) -> None:
        """End what there is of a pod, now and silently."""

    # --- shared parts ---------------------------------------------------------------------------

    def _begin(self, command: StartContainer) -> None:
        identity, spec = command.pod, command.spec
        pod = self._pods.setdefault(identity.uid, RunningPod(identity))
        directory = self.logs.directory(identity.namespace, identity.name, identity.uid)
        env = dict(spec.env)
        if self._inside is not None and spec.image.kind != "echo":
            env = dict(self._inside(identity.ip)) | env
        container = RunningContainer(
            command=command,
            log=self.logs.open_new(directory, spec.name),
            env=env,
            source_dir=find_source(spec.source_dir, spec.source_digest, self.source_cache),
        )
        pod.containers[spec.name] = container
        self._launch(pod, container)

    def _end_pod(self, uid: str) -> None:
        pod = self._pods.pop(uid, None)
        if pod is None:
            return
        for container in pod.containers.values():
            self._unmap(pod, container)
        self._destroy(pod)

    def _started(
        self, pod: RunningPod, container: RunningContainer, pid: int, ports: Mapping[int, int]
    ) -> None:
        if not self._is_current(pod, container):
            return
        container.pid, container.ports = pid, ports
        for port, real in ports.items():
            self._real[pod.identity.ip, port] = real
        command = container.command
        self.on_event(
            ContainerStarted(
                pod.identity.uid,
                command.spec.name,
                command.container_id,
                pid,
                tuple(ports.items()),
            )
        )

    def _exited(self, pod: RunningPod, container: RunningContainer, ended: Exit) -> None:
        if not self._is_current(pod, container):
            return
        del pod.containers[container.command.spec.name]
        pod.frozen = pod.frozen and bool(pod.containers)  # what comes next starts afresh
        self._unmap(pod, container)
        self._one_exited.set()
        self.on_event(
            ContainerExited(
                pod.identity.uid,
                container.command.spec.name,
                container.command.container_id,
                ended.exit_code,
                ended.reason,
                ended.message,
                ended.signal,
            )
        )

    def _is_current(self, pod: RunningPod, container: RunningContainer) -> bool:
        known = self._pods.get(pod.identity.uid) is pod
        return known and pod.containers.get(container.command.spec.name) is container

    def _unmap(self, pod: RunningPod, container: RunningContainer) -> None:
        for port, real in container.ports.items():
            if self._real.get((pod.identity.ip, port)) == real:
                del self._real[pod.identity.ip, port]

    def _find(self, pod_uid: str, container_id: str) -> tuple[RunningPod, RunningContainer] | None:
        pod = self._pods.get(pod_uid)
        for container in pod.containers.values() if pod is not None else ():
            if pod is not None and container.command.container_id == container_id:
                return pod, container
        return None

    def _is_busy(self) -> bool:
        return any(pod.containers for pod in self._pods.values())

    def _target(self, pod_uid: str, container_id: str) -> Target | None:
        found = self._find(pod_uid, container_id)
        if found is None:
            return None
        pod, container = found
        return Target(pod.identity.ip, container.ports, container.env, container.source_dir)

    async def _probe(self, command: SendProbe) -> None:
        target = self._target(command.pod_uid, command.container_id)
        if target is None:
            return  # the container's exit has been told, and ends its probes
        outcome = await check(command.action, target, timeout_s=command.timeout_s)
        self.on_event(
            ProbeFinished(command.probe_id, command.pod_uid, outcome.result, outcome.message)
        )

    async def _hook(self, command: RunHook) -> None:
        target = self._target(command.pod_uid, command.container_id)
        if target is None:
            return
        outcome = await check(command.action, target, timeout_s=command.timeout_s)
        ok = outcome.result == "success"
        self.on_event(HookFinished(command.hook_id, command.pod_uid, ok, outcome.message))

    async def _rotate(self) -> None:
        while True:
            await asyncio.sleep(ROTATE_EVERY_S)
            self.logs.rotate()

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
