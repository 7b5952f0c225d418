"""What `wait_ready` waits for: until the first call works, wherever it is made."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from emucluster.client.api import ApiClient
from emucluster.client.lab import AgentClient, LabClient, Machine
from emucluster.core.errors import ClusterError, EmuclusterError
from emucluster.core.objects import (
    DaemonSet,
    Deployment,
    EndpointSlice,
    Node,
    Object,
    Pod,
    Service,
    StatefulSet,
)
from emucluster.core.objects.registry import resource_of

POLL_S = 0.1
LABEL_SERVICE_NAME = "kubernetes.io/service-name"


class NotReady(ClusterError):
    """The cluster did not become ready in time; the message names what is missing."""


def wait_until(missing: Callable[[], list[str]], *, timeout_s: float) -> None:
    """Ask until `missing` has nothing to say. Raises NotReady with what it said last."""
    deadline_s = time.monotonic() + timeout_s
    while left := missing():
        if time.monotonic() >= deadline_s:
            shown = "; ".join(left[:8]) + (f"; and {len(left) - 8} more" if len(left) > 8 else "")
            raise NotReady(f"not ready after {timeout_s:g} s: {shown}")
        time.sleep(POLL_S)


def objects_missing(objects: Sequence[Object], *, with_cloud: bool) -> list[str]:
    """Which objects are not ready yet, in words; pure.

    Args:
        objects: Nodes, workloads, Pods and Services; others are ready.
        with_cloud: whether LoadBalancer Services will ever get an address.
    """
    return [f"{_title(obj)}: {why}" for obj in objects for why in _reasons(obj, with_cloud)]


def endpoints_missing(objects: Sequence[Object], slices: Sequence[Object]) -> list[str]:
    """Which ready Pods are not among the ready endpoints of their Services yet; pure.

    A Pod is ready a moment before its Services' EndpointSlices say so.
    """
    listed = {
        (piece.metadata.namespace, labels.get(LABEL_SERVICE_NAME), address)
        for piece in slices
        if isinstance(piece, EndpointSlice) and (labels := piece.metadata.labels or {})
        for endpoint in piece.endpoints
        if endpoint.conditions.ready is not False
        for address in endpoint.addresses
    }
    ready = [
        obj
        for obj in objects
        if isinstance(obj, Pod)
        and not obj.metadata.deletion_timestamp
        and _condition(obj.status.conditions, "Ready") == "True"
    ]
    return [
        f"{_title(service)}: {pod.metadata.name} is not among its endpoints yet"
        for service in objects
        if isinstance(service, Service) and service.spec.selector
        for pod in ready
        if pod.metadata.namespace == service.metadata.namespace
        and service.spec.type != "ExternalName"
        and service.spec.selector.items() <= (pod.metadata.labels or {}).items()
        and (service.metadata.namespace, service.metadata.name, pod.status.pod_ip) not in listed
    ]


def _newest(objects: Sequence[Object]) -> int:
    """The newest change of what nodes route by, Services and EndpointSlices.

    Not the version of a list: that moves with every Lease, of which nodes are told nothing.
    """
    routes = [obj for obj in objects if isinstance(obj, EndpointSlice | Service)]
    return max((int(obj.metadata.resource_version) for obj in routes), default=0)


def _reasons(obj: Object, with_cloud: bool) -> Iterator[str]:
    if isinstance(obj, Node):
        if _condition(obj.status.conditions, "Ready") != "True":
            yield "not Ready"
    elif isinstance(obj, DaemonSet | Deployment | StatefulSet):
        yield from _workload_reasons(obj)
    elif isinstance(obj, Pod):
        gone = obj.metadata.deletion_timestamp or obj.status.phase == "Succeeded"
        if not gone and _condition(obj.status.conditions, "Ready") != "True":
            yield f"not Ready ({_why(obj)})"
    elif isinstance(obj, Service) and obj.spec.type == "LoadBalancer" and with_cloud:
        balancer = obj.status.load_balancer
        if balancer is None or not balancer.ingress:
            yield "no address from the cloud yet"


def _workload_reasons(obj: DaemonSet | Deployment | StatefulSet) -> Iterator[str]:
    """What `kubectl rollout status` would wait for."""
    if (obj.status.observed_generation or 0) < (obj.metadata.generation or 0):
        yield "not observed yet"
    elif isinstance(obj, DaemonSet):
        wanted, available = obj.status.desired_number_scheduled, obj.status.number_available or 0
        if available < wanted:
            yield f"{available} of {wanted} pods available"
        elif obj.spec.update_strategy.type != "OnDelete" and (
            (obj.status.updated_number_scheduled or 0) < wanted
        ):
            yield "old pods are still there"
    elif isinstance(obj, StatefulSet):
        wanted = 1 if obj.spec.replicas is None else obj.spec.replicas
        available = obj.status.available_replicas or 0
        rolling = obj.spec.update_strategy.rolling_update
        held_back = (rolling.partition if rolling else None) or 0
        if available < wanted:
            yield f"{available} of {wanted} replicas available"
        elif obj.spec.update_strategy.type != "OnDelete" and (
            (obj.status.updated_replicas or 0) < wanted - held_back
        ):
            yield "old replicas are still there"
    else:
        wanted, status = 1 if obj.spec.replicas is None else obj.spec.replicas, obj.status
        if (status.updated_replicas or 0) < wanted or (status.available_replicas or 0) < wanted:
            yield f"{status.available_replicas or 0} of {wanted} replicas available"
        elif (status.replicas or 0) > (status.updated_replicas or 0):
            yield "old replicas are still there"


def _why(pod: Pod) -> str:
    for status in pod.status.container_statuses:
        if status.state.waiting is not None and status.state.waiting.reason:
            return status.state.waiting.reason
    return pod.status.reason or pod.status.phase or "Pending"


def _condition(conditions: Sequence[Any], type_: str) -> str:
    return next((str(c.status) for c in conditions if c.type == type_), "Unknown")


def _title(obj: Object) -> str:
    name = f"{resource_of(obj).singular}/{obj.metadata.name}"
    if obj.metadata.namespace in ("", "default"):
        return name
    return f"{name} in {obj.metadata.namespace}"


class Readiness:
    """Looks at the objects, then at what nodes and load balancers have learnt of them.

    Args:
        of_balancer: why a load balancer is not ready yet, from what it tells of itself; None:
            `balancer_lag`.
    """

    def __init__(
        self,
        api: ApiClient,
        lab: LabClient,
        token: str,
        *,
        namespace: str | None,
        of_balancer: Callable[[dict[str, Any]], str] | None = None,
    ) -> None:
        self._api = api
        self._lab = lab
        self._token = token
        self._namespace = namespace
        self._of_balancer = of_balancer or balancer_lag
        self._with_cloud = lab.status().cloud != "none"
        self._behind: dict[str, Machine] | None = None
        self._version = 0

    def missing(self) -> list[str]:
        """What is not ready yet, in words."""
        if self._behind is None:
            objects: list[Object] = self._api.list("Node")
            for kind in ("DaemonSet", "Deployment", "StatefulSet", "Pod", "Service"):
                objects += self._api.list(kind, self._namespace)
            if left := objects_missing(objects, with_cloud=self._with_cloud):
                return left
            slices = self._api.list("EndpointSlice", self._namespace)
            if left := endpoints_missing(objects, slices):
                return left
            self._version = _newest([*objects, *slices])
            machines = self._lab.status().machines
            self._behind = {m.name: m for m in machines if m.kind in ("node", "load-balancer")}
        left = []
        for machine in list(self._behind.values()):
            if why := self._lag(machine):
                left.append(f"{machine.name}: {why}")
            else:
                del self._behind[machine.name]
        return left

    def _lag(self, machine: Machine) -> str:
        agent = AgentClient(machine, self._token)
        try:
            facts = json.loads(agent.describe() or b"{}")
        except EmuclusterError as error:
            return str(error)
        finally:
            agent.close()
        if machine.kind == "node":
            return node_lag(facts, self._version)
        return self._of_balancer(facts)


def node_lag(facts: dict[str, Any], version: int) -> str:
    """Why a node does not route by `version` yet; empty when it does."""
    seen = facts.get("version")
    if seen is None:
        return "has not heard from the API server yet"
    return "" if int(seen) >= version else f"its proxy is at version {seen}, not yet {version}"


def balancer_lag(facts: dict[str, Any]) -> str:
    """Why a load balancer sends no traffic yet; empty when each port has a healthy target."""
    targets = facts.get("targets") or []
    if not targets:
        return "has no targets yet"
    if not any(target.get("state") == "healthy" for target in targets):
        return "no target is healthy yet"
    waiting = [str(t.get("node")) for t in targets if t.get("state") == "initial"]
    return f"targets not checked yet: {', '.join(waiting)}" if waiting else ""
