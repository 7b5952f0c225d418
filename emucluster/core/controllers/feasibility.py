"""Which nodes a pod may go to by what both declare, apart from what is in use.

Pods with the same answer for every node are of one class, and the scheduler keeps one set of nodes
for each class (plugins NodeUnschedulable, TaintToleration and NodeAffinity of kube-scheduler).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from emucluster.core.objects import (
    Node,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    Pod,
    PodSpec,
    PreferredSchedulingTerm,
    Taint,
    Toleration,
)

from .selectors import NO_LABELS, has_labels, satisfies

UNSCHEDULABLE_TAINT = Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")
UNSCHEDULABLE = "node(s) were unschedulable"
AFFINITY = "node(s) didn't match Pod's node affinity/selector"


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Whether one toleration covers one taint (k8s.io/component-helpers: ToleratesTaint)."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    match toleration.operator or "Equal":
        case "Exists":
            return True
        case "Equal":
            return bool(toleration.key) and (toleration.value or "") == (taint.value or "")
    return False


def untolerated(
    tolerations: Iterable[Toleration], taints: Iterable[Taint], effects: frozenset[str]
) -> list[Taint]:
    """The taints with one of these effects that no toleration covers."""
    known = tuple(tolerations)
    return [
        taint
        for taint in taints
        if taint.effect in effects and not any(tolerates(each, taint) for each in known)
    ]


HARD = frozenset({"NoSchedule", "NoExecute"})
SOFT = frozenset({"PreferNoSchedule"})


@dataclass(frozen=True, slots=True)
class PodClass:
    """What of a pod decides on which nodes it may run."""

    selector: tuple[tuple[str, str], ...]
    tolerations: tuple[Toleration, ...]
    required: tuple[NodeSelectorTerm, ...] | None
    preferred: tuple[PreferredSchedulingTerm, ...]

    @classmethod
    def of(cls, pod: Pod) -> PodClass:
        return cls.of_spec(pod.spec)

    @classmethod
    def of_spec(cls, spec: PodSpec) -> PodClass:
        affinity = spec.affinity.node_affinity if spec.affinity else None
        required = preferred = None
        if affinity is not None:
            selector = affinity.required_during_scheduling_ignored_during_execution
            required = selector.node_selector_terms if selector is not None else None
            preferred = affinity.preferred_during_scheduling_ignored_during_execution
        return cls(
            selector=tuple(sorted((spec.node_selector or {}).items())),
            tolerations=spec.tolerations,
            required=required,
            preferred=preferred or (),
        )

    def pinned(self) -> frozenset[str] | None:
        """The only nodes that come into question, where the pod names them; None: all.

        As the PreFilter of NodeAffinity reads `matchFields`; a DaemonSet's pods are pinned so.
        """
        if self.required is None:
            return None
        named: set[str] = set()
        for term in self.required:
            fields = [each for each in term.match_fields if each.operator == "In"]
            if not fields:
                return None
            named |= set.intersection(*(set(each.values) for each in fields))
        return frozenset(named)

    def refusal(self, node: Node) -> str | None:
        """Why no pod of this class may go to the node, in kube-scheduler's words; None: it may."""
        if node.spec.unschedulable and not any(
            tolerates(each, UNSCHEDULABLE_TAINT) for each in self.tolerations
        ):
            return UNSCHEDULABLE
        # The taint that mirrors `unschedulable` adds nothing to the field.
        taints = (t for t in node.spec.taints if t.key != UNSCHEDULABLE_TAINT.key)
        if left := untolerated(self.tolerations, taints, HARD):
            taint = left[0]
            return f"node(s) had untolerated taint {{{taint.key}: {taint.value or ''}}}"
        return None if self.is_affine(node) else AFFINITY

    def tier(self, node: Node) -> tuple[int, int]:
        """How little the node is preferred: lower tiers are filled first."""
        avoided = len(untolerated(self.tolerations, node.spec.taints, SOFT))
        liking = sum(t.weight for t in self.preferred if _term_matches(t.preference, node))
        return avoided, -liking

    def is_affine(self, node: Node) -> bool:
        """Whether nodeSelector and required node affinity hold."""
        if not has_labels(node.metadata.labels, dict(self.selector)):
            return False
        # Terms are alternatives; requirements within one all have to hold.
        return self.required is None or any(_term_matches(t, node) for t in self.required)


def _term_matches(term: NodeSelectorTerm, node: Node) -> bool:
    if not term.match_expressions and not term.match_fields:
        return False
    labels = node.metadata.labels or NO_LABELS
    fields = {"metadata.name": node.metadata.name}
    return all(_holds(each, labels.get(each.key)) for each in term.match_expressions) and all(
        _holds(each, fields.get(each.key)) for each in term.match_fields
    )


def _holds(requirement: NodeSelectorRequirement, value: str | None) -> bool:
    return satisfies(requirement.operator, value, requirement.values)
