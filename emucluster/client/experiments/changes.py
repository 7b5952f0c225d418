"""What operations change in objects, and what puts it back; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from emucluster.core.objects import (
    Container,
    Deployment,
    Node,
    Object,
    ObjectMeta,
    Pod,
    Service,
    Taint,
    replace,
)

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
"""The annotation of the pod template that `kubectl rollout restart` sets."""
TO_BE_DELETED = "ToBeDeletedByClusterAutoscaler"
"""The taint that cluster-autoscaler sets before it removes a node."""

Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One kind of operation upon one object.

    Attributes:
        do: the object as it should be; `stamp` is now, as metav1.Time prints it.
        undo: from the object as it is now and as it was before, the object with what `do` changed
            put back, and what others changed meanwhile left alone.
        seen: what tells that `do` took effect, from the object as another client reads it; empty:
            nothing yet.
    """

    do: Callable[[Any, Params, str], Object]
    undo: Callable[[Any, Any], Object]
    seen: Callable[[Any, Any, Params], str]


def evictable(pod: Pod) -> bool:
    """Whether a drain evicts it: not what has ended or goes already, nor a pod that nobody would
    make anew, for which `kubectl drain` wants --force, nor one of a DaemonSet, which would be made
    anew on the same node (`--ignore-daemonsets`)."""
    owned = any(
        owner.controller and owner.kind != "DaemonSet" for owner in pod.metadata.owner_references
    )
    ended = pod.status.phase in ("Succeeded", "Failed")
    return owned and not ended and not pod.metadata.deletion_timestamp


# --- Deployments ---------------------------------------------------------------------------------


def _restart(found: Deployment, _params: Params, stamp: str) -> Deployment:
    template = found.spec.template
    meta = template.metadata or ObjectMeta()
    annotations = {**(meta.annotations or {}), RESTARTED_AT: stamp}
    return _with_template(found, metadata=replace(meta, annotations=annotations))


def _keep(found: Object, _before: Object) -> Object:
    """A new revision is not an outage: rolling it back would be a second one."""
    return found


def _restarted(found: Deployment, before: Deployment, _params: Params) -> str:
    same = _annotation(found) == _annotation(before)
    return "" if same else _observed(found, before, "a new revision")


def _annotation(found: Deployment) -> str:
    meta = found.spec.template.metadata
    return ((meta.annotations if meta else None) or {}).get(RESTARTED_AT, "")


def _scale(found: Deployment, params: Params, _stamp: str) -> Deployment:
    return replace(found, spec=replace(found.spec, replicas=int(params["replicas"])))


def _unscale(found: Deployment, before: Deployment) -> Deployment:
    return replace(found, spec=replace(found.spec, replicas=before.spec.replicas))


def _scaled(found: Deployment, before: Deployment, params: Params) -> str:
    wanted = int(params["replicas"])
    same = found.spec.replicas != wanted
    return "" if same else _observed(found, before, f"replicas {wanted}")


def _wrong_probe(found: Deployment, params: Params, _stamp: str) -> Deployment:
    containers = [_with_wrong_probe(c, str(params["service"])) for c in _containers(found)]
    return _with_containers(found, tuple(containers))


def _with_wrong_probe(container: Container, service: str) -> Container:
    probe = container.readiness_probe
    if probe is None:
        return container
    if probe.grpc is not None:
        probe = replace(probe, grpc=replace(probe.grpc, service=service))
    elif probe.http_get is not None:
        probe = replace(probe, http_get=replace(probe.http_get, path=f"/{service}"))
    return replace(container, readiness_probe=probe)


def _right_probe(found: Deployment, before: Deployment) -> Deployment:
    probes = {c.name: c.readiness_probe for c in _containers(before)}
    return _with_containers(
        found,
        tuple(
            replace(c, readiness_probe=probes.get(c.name, c.readiness_probe))
            for c in _containers(found)
        ),
    )


def _probes_wrong(found: Deployment, before: Deployment, _params: Params) -> str:
    same = [c.readiness_probe for c in _containers(found)] == [
        c.readiness_probe for c in _containers(before)
    ]
    return "" if same else _observed(found, before, "the wrong readiness probe")


