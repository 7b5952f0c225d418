"""The container runtime of a node: carries out the kubelet's commands on its pods."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Literal

from emucluster.core.errors import BadRequest, EmuclusterError, NotFound, ServiceUnavailable
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
    ContainerNotListening,
    ContainerStarted,
    HookFinished,
    ProbeFinished,
    RuntimeEvent,
)
from emucluster.live.pods import listening
from emucluster.live.pods.checks import Outcome, Target, check
from emucluster.live.pods.container_execs import ContainerExecs
from emucluster.live.pods.execs import ExecRequest, ExecSession
from emucluster.live.pods.fault_book import FaultBook
from emucluster.live.pods.logs import PodLogs
from emucluster.live.pods.running import RunningContainer, RunningPod
from emucluster.live.pods.source import find_source
from emucluster.live.pods.stdin import ContainerStdin
from emucluster.live.pods.workload import Exit

ROTATE_EVERY_S = 5.0
LISTEN_DEADLINE_S = 30.0
"""For a servicer to be made; and after it a command is told where it should listen."""

Inside = Callable[[str], Mapping[str, str]]
"""Pod IP -> the variables that put a client in this pod inside the cluster."""


class PodRuntime(ABC):
    """What both packings share. `on_event` is told everything that happens.

    `directory` takes the pods' output and shipped code. `inside` gives the proxy variables of
    containers with code of the user's; without it they get none.
    """

    def __init__(self, directory: str | Path, *, inside: Inside | None = None) -> None:
        self.on_event: Callable[[RuntimeEvent], None] = lambda event: None
        self.on_life: Callable[[str], None] = lambda uid: None
        """Called with a pod's uid when its containers came, started or ended."""
        self.faults = FaultBook()
        self.logs = PodLogs(Path(directory) / "pods")
        self.source_cache = Path(directory) / "source"
        self.listen_deadline_s = LISTEN_DEADLINE_S
        self._inside = inside
        self._pods: dict[str, RunningPod] = {}
        self._execs = ContainerExecs()
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
        self.logs.times.close()
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

    def pods(self) -> list[tuple[str, RunningPod]]:
        """All pods by uid, as they are now."""
        return list(self._pods.items())

    def ip_of(self, pod_uid: str) -> str | None:
        """The address of a pod that runs or has run here and was not stopped."""
        pod = self._pods.get(pod_uid)
        return pod.identity.ip if pod is not None else None

    def identity_of(self, pod_uid: str) -> PodIdentity | None:
        """Who a pod is that runs or has run here and was not stopped."""
        pod = self._pods.get(pod_uid)
        return pod.identity if pod is not None else None

    def condition_of(self, ip: str) -> Literal["running", "frozen", "stopped"]:
        """Whether the pod with this address does anything; stopped: no container of it runs."""
        found = [pod for pod in self._pods.values() if pod.identity.ip == ip and pod.containers]
        if not found:
            return "stopped"
        return "frozen" if any(pod.frozen for pod in found) else "running"

    def serving_containers(self, pod_uid: str) -> frozenset[str]:
        """Names of the containers of a pod that do what they are for: servers listen."""
        pod = self._pods.get(pod_uid)
        containers = pod.containers.items() if pod is not None else ()
        return frozenset(name for name, container in containers if container.serves)

    def has_containers(self, pod_uid: str) -> bool:
        """Whether there is anything of a pod here, be it only about to start."""
        pod = self._pods.get(pod_uid)
        return pod is not None and bool(pod.containers)

    def is_frozen(self, pod_uid: str) -> bool:
        """Whether a pod is stopped in its tracks."""
        pod = self._pods.get(pod_uid)
        return pod is not None and pod.frozen

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

    def writer_of(self, log: Path) -> RunningContainer | None:
        """Who writes into a log file now; None once that instance of its container has ended."""
        uid = log.parent.name.rpartition("_")[2]
        pod = self._pods.get(uid)
        containers = pod.containers.values() if pod is not None else ()
        return next((each for each in containers if each.log == log), None)

    def require_exec(self, pod_uid: str, container: str) -> tuple[RunningPod, RunningContainer]:
        """A container that has processes of its own, with its pod.

        Raises as `require_process` does, and ServiceUnavailable when the pod is stopped in its
        tracks.
        """
        pod, found = self.require_process(pod_uid, container)
        if pod.frozen:
            raise ServiceUnavailable(f"cannot exec in a paused container: {container}")
        return pod, found

    def require_process(self, pod_uid: str, container: str) -> tuple[RunningPod, RunningContainer]:
        """A container with a process of its own, which runs, and its pod.

        Raises NotFound when it does not run, BadRequest when it is no command.
        """
        pod = self._pods.get(pod_uid)
        found = pod.containers.get(container) if pod is not None else None
        if pod is None or found is None or not found.started:
            raise NotFound(f'container not found ("{container}")')
        image = found.command.spec.image
        if image.kind != "command":
            raise BadRequest(
                f"container {container} of pod {pod.identity.name} has no processes of its own: it "
                f"is {image.name}, served by emucluster itself"
            )
        return pod, found

    async def exec(self, pod_uid: str, container: str, request: ExecRequest) -> ExecSession:
        """Start a process in a container; end it by `end_exec`. Raises as `require_exec` does."""
        pod, found = self.require_exec(pod_uid, container)
        return await self._execs.start(found, request, wanted=lambda: self._is_current(pod, found))

    def end_exec(self, session: ExecSession) -> None:
        """End a process that `exec` started, if it still runs, and forget it."""
        self._execs.end(session)

    def exec_pids(self, container_id: str) -> list[int]:
        """What `exec` has started in a container and not ended yet."""
        return self._execs.pids(container_id)

    def _signal_execs(self, container: RunningContainer, number: signal.Signals) -> None:
        self._execs.signal(container.command.container_id, number)

    # --- faults ---------------------------------------------------------------------------------

    async def freeze_all(self) -> None:
        """Stop every pod in its tracks."""
        for uid, pod in list(self._pods.items()):
            if pod.containers:
                await self.freeze(uid)

    async def thaw_all(self) -> None:
        """Let every pod go on as it was, but for those that a fault of their own keeps stopped."""
        for uid, pod in list(self._pods.items()):
            if not self.faults.is_frozen(pod.identity):
                await self.thaw(uid)

    async def kill_all(self) -> None:
        """The machine has gone down: end everything and forget it. No event tells of it."""
        pods, self._pods = self._pods, {}
        self._real.clear()
        for uid, pod in pods.items():
            self._end_execs(pod)
            self._destroy(pod)
            pod.close_inputs()
            self.on_life(uid)

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

    @abstractmethod
    async def renew_answers(self, pod_uid: str) -> None:
        """Bring what `faults` says of a running pod's answers into force; a frozen one is told.

        Raises `EmuclusterError` when the pod's process does not take it.
        """

    @abstractmethod
    async def echo_calls(self, pod_uid: str) -> Mapping[str, int]:
        """Calls that each echo container has executed; empty where the pod does not answer."""

    def serves_itself(self, pod_uid: str) -> bool:
        """Whether a server of ours runs in the pod, whose answers can have faults.

        Raises `EmuclusterError` when no container of it runs.
        """
        containers = self._running(pod_uid).containers.values()
        return any(each.command.spec.image.kind != "command" for each in containers)

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
        if spec.stdin and spec.image.kind == "command":
            container.stdin = ContainerStdin(container.log)
        pod.containers[spec.name] = container
        pod.frozen = pod.frozen or self.faults.is_frozen(identity)
        self._launch(pod, container)

    def _end_pod(self, uid: str) -> None:
        pod = self._pods.pop(uid, None)
        if pod is None:
            return
        for container in pod.containers.values():
            self._unmap(pod, container)
        self._end_execs(pod)
        self._destroy(pod)
        pod.close_inputs()
        self.on_life(uid)

    def _end_execs(self, pod: RunningPod) -> None:
        for container in pod.containers.values():
            self._signal_execs(container, signal.SIGKILL)

    def _started(
        self, pod: RunningPod, container: RunningContainer, pid: int, ports: Mapping[int, int]
    ) -> None:
        if not self._is_current(pod, container):
            return
        container.pid, container.ports = pid, ports
        if container.stdin is not None:
            container.stdin.started()
        spec = container.command.spec
        container.serves = spec.image.kind != "command" or not spec.ports
        for port, real in ports.items():
            self._real[pod.identity.ip, port] = real
        self.on_life(pod.identity.uid)
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
        if not container.serves:
            self._spawn(self._watch_listening(pod, container))

    async def _watch_listening(self, pod: RunningPod, container: RunningContainer) -> None:
        """Note when a command serves, and tell of one that should and is not to be reached."""
        uid, command = pod.identity.uid, container.command
        name, container_id = command.spec.name, command.container_id
        container.serves = await listening.watch(
            command.spec.image.name,
            container.pid,
            pod.identity.ip,
            tuple(container.ports.values()),
            wanted=lambda: self._is_current(pod, container),
            deadline_s=self.listen_deadline_s,
            tell=lambda problem: self.on_event(
                ContainerNotListening(uid, name, container_id, problem)
            ),
        )
        if container.serves:
            self.on_life(uid)

    def _exited(self, pod: RunningPod, container: RunningContainer, ended: Exit) -> None:
        if not self._is_current(pod, container):
            return
        del pod.containers[container.command.spec.name]
        if container.stdin is not None:
            container.stdin.close()
        self._signal_execs(container, signal.SIGKILL)
        pod.frozen = pod.frozen and bool(pod.containers)  # what comes next starts afresh
        self._unmap(pod, container)
        self._one_exited.set()
        self.on_life(pod.identity.uid)
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
        outcome = self._foretold(command)
        if outcome is None:
            outcome = await check(command.action, target, timeout_s=command.timeout_s)
        self.on_event(
            ProbeFinished(command.probe_id, command.pod_uid, outcome.result, outcome.message)
        )

    def _foretold(self, command: SendProbe) -> Outcome | None:
        """What a fault makes of a probe without asking the pod; None: it is sent."""
        if command.kind != "readiness":
            return None
        fault = self.faults.unready_by(self._pods[command.pod_uid].identity)
        return Outcome("failure", f"as the fault {fault} has it") if fault else None

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
