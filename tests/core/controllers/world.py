"""A control plane on virtual time, with kubelets reduced to what the API sees of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from emucluster.core.admission.admission import Admission
from emucluster.core.controllers import CloudCommand, ControlPlane
from emucluster.core.durations import Speed
from emucluster.core.objects import (
    Deployment,
    EndpointSlice,
    Event,
    Lease,
    LeaseSpec,
    Node,
    NodeAddress,
    NodeCondition,
    NodeSpec,
    NodeStatus,
    Object,
    ObjectMeta,
    Pod,
    PodCondition,
    ReplicaSet,
    Service,
    replace,
)
from emucluster.core.store import Store

O = TypeVar("O", bound=Object)  # noqa: E741
START = datetime(2026, 1, 1, tzinfo=UTC)
ZONE = "topology.kubernetes.io/zone"


@dataclass
class World:
    """`step` lets controllers and kubelets act until nothing is left to do at this moment."""

    speed: float = 1.0
    cloud: str | None = "aws-nlb"
    kubelets: bool = True
    """Whether nodes make their pods run and become ready at once."""
    now_s: float = 1000.0
    commands: list[CloudCommand] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)
    """Nodes that have lost power."""

    def __post_init__(self) -> None:
        self.store = Store(ids=random.Random(1))
        self.admission = Admission(self.store, rng=random.Random(2))
        self.admission.bootstrap(self.stamp)
        self.plane = self.new_plane()
        self._ips = 0

    def new_plane(self) -> ControlPlane:
        plane = ControlPlane(
            self.admission, speed=Speed(self.speed), cloud=self.cloud, rng=random.Random(3)
        )
        plane.start(self.now_s)
        return plane

    @property
    def stamp(self) -> str:
        moment = START + timedelta(seconds=int(self.now_s))
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    # --- time ------------------------------------------------------------------------------------

    def step(self) -> None:
        for _ in range(200):
            self.commands += self.plane.step(self.now_s, self.stamp)
            before = self.store.version
            if self.kubelets:
                self._run_kubelets()
            wake_s = self.plane.next_wake_s()
            if self.store.version == before and (wake_s is None or wake_s > self.now_s):
                return
        raise AssertionError("the control plane does not come to rest")

    def run(self, seconds: float) -> None:
        """Passes time: the plane wakes when it wants to, live nodes renew every 10 s."""
        end_s = self.now_s + seconds
        self.step()
        while self.now_s < end_s:
            renewal_s = (self.now_s // 10 + 1) * 10
            wake_s = self.plane.next_wake_s()
            self.now_s = max(self.now_s, min(end_s, renewal_s, wake_s or end_s))
            if self.now_s == renewal_s:
                self.renew_leases()
            self.step()

    def run_until(self, true: Callable[[], bool], *, within_s: float) -> float:
        """Seconds that passed until it held."""
        start_s = self.now_s
        self.step()
        while not true():
            assert self.now_s - start_s < within_s, f"not within {within_s:g} s"
            self.run(1)
        return self.now_s - start_s

    # --- nodes -----------------------------------------------------------------------------------

    def add_node(self, name: str, *, zone: str = "", pods: int = 110, **labels: str) -> Node:
        labelled = {"kubernetes.io/hostname": name, **labels, **({ZONE: zone} if zone else {})}
        address = f"127.16.0.{len(self.nodes()) + 1}"
        return self.create(
            Node(
                metadata=ObjectMeta(name=name, labels=labelled),
                spec=NodeSpec(),
                status=NodeStatus(
                    allocatable={"pods": str(pods)},
                    addresses=(NodeAddress(type="InternalIP", address=address),),
                    conditions=(self._ready(),),
                ),
            )
        )

    def _ready(self) -> NodeCondition:
        return NodeCondition(
            type="Ready",
            status="True",
            reason="KubeletReady",
            last_heartbeat_time=self.stamp,
            last_transition_time=self.stamp,
        )

    def renew_leases(self) -> None:
        for node in self.nodes():
            name = node.metadata.name
            if name in self.silent:
                continue
            spec = LeaseSpec(holder_identity=name, renew_time=self.stamp)
            old = self.store.get(Lease, "kube-node-lease", name)
            if old is None:
                meta = ObjectMeta(name=name, namespace="kube-node-lease")
                self.create(Lease(metadata=meta, spec=spec))
            else:
                self.update(replace(old, spec=spec))

    def come_back(self, name: str) -> None:
        """The node posts its status again; its pods are restarted by their kubelet."""
        self.silent.discard(name)
        node = self.get(Node, name)
        others = tuple(c for c in node.status.conditions if c.type != "Ready")
        status = replace(node.status, conditions=(*others, self._ready()))
        self.update_status(replace(node, status=status))
        self.renew_leases()

    def _run_kubelets(self) -> None:
        live = {node.metadata.name for node in self.nodes()} - self.silent
        for pod in list(self.store.list(Pod)):
            if pod.spec.node_name not in live:
                continue
            if pod.metadata.deletion_timestamp is not None:
                self.delete(pod, grace_period_s=0)
            elif pod.status.phase != "Running" or not ready(pod):
                self.set_ready(pod)

    def set_ready(self, pod: Pod, *, is_ready: bool = True) -> Pod:
        self._ips += 0 if pod.status.pod_ip else 1
        ip = pod.status.pod_ip or f"127.32.{self._ips >> 8}.{self._ips & 255}"
        others = tuple(c for c in pod.status.conditions if c.type != "Ready")
        told = PodCondition(
            type="Ready",
            status="True" if is_ready else "False",
            last_transition_time=self.stamp,
        )
        status = replace(pod.status, phase="Running", pod_ip=ip, conditions=(*others, told))
        return self.update_status(replace(pod, status=status))

    # --- objects ---------------------------------------------------------------------------------

    def create(self, obj: O) -> O:
        return self.admission.create(obj, stamp=self.stamp)

    def update(self, obj: O) -> O:
        return self.admission.update(obj, stamp=self.stamp)

    def update_status(self, obj: O) -> O:
        return self.admission.update(obj, stamp=self.stamp, subresource="status")

    def delete(self, obj: Object, **how: Any) -> None:
        self.admission.delete(
            obj.kind, obj.metadata.namespace, obj.metadata.name, stamp=self.stamp, **how
        )

    def get(self, kind: type[O], name: str, namespace: str | None = None) -> O:
        if namespace is None:
            namespace = "" if kind is Node else "default"
        found = self.store.get(kind, namespace, name)
        assert found is not None, f"no {kind.kind} {name}"
        return found

    def nodes(self) -> list[Node]:
        return list(self.store.list(Node))

    def pods(self, **labels: str) -> list[Pod]:
        """Pods in the order of creation, without those that end or have ended."""
        found = self.store.list(Pod, "default")
        return [
            pod
            for pod in found
            if pod.metadata.deletion_timestamp is None
            and labels.items() <= (pod.metadata.labels or {}).items()
        ]

    def replicasets(self) -> list[ReplicaSet]:
        return list(self.store.list(ReplicaSet))

    def slices(self, service: str) -> list[EndpointSlice]:
        wanted = f"kubernetes.io/service-name={service}"
        return list(self.store.list(EndpointSlice, label_selector=wanted))

    def told(self, reason: str) -> list[str]:
        """Messages of the Events with this reason."""
        return [e.message or "" for e in self.store.list(Event) if e.reason == reason]

    def deploy(self, name: str = "web", replicas: int = 3, **spec: Any) -> Deployment:
        return self.create(deployment(name, replicas, **spec))

    def expose(self, name: str = "web", **spec: Any) -> Service:
        return self.create(service(name, **spec))


def ready(pod: Pod) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions)


def deployment(
    name: str, replicas: int, *, image: str = "emucluster/echo", **spec: Any
) -> Deployment:
    """Keywords of the spec in their JSON names; `template_spec` goes into the pod's."""
    template_spec = spec.pop("template_spec", {})
    container = {"name": "echo", "image": image, "ports": [{"containerPort": 50051}]}
    tree = {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container], **template_spec},
            },
            **spec,
        },
    }
    return msgspec.convert(tree, Deployment)


def service(name: str, **spec: Any) -> Service:
    meta = {"name": name, "namespace": "default", **spec.pop("metadata", {})}
    ports = [{"port": 80, "targetPort": 50051}]
    tree = {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": meta,
        "spec": {"selector": {"app": name}, "ports": ports, **spec},
    }
    return msgspec.convert(tree, Service)


def pod(name: str, labels: dict[str, str] | None = None, **spec: Any) -> Pod:
    tree = {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "default", "labels": labels or {}},
        "spec": {"containers": [{"name": "echo", "image": "emucluster/echo"}], **spec},
    }
    return msgspec.convert(tree, Pod)
