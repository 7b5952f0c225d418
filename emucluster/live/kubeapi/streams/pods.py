"""Which container of a pod is meant, and on which node it is.

Source: kubernetes pkg/registry/core/pod/strategy.go (LogLocation, streamLocation,
validateContainer), pkg/kubelet/kubelet_pods.go (validateContainerLogStatus).
"""

from __future__ import annotations

from typing import Literal

from emucluster.core.errors import BadRequest, NotFound
from emucluster.core.objects import ContainerStatus, Node, Pod
from emucluster.live.kubeapi.api import KubeApi
from emucluster.live.kubeapi.request import Request

Run = Literal["current", "previous"]
"""Of the files that a node keeps for a container: of its newest run, or of the one before."""


def pod_of(api: KubeApi, request: Request) -> Pod:
    """The pod that a request names. Raises NotFound."""
    pod = api.existing(request, api.resource(request))
    assert isinstance(pod, Pod)
    return pod


def node_of(api: KubeApi, pod: Pod) -> Node:
    """Where it runs. Raises BadRequest before it is bound, NotFound when the node is gone."""
    name = pod.spec.node_name
    if not name:
        raise BadRequest(f"pod {pod.metadata.name} does not have a host assigned")
    node = api.store.get("Node", "", name)
    if not isinstance(node, Node):
        raise NotFound.of("nodes", name)
    return node


def container_of(pod: Pod, asked: str) -> str:
    """The container that is asked for, or the only one. Raises BadRequest."""
    spec = pod.spec
    names = [
        *(each.name for each in spec.init_containers),
        *(each.name for each in spec.containers),
        *(each.name for each in spec.ephemeral_containers),
    ]
    if asked:
        if asked not in names:
            raise BadRequest(f"container {asked} is not valid for pod {pod.metadata.name}")
        return asked
    if len(spec.containers) == 1:
        return spec.containers[0].name
    raise BadRequest(
        f"a container name must be specified for pod {pod.metadata.name}, "
        f"choose one of: [{' '.join(names)}]"
    )


def run_of(pod: Pod, container: str, *, previous: bool) -> Run:
    """Which of a container's logs to show. Raises BadRequest while it has none, saying why."""
    status = _status_of(pod, container)
    quoted = f'container "{container}" in pod "{pod.metadata.name}"'
    if status is None:
        raise BadRequest(f"{quoted} is not available")
    state, last = status.state, status.last_state.terminated
    if previous:
        if last is None:
            raise BadRequest(f"previous terminated {quoted} not found")
        # Until it is started again its last run is the newest that there is.
        return "previous" if state.running or state.terminated else "current"
    if state.running or state.terminated or last is not None:
        return "current"
    if state.waiting is None:
        raise BadRequest(f"{quoted} is waiting to start - no logs yet")
    why = {
        "ErrImagePull": "image can't be pulled",
        "ImagePullBackOff": "trying and failing to pull image",
    }
    reason = state.waiting.reason or ""
    raise BadRequest(f"{quoted} is waiting to start: {why.get(reason, reason)}")


def is_running(pod: Pod, container: str) -> bool:
    """Whether a container runs, as far as its kubelet has told."""
    status = _status_of(pod, container)
    return status is not None and status.state.running is not None


def _status_of(pod: Pod, container: str) -> ContainerStatus | None:
    status = pod.status
    known = (
        *status.container_statuses,
        *status.init_container_statuses,
        *status.ephemeral_container_statuses,
    )
    return next((each for each in known if each.name == container), None)
