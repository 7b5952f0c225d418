"""What the kubelet says in events and statuses, as kubectl users know it."""

from typing import Literal

from emucluster.core.kubelet.commands import RecordEvent
from emucluster.core.objects import Pod

EventType = Literal["Normal", "Warning"]

PULL_ERROR = "ErrImagePull"
PULL_BACK_OFF = "ImagePullBackOff"
CONFIG_ERROR = "CreateContainerConfigError"


def pod_event(pod: Pod, type_: EventType, reason: str, message: str) -> RecordEvent:
    meta = pod.metadata
    return RecordEvent("Pod", meta.namespace, meta.name, meta.uid, type_, reason, message)


def pulled(image: str) -> str:
    return f'Container image "{image}" already present on machine'


def stand_in(image: str) -> str:
    return f'Image "{image}" is not to be had here: emucluster/echo runs on its ports instead'


def go_duration(seconds: float) -> str:
    """`10s`, `1m20s`, `5m0s`, as Go prints a Duration."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