def _observed(found: Deployment, before: Deployment, what: str) -> str:
    """Not before the Deployment's controller has seen it too."""
    generation = found.metadata.generation or 0
    if generation <= (before.metadata.generation or 0):
        return ""
    if (found.status.observed_generation or 0) < generation:
        return ""
    return f"its controller acts on generation {generation}, with {what}"


def _containers(found: Deployment) -> tuple[Container, ...]:
    spec = found.spec.template.spec
    return spec.containers if spec is not None else ()


def _with_containers(found: Deployment, containers: tuple[Container, ...]) -> Deployment:
    spec = found.spec.template.spec
    assert spec is not None, "a Deployment without containers is not admitted"
    return _with_template(found, spec=replace(spec, containers=containers))


def _with_template(found: Deployment, **fields: Any) -> Deployment:
    template = replace(found.spec.template, **fields)
    return replace(found, spec=replace(found.spec, template=template))


# --- Services ------------------------------------------------------------------------------------


def _select(found: Service, params: Params, _stamp: str) -> Service:
    selector = {str(key): str(value) for key, value in params["selector"].items()}
    return replace(found, spec=replace(found.spec, selector=selector))


def _reselect(found: Service, before: Service) -> Service:
    return replace(found, spec=replace(found.spec, selector=before.spec.selector))


def _selected(found: Service, before: Service, _params: Params) -> str:
    same = found.spec.selector == before.spec.selector
    return "" if same else f"it selects {_labels(found.spec.selector)}"


def _wrong_port(found: Service, params: Params, _stamp: str) -> Service:
    ports = tuple(replace(p, target_port=int(params["port"])) for p in found.spec.ports)
    return replace(found, spec=replace(found.spec, ports=ports))


def _right_port(found: Service, before: Service) -> Service:
    right = {port.port: port.target_port for port in before.spec.ports}
    ports = tuple(
        replace(port, target_port=right.get(port.port, port.target_port))
        for port in found.spec.ports
    )
    return replace(found, spec=replace(found.spec, ports=ports))


def _port_wrong(found: Service, before: Service, params: Params) -> str:
    same = found.spec.ports == before.spec.ports
    return "" if same else f"its target port is {params['port']}"


def _labels(labels: Mapping[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in (labels or {}).items()) or "nothing"


# --- Nodes ---------------------------------------------------------------------------------------


def _cordon(found: Node, _params: Params, _stamp: str) -> Node:
    return replace(found, spec=replace(found.spec, unschedulable=True))


def _uncordon(found: Node, before: Node) -> Node:
    return replace(found, spec=replace(found.spec, unschedulable=before.spec.unschedulable))


def _cordoned(found: Node, _before: Node, _params: Params) -> str:
    return "it is unschedulable" if found.spec.unschedulable else ""


def _doom(found: Node, _params: Params, _stamp: str) -> Node:
    taint = Taint(key=TO_BE_DELETED, effect="NoSchedule")
    taints = (*_other_taints(found), taint)
    return replace(found, spec=replace(found.spec, taints=taints))


def _spare(found: Node, _before: Node) -> Node:
    return replace(found, spec=replace(found.spec, taints=_other_taints(found)))


def _removed(found: Node, before: Node, _params: Params) -> str:
    """It is there: only another Node of this name tells that the old one is gone."""
    return "it is registered anew" if found.metadata.uid != before.metadata.uid else ""


def _other_taints(found: Node) -> tuple[Taint, ...]:
    return tuple(taint for taint in found.spec.taints if taint.key != TO_BE_DELETED)


CHANGES: dict[str, Change] = {
    "rolling-update": Change(_restart, _keep, _restarted),
    "scale": Change(_scale, _unscale, _scaled),
    "wrong-probe-path": Change(_wrong_probe, _right_probe, _probes_wrong),
    "wrong-selector": Change(_select, _reselect, _selected),
    "wrong-port": Change(_wrong_port, _right_port, _port_wrong),
    "drain": Change(_cordon, _uncordon, _cordoned),
    "node-removal": Change(_doom, _spare, _removed),
}
"""Kind of operation -> its change; `apply` brings a document of its own."""
