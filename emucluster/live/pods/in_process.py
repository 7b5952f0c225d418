"""`packing: node`: pods are objects inside their node's process. Commands still have their own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping

from emucluster.core.kubelet.commands import SignalContainer
from emucluster.live.pods.answer_faults import AnswerFaults
from emucluster.live.pods.logs import ContainerLog, SharedOutput
from emucluster.live.pods.running import RunningContainer, RunningPod
from emucluster.live.pods.runtime import PodRuntime
from emucluster.live.pods.workload import (
    KILLED,
    Exit,
    StartError,
    Workload,
    WorkloadContext,
    start_workload,
)


class InProcessPods(PodRuntime):
    """Servers run in this event loop.

    What cannot be had without a process of one's own: variables of the environment are there only
    while a `python://` module is loaded, proxy variables not at all; `freeze` lets calls wait
    instead of stopping the process; SIGKILL tears servers down with RST.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._workloads: dict[str, Workload] = {}
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._answers: dict[str, AnswerFaults] = {}

    async def start(self) -> None:
        """From now on what user code prints goes into the log of its container."""
        await super().start()
        self._outputs = sys.stdout, sys.stderr
        if not isinstance(sys.stdout, SharedOutput):
            sys.stdout, sys.stderr = SharedOutput(sys.stdout), SharedOutput(sys.stderr)

    async def stop(self, grace_s: float) -> None:
        await super().stop(grace_s)
        sys.stdout, sys.stderr = self._outputs

    def pid_of(self, pod_uid: str) -> int | None:
        return os.getpid() if pod_uid in self._pods else None

    async def crash(self, pod_uid: str) -> str:
        pod = self._running(pod_uid)
        pod.frozen = False
        for container in list(pod.containers.values()):
            self._kill(container)
        return "servers torn down with RST"

    async def freeze(self, pod_uid: str) -> str:
        self._set_frozen(self._running(pod_uid), True)
        return "imitated: calls wait"

    async def thaw(self, pod_uid: str) -> None:
        if (pod := self._pods.get(pod_uid)) is not None and pod.frozen:
            self._set_frozen(pod, False)

    async def renew_answers(self, pod_uid: str) -> None:
        if (pod := self._pods.get(pod_uid)) is not None and pod_uid in self._answers:
            self._answers[pod_uid].replace(self.faults.answers(pod.identity))

    async def echo_calls(self, pod_uid: str) -> Mapping[str, int]:
        pod = self._pods.get(pod_uid)
        found = {
            name: self._workloads.get(container.command.container_id)
            for name, container in (pod.containers.items() if pod is not None else ())
        }
        counted = {name: each.echo_calls for name, each in found.items() if each is not None}
        return {name: count for name, count in counted.items() if count is not None}

    def _set_frozen(self, pod: RunningPod, frozen: bool) -> None:
        pod.frozen = frozen
        for container in pod.containers.values():
            if (workload := self._workloads.get(container.command.container_id)) is not None:
                workload.freeze(frozen)
            self._signal_execs(container, signal.SIGSTOP if frozen else signal.SIGCONT)

    def _launch(self, pod: RunningPod, container: RunningContainer) -> None:
        uid, identity = pod.identity.uid, pod.identity
        if len(pod.containers) == 1:  # it begins anew, and so does what counts its calls
            self._answers[uid] = AnswerFaults(f"{identity.namespace}/{identity.name}")
        answers = self._answers[uid]
        answers.replace(self.faults.answers(identity))
        life = self._spawn(self._live(pod, container, answers))
        self._lives[container.command.container_id] = life

    def _signal(
        self, pod: RunningPod, container: RunningContainer, command: SignalContainer
    ) -> None:
        workload = self._workloads.get(command.container_id)
        if command.signal == "KILL":
            self._kill(container)
        elif workload is not None:
            workload.signal("TERM")

    def _kill(self, container: RunningContainer) -> None:
        container_id = container.command.container_id
        if (workload := self._workloads.get(container_id)) is not None:
            workload.signal("KILL")
        elif (life := self._lives.get(container_id)) is not None:
            life.cancel()

    def _destroy(self, pod: RunningPod) -> None:
        self._answers.pop(pod.identity.uid, None)
        for container in pod.containers.values():
            self._kill(container)

    async def _live(
        self, pod: RunningPod, container: RunningContainer, answers: AnswerFaults
    ) -> None:
        command = container.command
        log = ContainerLog(container.log)
        context = WorkloadContext(
            pod=command.pod,
            spec=command.spec,
            log=log,
            source_dir=container.source_dir,
            shares_process=True,
            listen_deadline_s=self.listen_deadline_s,
            env=self._environment(container),
            container_id=command.container_id,
            answers=answers,
        )
        try:
            workload = await start_workload(context)
            self._workloads[command.container_id] = workload
            if pod.frozen:
                workload.freeze(True)
            self._started(pod, container, workload.pid, workload.ports)
            ended = await workload.wait()
        except StartError as error:
            log.line(str(error))
            ended = Exit(error.exit_code, error.reason, str(error))
        except asyncio.CancelledError:
            ended = KILLED
        except Exception as error:
            ended = Exit(128, "StartError", f"{type(error).__name__}: {error}")
        finally:
            self._workloads.pop(command.container_id, None)
            self._lives.pop(command.container_id, None)
            log.close()
        self._exited(pod, container, ended)

    def _environment(self, container: RunningContainer) -> dict[str, str]:
        """Proxy variables would act on the node's own channels, so only commands get them."""
        spec = container.command.spec
        return container.env if spec.image.kind == "command" else dict(spec.env)
