"""What the process of one pod does: start containers as the node says, and die with the node."""

from __future__ import annotations

import asyncio
import os
import sys

from emucluster.live.pods.answer_faults import AnswerFaults
from emucluster.live.pods.leash import (
    Bye,
    CallsCounted,
    CountCalls,
    Exited,
    FaultsTaken,
    PodSide,
    SignalTo,
    Start,
    Started,
    TakeFaults,
)
from emucluster.live.pods.logs import ContainerLog, SharedOutput
from emucluster.live.pods.mark import end_marked, mark_of
from emucluster.live.pods.workload import (
    KILLED,
    Exit,
    StartError,
    Workload,
    WorkloadContext,
    start_workload,
)


class PodProcess:
    """One pod. It ends, with its process, after its last container: memory does not outlive it."""

    def __init__(self, leash: PodSide) -> None:
        self._leash = leash
        self._workloads: dict[str, Workload] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._marks: dict[str, str] = {}
        self._answers: AnswerFaults | None = None

    @classmethod
    async def connect(cls, name: str, *, uid: str, token: str) -> PodProcess:
        return cls(await PodSide.connect(name, uid=uid, token=token))

    async def run(self) -> None:
        """Obey until the node is gone or says good-bye; does not return."""
        try:
            while (message := await self._leash.receive()) is not None:
                if isinstance(message, Start):
                    self._start(message)
                elif isinstance(message, SignalTo):
                    self._signal(message)
                elif isinstance(message, TakeFaults):
                    self._take_faults(message)
                elif isinstance(message, CountCalls):
                    self._count_calls(message)
                elif isinstance(message, Bye):
                    break
        finally:
            for workload in self._workloads.values():
                workload.signal("KILL")
            for mark in self._marks.values():
                end_marked(mark)
            os._exit(0)

    def _start(self, start: Start) -> None:
        if self._tasks and not isinstance(sys.stdout, SharedOutput):
            sys.stdout, sys.stderr = SharedOutput(sys.stdout), SharedOutput(sys.stderr)
        if start.spec.image.kind == "command":
            self._marks[start.container_id] = mark_of(start.pod.uid, start.container_id)
        if self._answers is None:
            self._answers = AnswerFaults(f"{start.pod.namespace}/{start.pod.name}")
        self._answers.replace(start.faults)
        self._tasks[start.container_id] = asyncio.create_task(self._live(start, self._answers))

    def _take_faults(self, message: TakeFaults) -> None:
        if self._answers is not None:
            self._answers.replace(message.faults)
        self._leash.send(FaultsTaken(message.number))

    def _count_calls(self, message: CountCalls) -> None:
        counted = {id: each.echo_calls for id, each in self._workloads.items()}
        calls = {id: count for id, count in counted.items() if count is not None}
        self._leash.send(CallsCounted(message.number, calls))

    def _signal(self, message: SignalTo) -> None:
        workload = self._workloads.get(message.container_id)
        if workload is not None:
            workload.signal(message.signal)
        elif message.signal == "KILL" and message.container_id in self._tasks:
            self._tasks[message.container_id].cancel()

    async def _live(self, start: Start, answers: AnswerFaults) -> None:
        """One container from its start to its exit."""
        log = ContainerLog(start.log)
        try:
            ended = await self._until_exit(start, log, answers)
        except StartError as error:
            log.line(str(error))
            ended = Exit(error.exit_code, error.reason, str(error))
        except asyncio.CancelledError:
            ended = KILLED
        except Exception as error:
            ended = Exit(128, "StartError", f"{type(error).__name__}: {error}")
        log.close()
        self._workloads.pop(start.container_id, None)
        self._marks.pop(start.container_id, None)
        del self._tasks[start.container_id]
        self._leash.send(
            Exited(
                start.spec.name,
                start.container_id,
                ended.exit_code,
                ended.reason,
                ended.message,
                ended.signal,
            )
        )
        if not self._tasks:
            await self._leash.flush()
            os._exit(0)

    async def _until_exit(self, start: Start, log: ContainerLog, answers: AnswerFaults) -> Exit:
        context = WorkloadContext(
            pod=start.pod,
            spec=start.spec,
            log=log,
            source_dir=start.source_dir,
            listen_deadline_s=start.listen_deadline_s,
            env=start.env,
            container_id=start.container_id,
            answers=answers,
        )
        workload = await start_workload(context)
        self._workloads[start.container_id] = workload
        self._leash.send(
            Started(start.spec.name, start.container_id, workload.pid, dict(workload.ports))
        )
        return await workload.wait()
