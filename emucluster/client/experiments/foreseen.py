"""What can be told of an experiment's plan before its cluster exists; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emucluster.client.experiments.fitting import options
from emucluster.client.experiments.topology import ZONE_LABEL, topology_of
from emucluster.core.errors import UsageError
from emucluster.core.objects import (
    Deployment,
    Node,
    Object,
    ObjectMeta,
    OwnerReference,
    Pod,
    PodSpec,
    Service,
    replace,
)
from emucluster.experiment.hypothesis_spec import EndpointsMatch
from emucluster.experiment.plan import expand
from emucluster.experiment.plan_error import PlanError
from emucluster.experiment.rules import fault_name
from emucluster.experiment.spec import Cluster, Experiment, Selector
from emucluster.experiment.targets import ends, selector

_FORESEEABLE = ("node", "zone", "deployment", "service", "lb", "dns", "kube-proxy", "control-plane")
"""Kinds of targets that are known before pods are placed."""
_FORESEEABLE_ENDS = ("node", "zone", "lb", "control-plane", "outside")
"""Likewise, as ends of a link."""


def check_foreseen(label: str, experiment: Experiment, objects: Sequence[Object]) -> None:
    """Raise UsageError for what cannot be, in a cluster that holds nothing but the manifests.

    That is: calls to a Service or pod, or from a pod, that nobody makes; questions about such a
    Service; faults on nodes, zones, Deployments and Services that will not be there, or on more of
    them than the limits allow.
    """
    _check_workload(label, experiment, objects)
    _check_hypotheses(label, experiment, objects)
    foreseen = topology_of(list(_objects(experiment.cluster, objects)), [])
    try:
        expand(experiment, foreseen, experiment.seed)
    except PlanError as error:
        names = [fault_name(experiment, index) for index in range(len(experiment.faults))]
        index = names.index(error.fault)
        if _is_foreseeable(selector(experiment.faults[index].target)):
            raise UsageError(f"{label}: faults[{index}]: {error}") from None


def _is_foreseeable(target: Selector) -> bool:
    if target.kind != "link":
        return target.kind in _FORESEEABLE
    return all(end is None or end.kind in _FORESEEABLE_ENDS for end in ends(target))


def _check_workload(label: str, experiment: Experiment, objects: Sequence[Object]) -> None:
    made = _made(objects)
    for index, group in enumerate(experiment.workload):
        for field, text in (("target", group.target), ("source", group.source)):
            kind, _, rest = text.partition("/")
            name = rest.partition(":")[0]
            # The Pods of Deployments have names that nobody knows before.
            if kind not in ("service", "pod") or (kind, group.namespace, name) in made:
                continue
            raise UsageError(
                f"{label}: workload[{index}].{field}: no manifest makes {kind}/{name} in "
                f"namespace {group.namespace}"
            )


def _check_hypotheses(label: str, experiment: Experiment, objects: Sequence[Object]) -> None:
    made = _made(objects)
    for index, asked in enumerate(experiment.hypotheses):
        if not isinstance(asked, EndpointsMatch) or not asked.service:
            continue
        namespace, _, name = asked.service_name.partition("/")
        if ("service", namespace, name) not in made:
            raise UsageError(
                f"{label}: hypotheses[{index}].service: no manifest makes service/{name} in "
                f"namespace {namespace}"
            )


def _made(objects: Sequence[Object]) -> set[tuple[str, str, str]]:
    """Kind, namespace and name of what the manifests make."""
    return {
        (obj.kind.lower(), obj.metadata.namespace or "default", obj.metadata.name)
        for obj in objects
    }


def _objects(cluster: Cluster, objects: Sequence[Object]) -> Iterator[Object]:
    zones = options(cluster).zone_names
    nodes = [f"node-{number + 1}" for number in range(cluster.nodes)]
    for number, node in enumerate(nodes):
        labels = {ZONE_LABEL: zones[number % len(zones)], "kubernetes.io/hostname": node}
        yield Node(metadata=ObjectMeta(name=node, labels=labels))
    for obj in objects:
        meta = replace(obj.metadata, namespace=obj.metadata.namespace or "default")
        if isinstance(obj, Service | Pod | Deployment):
            yield replace(obj, metadata=meta)
        if isinstance(obj, Deployment):
            replicas = 1 if obj.spec.replicas is None else obj.spec.replicas
            for number in range(replicas):
                yield _pod(obj, meta, number, nodes[number % len(nodes)])


def _pod(owner: Deployment, meta: ObjectMeta, number: int, node: str) -> Pod:
    template = owner.spec.template.metadata or ObjectMeta()
    reference = OwnerReference(
        api_version=owner.api_version, kind=owner.kind, name=meta.name, uid="", controller=True
    )
    return Pod(
        metadata=ObjectMeta(
            name=f"{meta.name}-{number}",
            namespace=meta.namespace,
            labels=template.labels,
            owner_references=(reference,),
        ),
        spec=PodSpec(node_name=node),
    )
