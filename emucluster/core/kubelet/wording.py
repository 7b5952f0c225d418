"""What the kubelet says in events and statuses, as kubectl users know it."""

from collections.abc import Iterable
from typing import Literal

from emucluster.core.kubelet.commands import RecordEvent
from emucluster.core.objects import Pod

EventType = Literal["Normal", "Warning"]

PULL_ERROR = "ErrImagePull"
PULL_BACK_OFF = "ImagePullBackOff"
CONFIG_ERROR = "CreateContainerConfigError"


def pod_event(
    pod: Pod, type_: EventType, reason: str, message: str, *, about: str = ""
) -> RecordEvent:
    """`about`: the path of the container that is meant; "": all of the pod."""
    meta = pod.metadata
    return RecordEvent("Pod", meta.namespace, meta.name, meta.uid, type_, reason, message, about)


def node_event(name: str, type_: EventType, reason: str, message: str) -> RecordEvent:
    return RecordEvent("Node", "", name, name, type_, reason, message)


def pulled(image: str) -> str:
    return f'Container image "{image}" already present on machine'


def stand_in(image: str, ports: Iterable[int]) -> str:
    shown = ", ".join(map(str, ports))
    return f'Stand-in: emucluster/echo runs in place of image "{image}" on ports {shown}'


def stand_in_init(name: str, image: str) -> str:
    return f'Stand-in: init container {name} (image "{image}") completes at once with exit code 0'


def stand_in_probes(name: str, probes: Iterable[str], port: int) -> str:
    shown = ", ".join(probes)
    return f"Stand-in: probes of container {name} ask gRPC health on port {port}: {shown}"


def stand_in_hooks(name: str, hooks: Iterable[str]) -> str:
    return f"Stand-in: hooks of container {name} are skipped: {', '.join(hooks)}"


def go_duration(seconds: float) -> str:
    """`10s`, `1m20s`, `5m0s`, as Go prints a Duration."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
