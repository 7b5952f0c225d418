"""`packing: pod`: each pod is a process of its own, made by whoever is given as `spawn`."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emucluster.core.errors import EmuclusterError
from emucluster.core.kubelet.commands import SignalContainer
from emucluster.live.pods.leash import (
    Bye,
    CallsCounted,
    CountCalls,
    FaultsTaken,
    FromPod,
    LeashServer,
    SignalTo,
    Start,
    Started,
    TakeFaults,
    Tether,
)
from emucluster.live.pods.mark import end_marked, mark_of
from emucluster.live.pods.running import RunningContainer, RunningPod
from emucluster.live.pods.runtime import Inside, PodRuntime
from emucluster.live.pods.workload import KILLED, Exit

PROCESS_DEADLINE_S = 60.0
"""For a new process to connect; a busy machine makes a hundred of them in half a minute."""
KILL_FALLBACK_S = 2.0
COUNT_DEADLINE_S = 0.25
"""For a pod's process to tell its calls; one that takes longer is stopped, or too busy."""
FAULTS_DEADLINE_S = 4.0
"""For a pod's process to take its faults; below the deadline of who asks for them."""

Spawn = Callable[[dict[str, Any]], tuple[object, Awaitable[Any]]]
"""Makes a pod's process from its config: a handle that keeps it alive, and what ends its start."""


