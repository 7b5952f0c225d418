"""What the kubelet asks for: writes to the API server, and actions of the container runtime.

Every command is a value; whoever runs the kubelet carries it out and reports back with an event of
`emucluster.core.kubelet.events`.
"""

from dataclasses import dataclass
from typing import Literal

from emucluster.core.kubelet.image import Image
from emucluster.core.objects import Node, PodStatus

ProbeKind = Literal["startup", "liveness", "readiness"]
HookKind = Literal["postStart", "preStop"]
Signal = Literal["TERM", "KILL"]


# --- what a container is made of -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PodIdentity:
    """Who a container belongs to; the same for all containers of a pod."""

    uid: str
    namespace: str
    name: str
    node: str
    zone: str
    ip: str


@dataclass(frozen=True, slots=True)
class PortSpec:
    """A declared container port; `name` is empty when it has none."""

    port: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """All that the runtime needs to start one container. `env`, `command`, `args` are expanded."""

    name: str
    image: Image
    env: tuple[tuple[str, str], ...] = ()
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    ports: tuple[PortSpec, ...] = ()
    working_dir: str = ""
    source_dir: str = ""
    """Directory of the manifest (annotation `emucluster.dev/source-dir`), or empty."""
    source_digest: str = ""
    """Names an unpacked copy of that directory (annotation `emucluster.dev/source-digest`)."""
    runs_to_completion: bool = False
    """An init container: it is expected to exit."""
    stdin: bool = False
    """Its standard input is held open for whoever attaches."""
    stdin_once: bool = False
    """And closed once the first who did so has ended."""


# --- what a probe or hook does ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GrpcCheck:
    """`grpc.health.v1.Health/Check` on a container port; an empty service is the whole server."""

    port: int
    service: str = ""


@dataclass(frozen=True, slots=True)
class HttpGet:
    """HTTP GET; 200 to 399 is success. `host` is empty for the pod's own address."""

    port: int
    path: str = "/"
    host: str = ""
    scheme: str = "HTTP"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TcpConnect:
    """A connection that is opened and closed."""

    port: int
    host: str = ""


@dataclass(frozen=True, slots=True)
class Exec:
    """A command in the container's environment; exit code 0 is success."""

    command: tuple[str, ...]


CheckAction = GrpcCheck | HttpGet | TcpConnect | Exec


# --- to the runtime ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartContainer:
    """Start a container; the pod's process is made with its first one."""

    pod: PodIdentity
    container_id: str
    spec: ContainerSpec


@dataclass(frozen=True, slots=True)
class SignalContainer:
    """SIGTERM or SIGKILL for one container."""

    pod_uid: str
    container: str
    container_id: str
    signal: Signal


@dataclass(frozen=True, slots=True)
class StopPod:
    """Release what is left of a pod: its process, its address and its logs."""

    pod_uid: str


@dataclass(frozen=True, slots=True)
class SendProbe:
    """Run one probe; `timeout_s` is already divided by the cluster's speed."""

    probe_id: int
    kind: ProbeKind
    pod_uid: str
    container: str
    container_id: str
    action: CheckAction
    timeout_s: float


@dataclass(frozen=True, slots=True)
class RunHook:
    """Run a lifecycle hook, at most for `timeout_s`."""

    hook_id: int
    kind: HookKind
    pod_uid: str
    container: str
    container_id: str
    action: CheckAction
    timeout_s: float


# --- to the API server ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RegisterNode:
    """Create the Node, or bring an existing one's spec-independent parts up to date."""

    node: Node


@dataclass(frozen=True, slots=True)
class WriteNodeStatus:
    """Replace the status of the Node."""

    node: Node


@dataclass(frozen=True, slots=True)
class RenewLease:
    """Renew the node's Lease; `lease_duration_s` is what the Lease says, undivided by speed."""

    node_name: str
    lease_duration_s: float


@dataclass(frozen=True, slots=True)
class WritePodStatus:
    """Replace the status of a Pod, provided that it still has this uid."""

    namespace: str
    name: str
    uid: str
    status: PodStatus


@dataclass(frozen=True, slots=True)
class FinishPodDeletion:
    """Delete the Pod with grace period 0 and its uid as precondition."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class RecordEvent:
    """An Event about an object, from this kubelet. Best effort: its loss is not reported back."""

    kind: str
    namespace: str
    name: str
    uid: str
    type: Literal["Normal", "Warning"]
    reason: str
    message: str
    field_path: str = ""
    """`spec.containers{NAME}`, where a container is meant."""


# --- to whoever watches -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReadinessBecame:
    """What the kubelet holds of a pod's readiness changed; `reason` is for people."""

    namespace: str
    name: str
    uid: str
    ready: bool
    reason: str


RuntimeCommand = StartContainer | SignalContainer | StopPod | SendProbe | RunHook
ApiWrite = RegisterNode | WriteNodeStatus | RenewLease | WritePodStatus | FinishPodDeletion
Command = RuntimeCommand | ApiWrite | RecordEvent | ReadinessBecame
