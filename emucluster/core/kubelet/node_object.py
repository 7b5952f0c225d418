"""The Node that a kubelet registers."""

from __future__ import annotations

from emucluster.core.addresses import AGENT_PORT
from emucluster.core.kubelet.settings import KubeletSettings
from emucluster.core.objects import (
    DaemonEndpoint,
    Node,
    NodeAddress,
    NodeCondition,
    NodeDaemonEndpoints,
    NodeSpec,
    NodeStatus,
    NodeSystemInfo,
    ObjectMeta,
)

HEALTHY = (
    (
        "MemoryPressure",
        "False",
        "KubeletHasSufficientMemory",
        "kubelet has sufficient memory available",
    ),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)
"""Type, status, reason and message of the conditions of a kubelet that runs."""

ANNOTATIONS = {
    "node.alpha.kubernetes.io/ttl": "0",
    "volumes.kubernetes.io/controller-managed-attach-detach": "true",
}
"""What every node is given: for how many seconds kubelets may keep Secrets and ConfigMaps (by the
controller pkg/controller/ttl; 0 up to a hundred nodes), and who attaches volumes (by kubelets)."""


def node_object(
    name: str,
    settings: KubeletSettings,
    *,
    boot_id: str,
    conditions: tuple[NodeCondition, ...] = (),
) -> Node:
    """Node `name`, with the labels, addresses and capacity that a cloud's node has."""
    labels = {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/region": settings.region,
    }
    if settings.zone:
        labels["topology.kubernetes.io/zone"] = settings.zone
    return Node(
        metadata=ObjectMeta(name=name, labels=labels, annotations=dict(ANNOTATIONS)),
        spec=NodeSpec(
            pod_cidr=settings.pod_cidr,
            pod_cidrs=(settings.pod_cidr,),
            provider_id=f"emucluster:///{settings.zone}/{name}",
        ),
        status=_status(name, settings, boot_id, conditions),
    )


def _status(
    name: str, settings: KubeletSettings, boot_id: str, conditions: tuple[NodeCondition, ...]
) -> NodeStatus:
    capacity = settings.capacity
    return NodeStatus(
        addresses=(
            NodeAddress(type="InternalIP", address=settings.address),
            NodeAddress(type="Hostname", address=name),
        ),
        capacity=capacity,
        allocatable=capacity,
        conditions=conditions,
        daemon_endpoints=NodeDaemonEndpoints(kubelet_endpoint=DaemonEndpoint(port=AGENT_PORT)),
        node_info=NodeSystemInfo(
            architecture="amd64",
            boot_id=boot_id,
            container_runtime_version="emucluster://0.1.0",
            kernel_version="emulated",
            kube_proxy_version=settings.version,
            kubelet_version=settings.version,
            machine_id=name,
            operating_system="linux",
            os_image="emucluster",
            system_uuid=name,
        ),
    )


def boot_id_of(bits: int) -> str:
    """128 random bits in the shape of /proc/sys/kernel/random/boot_id."""
    text = f"{bits:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
