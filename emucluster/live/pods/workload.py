"""A running container, whatever it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from emucluster.core.kubelet.commands import ContainerSpec, PodIdentity, Signal
from emucluster.live.pods.answer_faults import AnswerFaults
from emucluster.live.pods.logs import ContainerLog


class StartError(Exception):
    """A container did not start; the message goes into the pod's status and an Event."""

    def __init__(self, message: str, *, reason: str = "StartError", exit_code: int = 128) -> None:
        super().__init__(message)
        self.reason = reason
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container ended."""

    exit_code: int
    reason: str
    message: str = ""
    signal: int = 0


KILLED = Exit(137, "Error", signal=9)


@dataclass(frozen=True, slots=True)
class WorkloadContext:
    """What every workload is started with.

    `shares_process`: other pods live in this process, so nothing of the process may be changed.
    `answers`: the faults of the pod's answers, for servers; they may change while it runs.
    """

    pod: PodIdentity
    spec: ContainerSpec
    log: ContainerLog
    source_dir: str = ""
    shares_process: bool = False
    listen_deadline_s: float = 30.0
    env: Mapping[str, str] = field(default_factory=dict)
    container_id: str = ""
    answers: AnswerFaults | None = None


class Workload(Protocol):
    """One container. `ports` maps container port to the one on the pod's address for it."""

    pid: int
    ports: Mapping[int, int]

    def signal(self, name: Signal) -> None:
        """Ask it to stop, or end it at once. Returns immediately; `wait` tells the end."""

    @property
    def echo_calls(self) -> int | None:
        """How many calls it has executed, if it is an echo server."""

    def freeze(self, frozen: bool) -> None:
        """Make it accept and never answer, or go on; only where it has no process of its own."""

    async def wait(self) -> Exit:
        """Its end; may be awaited once."""


async def start_workload(context: WorkloadContext) -> Workload:
    """Start a container of any image and return once it runs. Raises `StartError`.

    A server of ours listens by then; a command's process listens when it likes.
    """
    # Imported on use: a pod's process pays only for the workload that it runs.
    if context.spec.image.kind == "command":
        from emucluster.live.pods.command import start_command

        return await start_command(context)
    from emucluster.live.pods.server import start_server

    return await start_server(context)
