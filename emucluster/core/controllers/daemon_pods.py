"""Where a DaemonSet's pods belong, and how one is made (kubernetes/pkg/controller/daemon).

NodeShouldRunDaemonPod of daemon_controller.go; tolerations and affinity of util/daemonset_util.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from emucluster.core.admission.generated_names import generated_name
from emucluster.core.objects import (
    Affinity,
    DaemonSet,
    Node,
    NodeAffinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    ObjectMeta,
    Pod,
    PodSpec,
    Toleration,
    replace,
)

from .feasibility import HARD, PodClass, untolerated
from .history import HASH_LABEL
from .podstate import controller_ref

_NO_EXECUTE = frozenset({"NoExecute"})
_TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
_HOST_NETWORK = ("node.kubernetes.io/network-unavailable", "NoSchedule")


@dataclass(frozen=True, slots=True)
class DaemonTemplate:
    """What of a DaemonSet decides about nodes, worked out once for each template."""

    spec: PodSpec
    pod_class: PodClass

    @classmethod
    def of(cls, daemonset: DaemonSet) -> DaemonTemplate:
        spec = with_tolerations(daemonset.spec.template.spec)
        return cls(spec, PodClass.of_spec(spec))

    def fits(self, node: Node) -> tuple[bool, bool]:
        """Whether a pod should be started on a node, and whether one that is there may stay."""
        name = self.spec.node_name
        if (name and name != node.metadata.name) or not self.pod_class.is_affine(node):
            return False, False
        tolerations, taints = self.pod_class.tolerations, node.spec.taints
        if not untolerated(tolerations, taints, HARD):
            return True, True
        return False, not untolerated(tolerations, taints, _NO_EXECUTE)

    def pod(self, daemonset: DaemonSet, node: str, revision: str, rng: Random) -> Pod:
        """A pod for one node; the scheduler binds it there, as it names no other."""
        template = daemonset.spec.template.metadata
        base = f"{daemonset.metadata.name}-"
        return Pod(
            metadata=ObjectMeta(
                name=generated_name(base, rng),
                generate_name=base,
                namespace=daemonset.metadata.namespace,
                labels={**(template.labels or {}), HASH_LABEL: revision},
                annotations=template.annotations,
                finalizers=template.finalizers,
                owner_references=(controller_ref(daemonset),),
            ),
            spec=replace(self.spec, affinity=_pinned_to(node, self.spec.affinity)),
        )


def with_tolerations(spec: PodSpec) -> PodSpec:
    """What every DaemonSet's pods tolerate: they stay on nodes that others have to leave."""
    wanted = (*_TOLERATED, _HOST_NETWORK) if spec.host_network else _TOLERATED
    added = tuple(
        toleration
        for key, effect in wanted
        if (toleration := Toleration(key=key, operator="Exists", effect=effect))
        not in [replace(each, toleration_seconds=None) for each in spec.tolerations]
    )
    # A limit in time on one of these is lifted.
    own = {(key, effect) for key, effect in wanted}
    kept = tuple(
        replace(each, toleration_seconds=None)
        if each.operator == "Exists" and (each.key, each.effect) in own
        else each
        for each in spec.tolerations
    )
    return replace(spec, tolerations=(*kept, *added))


def _pinned_to(node: str, affinity: Affinity | None) -> Affinity:
    name = NodeSelectorRequirement(key="metadata.name", operator="In", values=(node,))
    required = NodeSelector(node_selector_terms=(NodeSelectorTerm(match_fields=(name,)),))
    affinity = affinity or Affinity()
    nodes = replace(
        affinity.node_affinity or NodeAffinity(),
        required_during_scheduling_ignored_during_execution=required,
    )
    return replace(affinity, node_affinity=nodes)


def target_node(pod: Pod) -> str:
    """The node that a DaemonSet's pod is on or is meant for; "" if it says of none."""
    if pod.spec.node_name:
        return pod.spec.node_name
    names = PodClass.of(pod).pinned()
    return next(iter(names)) if names is not None and len(names) == 1 else ""
