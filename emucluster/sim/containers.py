"""The container runtime of a simulated node: echo servers that take time to start and to stop."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import count

from emucluster.core.kubelet.commands import (
    Exec,
    GrpcCheck,
    HttpGet,
    PodIdentity,
    RunHook,
    RuntimeCommand,
    SendProbe,
    SignalContainer,
    StartContainer,
    StopPod,
    TcpConnect,
)
from emucluster.core.kubelet.events import (
    ContainerExited,
    ContainerStarted,
    HookFinished,
    ProbeFinished,
    RuntimeEvent,
)
from emucluster.core.kubelet.image import is_stand_in

from .event_loop import EventLoop
from .host import Host
from .network import Network

START_S = (0.3, 0.9)
"""How long a container takes from its creation until it listens."""
STOP_S = 0.05
"""From SIGTERM to the exit of a server that is idle."""
CHECK_S = 0.002
"""A probe that is answered at once."""


class Container:
    """One instance of a container; it answers calls while it runs.

    Of the echo server's variables it knows EMU_SLOW_S, EMU_HANG, EMU_NOT_READY and
    EMU_IGNORE_TERM.
    """

    def __init__(self, command: StartContainer, node: Host, loop: EventLoop) -> None:
        self.identity: PodIdentity = command.pod
        self.id = command.container_id
        self.name = command.spec.name
        self.pod, self.node = command.pod.name, command.pod.node
        self.host = Host(f"pod/{command.pod.namespace}/{command.pod.name}")
        self.ports = tuple(port.port for port in command.spec.ports)
        self.is_running = False
        self._node, self._loop = node, loop
        env = dict(command.spec.env)
        self._slow_s = float(env.get("EMU_SLOW_S") or 0.0)
        self._hangs = _is_set(env, "EMU_HANG")
        self.is_ready = not _is_set(env, "EMU_NOT_READY")
        self.ignores_term = _is_set(env, "EMU_IGNORE_TERM")

    def serve(self, answer: Callable[[], None]) -> None:
        """Answer one call, after EMU_SLOW_S; never with EMU_HANG."""
        if self._hangs:
            return
        if self._slow_s:
            bound = self._node.bound(self.host.bound(answer))
            self._loop.call_later(self._slow_s, bound)
        else:
            answer()

    def check(self, action: GrpcCheck | HttpGet | TcpConnect) -> str:
        """What a probe says against the container; empty: nothing."""
        match action:
            case HttpGet(port=port) if port in self.ports:
                return "net/http: HTTP/1.x transport connection broken: malformed HTTP response"
            case GrpcCheck(port=port) if port in self.ports and not self.is_ready:
                return 'service unhealthy (responded with "NOT_SERVING")'
            case GrpcCheck(port=port) | TcpConnect(port=port) if port in self.ports:
                return ""
        return f"dial tcp {self.identity.ip}:{action.port}: connect: connection refused"


class Containers:
    """Carries out the kubelet's commands on one node, and reports what becomes of them.

    Everything under way waits while the node is frozen, and is gone when it loses power.
    """

    def __init__(
        self,
        node: Host,
        loop: EventLoop,
        network: Network,
        *,
        rng: random.Random,
        report: Callable[[RuntimeEvent], None],
    ) -> None:
        self._node, self._loop, self._network = node, loop, network
        self._rng, self._report = rng, report
        self._pids = count(1000)
        self._containers: dict[str, Container] = {}

    def perform(self, command: RuntimeCommand) -> None:
        """Begin what the kubelet asks for; it is told of the end by an event."""
        match command:
            case StartContainer():
                self._start(command)
            case SignalContainer():
                self._signal(command)
            case StopPod(pod_uid=uid):
                for container in list(self.of_pod(uid)):
                    self._remove(container, "closed")
            case SendProbe():
                self._probe(command)
            case RunHook():
                self._hook(command)

    def of_pod(self, uid: str) -> Iterator[Container]:
        """The containers of a pod that run or start."""
        return (each for each in self._containers.values() if each.identity.uid == uid)

    def named(self, namespace: str, name: str) -> list[Container]:
        """The running containers of a pod, by the pod's name."""
        return [
            each
            for each in self._containers.values()
            if (each.identity.namespace, each.pod) == (namespace, name) and each.is_running
        ]

    def listening(self, ip: str, port: int) -> Container | None:
        """Who serves a container port of a pod's address."""
        for container in self._containers.values():
            if container.is_running and container.identity.ip == ip and port in container.ports:
                return container
        return None

    # --- faults ----------------------------------------------------------------------------------

    def lose_all(self) -> None:
        """The machine went down: nothing is left, nobody is told."""
        for container in self._containers.values():
            container.is_running = False
            container.host.fail("crashed")
        self._containers.clear()

    def crash(self, container: Container) -> None:
        """As SIGKILL from outside."""
        self._exit(container, 137, signal=9)

    # --- parts -----------------------------------------------------------------------------------

    def _start(self, command: StartContainer) -> None:
        container = Container(command, self._node, self._loop)
        self._containers[container.id] = container
        if command.spec.runs_to_completion and is_stand_in(command.spec.image):
            self._later(self._rng.uniform(*START_S), lambda: self._complete(container))
            return
        if command.spec.image.kind != "echo":
            why = f"{command.spec.image.name}: only emucluster/echo runs on virtual time"
            self._later(CHECK_S, lambda: self._exit(container, 128, "StartError", why))
            return
        self._later(self._rng.uniform(*START_S), lambda: self._started(container))

    def _started(self, container: Container) -> None:
        if container.id not in self._containers:
            return
        container.is_running = True
        ports = tuple((port, port) for port in container.ports)
        pid = next(self._pids)
        uid = container.identity.uid
        self._report(ContainerStarted(uid, container.name, container.id, pid, ports))

    def _complete(self, container: Container) -> None:
        """A stand-in for an init container: it starts, and has nothing to do."""
        self._started(container)
        self._exit(container, 0)

    def _signal(self, command: SignalContainer) -> None:
        container = self._containers.get(command.container_id)
        if container is None:
            return
        if command.signal == "KILL":
            self._later(CHECK_S, lambda: self._exit(container, 137, signal=9))
        elif not container.ignores_term and container.host.power == "running":
            self._later(STOP_S, lambda: self._exit(container, 0))

    def _exit(
        self, container: Container, code: int, reason: str = "", message: str = "", signal: int = 0
    ) -> None:
        if container.id not in self._containers:
            return
        self._remove(container, "reset" if signal else "closed")
        uid = container.identity.uid
        exited = ContainerExited(uid, container.name, container.id, code, reason, message, signal)
        self._report(exited)

    def _remove(self, container: Container, how: str) -> None:
        del self._containers[container.id]
        container.is_running = False
        reason = f"{container.host.name} ended"
        end = self._network.reset_all
        end(container.host, reason, how="closed" if how == "closed" else "reset")
        container.host.fail("crashed")

    def _probe(self, command: SendProbe) -> None:
        container = self._containers.get(command.container_id)
        uid, probe_id = command.pod_uid, command.probe_id
        action = command.action
        if isinstance(action, Exec):
            error = "commands cannot be run on virtual time"
            done = ProbeFinished(probe_id, uid, "error", error)
            self._later(CHECK_S, lambda: self._report(done))
            return

        def answer() -> None:
            problem = "connection refused"
            if container is not None and container.is_running:
                problem = container.check(action)
            self._report(ProbeFinished(probe_id, uid, "failure" if problem else "success", problem))

        if container is not None and container.host.power == "frozen":
            late = f"timeout: health rpc did not complete within {command.timeout_s:g}s"
            failed = ProbeFinished(probe_id, uid, "failure", late)
            self._later(command.timeout_s, lambda: self._report(failed))
        else:
            self._later(CHECK_S, answer)

    def _hook(self, command: RunHook) -> None:
        """`sleep N` takes its time; other commands cannot be run."""
        uid, hook_id = command.pod_uid, command.hook_id
        seconds = _sleep_s(command.action.command) if isinstance(command.action, Exec) else None
        if seconds is None:
            error = "commands cannot be run on virtual time"
            failed = HookFinished(hook_id, uid, ok=False, message=error)
            self._later(CHECK_S, lambda: self._report(failed))
            return
        in_time = seconds <= command.timeout_s
        ended = HookFinished(hook_id, uid, ok=in_time)
        self._later(min(seconds, command.timeout_s), lambda: self._report(ended))

    def _later(self, delay_s: float, work: Callable[[], None]) -> None:
        self._loop.call_later(delay_s, self._node.bound(work))


def _sleep_s(command: tuple[str, ...]) -> float | None:
    """How long `sleep N`, by itself or as a shell's script, lasts; None: it is something else."""
    words = command[-1].split() if command[:2] in (("sh", "-c"), ("/bin/sh", "-c")) else command
    if len(words) != 2 or words[0] not in ("sleep", "/bin/sleep"):
        return None
    try:
        return float(words[1])
    except ValueError:
        return None


def _is_set(env: dict[str, str], name: str) -> bool:
    return env.get(name, "").lower() not in ("", "0", "false", "no")
