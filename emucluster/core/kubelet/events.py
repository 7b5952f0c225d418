"""What happened to the kubelet's commands and containers."""

from dataclasses import dataclass
from typing import Literal

from emucluster.core.kubelet.commands import ApiWrite

ProbeResult = Literal["success", "failure", "error"]
"""`error`: the probe itself could not be run; its result is thrown away."""


@dataclass(frozen=True, slots=True)
class ContainerStarted:
    """The container runs. `ports` maps container port to the port of the pod's process for it.

    Servers of our own listen then, for with them starting and listening are one. A command's
    process may not do so yet, or never, as in Kubernetes.
    """

    pod_uid: str
    container: str
    container_id: str
    pid: int
    ports: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ContainerExited:
    """The container ended, or never started (`reason` "StartError", exit code 128)."""

    pod_uid: str
    container: str
    container_id: str
    exit_code: int
    reason: str = ""
    message: str = ""
    signal: int = 0


@dataclass(frozen=True, slots=True)
class ContainerNotListening:
    """A container that runs does not listen where its clients are sent, long after its start."""

    pod_uid: str
    container: str
    container_id: str
    message: str


@dataclass(frozen=True, slots=True)
class ProbeFinished:
    """Outcome of `SendProbe`."""

    probe_id: int
    pod_uid: str
    result: ProbeResult
    message: str = ""


@dataclass(frozen=True, slots=True)
class HookFinished:
    """Outcome of `RunHook`."""

    hook_id: int
    pod_uid: str
    ok: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Wrote:
    """The API server has committed this write."""

    command: ApiWrite


@dataclass(frozen=True, slots=True)
class WriteFailed:
    """The API server did not take this write. `gone`: the object no longer exists there."""

    command: ApiWrite
    message: str = ""
    gone: bool = False


RuntimeEvent = (
    ContainerStarted | ContainerExited | ContainerNotListening | ProbeFinished | HookFinished
)
KubeletEvent = RuntimeEvent | Wrote | WriteFailed
