"""One container as the kubelet remembers it, over all its restarts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from emucluster.core.kubelet.backoff import Backoff
from emucluster.core.kubelet.events import ContainerExited
from emucluster.core.kubelet.image import Image
from emucluster.core.kubelet.termination import ContainerStop
from emucluster.core.objects import (
    Container,
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
)

ID_PREFIX = "emucluster://"
LOST_EXIT_CODE = 255
"""What a container ended with when its machine went down under it, as containerd reports it."""


@dataclass(slots=True)
class ContainerRecord:
    """The current instance, and of the last one what the status shows."""

    spec: Container
    is_init: bool = False
    phase: Literal["waiting", "starting", "running", "terminated"] = "waiting"
    first_reason: str = "ContainerCreating"
    """Why it waits while nothing has been tried."""
    waiting_reason: str = ""
    waiting_message: str = ""
    retry_at_s: float | None = None
    """When a waiting container is looked at again; None: as soon as anything happens."""
    container_id: str = ""
    image: Image | None = None
    created: int = 0
    """How many instances there have been, this one included."""
    started_stamp: str = ""
    started_s: float = 0.0
    finished_s: float = 0.0
    exit: ContainerStateTerminated | None = None
    last: ContainerState = field(default_factory=ContainerState)
    post_start: int | None = None
    """The hook that has to end before the container counts as started."""
    post_start_ends_s: float | None = None
    """When a postStart that sleeps is over."""
    probed_from_s: float = 0.0
    """Since when its probes may run: postStart is over or, after a startup probe, that is."""
    started: bool = False
    ready: bool = False
    readiness_reason: str = ""
    """Why the running instance is ready or not: what its readiness probe said last."""
    restart: Backoff = field(default_factory=Backoff)
    pull: Backoff = field(default_factory=Backoff)
    stop: ContainerStop | None = None
    _before: ContainerStatus | None = None
    """The status to show while an instance starts: the runtime has none yet, so the old one stays
    (kubernetes/kubernetes pkg/kubelet/kubelet_pods.go, convertToAPIContainerStatuses)."""

    def __post_init__(self) -> None:
        self.waiting_reason = self.waiting_reason or self.first_reason

    @property
    def is_sidecar(self) -> bool:
        """An init container that keeps running (KEP-753)."""
        return self.is_init and self.spec.restart_policy == "Always"

    @property
    def field_path(self) -> str:
        """Where it stands in its pod, as Events about it say."""
        field = "initContainers" if self.is_init else "containers"
        return f"spec.{field}{{{self.spec.name}}}"

    @property
    def is_live(self) -> bool:
        """Whether the runtime has something of it."""
        return self.phase in ("starting", "running")

    @property
    def restart_count(self) -> int:
        return max(0, self.created - 1)

    @property
    def readiness(self) -> tuple[bool, str]:
        """Whether it is ready, and why (not)."""
        if self.phase == "running":
            return self.ready, self.readiness_reason
        ended = self.exit or self.last.terminated
        if ended is None:
            return False, f"container {self.spec.name}: {self.waiting_reason}"
        return False, f"container {self.spec.name} exited with code {ended.exit_code}"

    def wait(self, reason: str, message: str = "", *, retry_at_s: float | None = None) -> None:
        self.phase = "waiting"
        self.waiting_reason, self.waiting_message = reason, message
        self.retry_at_s = retry_at_s

    def create(self, container_id: str, image: Image, now_s: float) -> None:
        """A new instance is about to start."""
        if self.exit is None:
            self.waiting_reason, self.waiting_message = self.first_reason, ""
        self._before = self.status()
        if self.exit is not None:
            self.restart.next(self.finished_s, now_s)
            self.last, self.exit = ContainerState(terminated=self.exit), None
        self.phase = "starting"
        self.retry_at_s = None
        self.container_id, self.image = container_id, image
        self.created += 1
        self.stop = None

    def run(self, *, now_s: float, stamp: str) -> None:
        self.phase = "running"
        self.started_s, self.started_stamp = now_s, stamp
        self.readiness_reason = "not probed yet"

    def end(self, event: ContainerExited, *, now_s: float, stamp: str) -> None:
        self.exit = ContainerStateTerminated(
            container_id=ID_PREFIX + self.container_id,
            exit_code=event.exit_code,
            signal=event.signal or None,
            reason=event.reason or ("Completed" if event.exit_code == 0 else "Error"),
            message=event.message or None,
            started_at=self.started_stamp or stamp,
            finished_at=stamp,
        )
        self.phase = "terminated"
        self.finished_s = now_s
        self.started = self.ready = False
        self.started_stamp = ""
        self.post_start = self.post_start_ends_s = None
        self.stop = None

    def restore(self, status: ContainerStatus, *, stamp: str) -> None:
        """Take over what an earlier life of this node reported; its instance is gone."""
        if not status.container_id:
            return
        self.container_id = status.container_id.removeprefix(ID_PREFIX)
        self.created = status.restart_count + 1
        if status.state.terminated is not None:
            self.exit = status.state.terminated
        elif status.state.waiting is not None and status.last_state.terminated is not None:
            self.exit = status.last_state.terminated
        else:
            self.exit = ContainerStateTerminated(
                container_id=status.container_id,
                exit_code=LOST_EXIT_CODE,
                reason="Unknown",
                started_at=status.state.running.started_at if status.state.running else stamp,
                finished_at=stamp,
            )
        self.phase = "terminated"
        # Neither the back-off nor the moment of the exit survives a reboot of the kubelet.

    def status(self) -> ContainerStatus:
        if self.phase == "starting" and self._before is not None:
            return self._before
        return ContainerStatus(
            name=self.spec.name,
            image=self.spec.image or "",
            image_id=f"{ID_PREFIX}{self.image.kind}" if self.image else "",
            container_id=ID_PREFIX + self.container_id if self.container_id else None,
            ready=self._shown_ready(),
            started=self.started,
            restart_count=self.restart_count,
            state=self._state(),
            last_state=self._last_state(),
        )

    def _shown_ready(self) -> bool:
        if self.is_init and not self.is_sidecar:
            return self.exit is not None and self.exit.exit_code == 0
        return self.ready

    def _state(self) -> ContainerState:
        if self.phase == "running":
            return ContainerState(running=ContainerStateRunning(started_at=self.started_stamp))
        if self.phase == "terminated":
            return ContainerState(terminated=self.exit)
        waiting = ContainerStateWaiting(
            reason=self.waiting_reason, message=self.waiting_message or None
        )
        return ContainerState(waiting=waiting)

    def _last_state(self) -> ContainerState:
        if self.phase == "waiting" and self.exit is not None:
            return ContainerState(terminated=self.exit)
        return self.last