@dataclass(slots=True)
class PodHost:
    """A pod's process, from the moment it is asked for."""

    tether: Tether
    handle: object = None
    gone: bool = False
    taken: int = 0
    """Number of the last faults that it has in force."""
    took: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever that changes, and when the process has gone."""


class ActorPods(PodRuntime):
    """Pods die with their node: their end of the leash sees it go."""

    def __init__(
        self, directory: str | Path, *, spawn: Spawn, inside: Inside | None = None
    ) -> None:
        super().__init__(directory, inside=inside)
        self._spawn_process = spawn
        self._leash = LeashServer()
        self._hosts: dict[str, PodHost] = {}
        self._counting: dict[int, asyncio.Future[dict[str, int]]] = {}
        self._numbers = itertools.count(1)

    async def start(self) -> None:
        await super().start()
        await self._leash.start()

    async def stop(self, grace_s: float) -> None:
        await super().stop(grace_s)
        await self._leash.close()

    def pid_of(self, pod_uid: str) -> int | None:
        host = self._hosts.get(pod_uid)
        return host.tether.pid or None if host is not None else None

    # --- faults ---------------------------------------------------------------------------------

    async def crash(self, pod_uid: str) -> str:
        self._running(pod_uid)
        host = self._hosts.get(pod_uid)
        if host is None or not host.tether.pid:
            raise EmuclusterError("the pod's process is still being made")
        self._kill(pod_uid, host)
        return "SIGKILL"

    async def freeze(self, pod_uid: str) -> str:
        self._running(pod_uid).frozen = True
        self._signal_processes(pod_uid, signal.SIGSTOP)
        return "SIGSTOP"

    async def thaw(self, pod_uid: str) -> None:
        if (pod := self._pods.get(pod_uid)) is not None and pod.frozen:
            pod.frozen = False
            self._signal_processes(pod_uid, signal.SIGCONT)

    async def renew_answers(self, pod_uid: str) -> None:
        pod, host = self._pods.get(pod_uid), self._hosts.get(pod_uid)
        if pod is None or host is None or not host.tether.pid:
            return  # a process that is still being made gets them with its first container
        number = next(self._numbers)
        host.tether.send(TakeFaults(number, self.faults.answers(pod.identity)))
        try:
            async with asyncio.timeout(FAULTS_DEADLINE_S):
                # A stopped process takes them as soon as it goes on.
                while host.taken < number and not (host.gone or pod.frozen):
                    host.took.clear()
                    await host.took.wait()
        except TimeoutError:
            raise EmuclusterError(
                f"the pod's process did not answer within {FAULTS_DEADLINE_S:g} s"
            ) from None

    async def echo_calls(self, pod_uid: str) -> Mapping[str, int]:
        pod, host = self._pods.get(pod_uid), self._hosts.get(pod_uid)
        if pod is None or host is None or not host.tether.pid:
            return {}
        number = next(self._numbers)
        answer = self._counting[number] = asyncio.get_running_loop().create_future()
        host.tether.send(CountCalls(number))
        try:
            calls = await asyncio.wait_for(answer, COUNT_DEADLINE_S)
        except TimeoutError:
            return {}
        finally:
            del self._counting[number]
        ids = {each.command.container_id: name for name, each in pod.containers.items()}
        return {ids[id]: count for id, count in calls.items() if id in ids}

    def _signal_processes(self, pod_uid: str, number: signal.Signals) -> None:
        """The pod's process, and the groups of its commands, which are processes of their own."""
        host = self._hosts.get(pod_uid)
        if host is None or not host.tether.pid:
            return
        _kill(host.tether.pid, number)
        for container in self._pods[pod_uid].containers.values():
            if container.pid not in (0, host.tether.pid):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(container.pid, number)
                self._signal_execs(container, number)

    # --- commands -------------------------------------------------------------------------------

    def _launch(self, pod: RunningPod, container: RunningContainer) -> None:
        self._spawn(self._send_start(pod, container))

    async def _send_start(self, pod: RunningPod, container: RunningContainer) -> None:
        host = self._hosts.get(pod.identity.uid)
        if host is None:
            host = self._make_host(pod, container)
        try:
            async with asyncio.timeout(PROCESS_DEADLINE_S):
                await asyncio.shield(host.tether.connected)
        except TimeoutError:
            self._discard(pod.identity.uid, host)
            message = f"the pod's process did not start within {PROCESS_DEADLINE_S:g} s"
            self._exited(pod, container, Exit(128, "StartError", message))
            return
        if not self._is_current(pod, container) or host.gone:
            return
        command = container.command
        host.tether.send(
            Start(
                pod=command.pod,
                container_id=command.container_id,
                spec=command.spec,
                env=container.env,
                log=str(container.log),
                source_dir=container.source_dir,
                listen_deadline_s=self.listen_deadline_s,
                faults=self.faults.answers(pod.identity),
            )
        )
        if pod.frozen:
            _kill(host.tether.pid, signal.SIGSTOP)

    def _make_host(self, pod: RunningPod, container: RunningContainer) -> PodHost:
        uid = pod.identity.uid
        host = PodHost(
            Tether(
                uid,
                on_message=lambda message: self._told(pod, host, message),
                on_lost=lambda: self._lost(pod, host),
            )
        )
        self._hosts[uid] = host
        self._leash.expect(host.tether)
        config = {
            "uid": uid,
            "name": f"{pod.identity.namespace}/{pod.identity.name}",
            "token": host.tether.token,
            "leash": self._leash.name,
            "log": str(container.log),
        }
        host.handle, started = self._spawn_process(config)
        self._spawn(self._watch_start(pod, host, started))
        return host

    async def _watch_start(self, pod: RunningPod, host: PodHost, started: Awaitable[Any]) -> None:
        """A process that cannot even be made ends its containers."""
        try:
            await started
        except Exception as error:
            if host.tether.pid == 0 and not host.gone:
                self._discard(pod.identity.uid, host)
                for container in list(pod.containers.values()):
                    self._exited(pod, container, Exit(128, "StartError", str(error)))

    def _told(self, pod: RunningPod, host: PodHost, message: FromPod) -> None:
        if isinstance(message, FaultsTaken):
            host.taken = message.number
            host.took.set()
            return
        if isinstance(message, CallsCounted):
            answer = self._counting.get(message.number)
            if answer is not None and not answer.done():
                answer.set_result(message.calls)
            return
        found = self._find(pod.identity.uid, message.container_id)
        if found is None or found[0] is not pod:
            return
        if isinstance(message, Started):
            self._started(pod, found[1], message.pid, message.ports)
            return
        if len(pod.containers) == 1:
            # The process goes with its last container, and the next one gets a fresh process.
            self._discard(pod.identity.uid, self._hosts[pod.identity.uid])
        ended = Exit(message.exit_code, message.reason, message.message, message.signal)
        self._exited(pod, found[1], ended)

    def _lost(self, pod: RunningPod, host: PodHost) -> None:
        """The process is gone: killed, crashed, or out of memory."""
        host.gone = True
        host.took.set()
        uid = pod.identity.uid
        if self._hosts.get(uid) is host:
            del self._hosts[uid]
        pod.frozen = False
        _sweep(pod)
        for container in list(pod.containers.values()):
            self._exited(pod, container, KILLED)

    def _signal(
        self, pod: RunningPod, container: RunningContainer, command: SignalContainer
    ) -> None:
        uid = pod.identity.uid
        host = self._hosts.get(uid)
        if host is None or not host.tether.pid:
            if command.signal == "KILL":  # its process is still being made
                if host is not None and len(pod.containers) == 1:
                    self._discard(uid, host)
                self._exited(pod, container, KILLED)
            return
        alone = len(pod.containers) == 1
        if command.signal == "KILL" and (alone or pod.frozen):
            self._kill(uid, host)
            return
        host.tether.send(SignalTo(command.container, command.container_id, command.signal))
        if command.signal == "KILL":
            self._spawn(self._insist(pod, container, host))

    async def _insist(self, pod: RunningPod, container: RunningContainer, host: PodHost) -> None:
        """SIGKILL cannot be ignored: a process too busy to obey goes as a whole."""
        await asyncio.sleep(KILL_FALLBACK_S)
        if self._is_current(pod, container) and not host.gone:
            self._kill(pod.identity.uid, host)

    def _kill(self, uid: str, host: PodHost) -> None:
        """SIGKILL; the leash tells when it is gone, and its commands' groups go with it."""
        pod = self._pods.get(uid)
        groups = [each.pid for each in pod.containers.values()] if pod is not None else []
        if host.tether.pid:
            _kill(host.tether.pid, signal.SIGKILL)
        for group in groups:
            if group not in (0, host.tether.pid):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(group, signal.SIGKILL)

    def _destroy(self, pod: RunningPod) -> None:
        host = self._hosts.get(pod.identity.uid)
        if host is None:
            return
        if pod.containers and host.tether.pid:
            for container in pod.containers.values():
                if container.pid not in (0, host.tether.pid):
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(container.pid, signal.SIGKILL)
            _kill(host.tether.pid, signal.SIGKILL)
            _sweep(pod)
        self._discard(pod.identity.uid, host)

    def _discard(self, uid: str, host: PodHost) -> None:
        """Let a process go: it exits when told, when its leash ends, or when its handle does."""
        host.gone = True
        host.took.set()
        host.tether.send(Bye())
        self._leash.forget(host.tether)
        host.handle = None
        if self._hosts.get(uid) is host:
            del self._hosts[uid]


def _sweep(pod: RunningPod) -> None:
    """End what its commands left behind, since a killed process of a pod cannot.

    In a thread of its own, which nothing waits for and no cancelled task takes along.
    """
    for container in pod.containers.values():
        if container.command.spec.image.kind == "command":
            mark = mark_of(pod.identity.uid, container.command.container_id)
            threading.Thread(target=end_marked, args=(mark,), daemon=True).start()


def _kill(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
