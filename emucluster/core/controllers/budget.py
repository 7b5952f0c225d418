"""The arithmetic of a PodDisruptionBudget (kubernetes/pkg/controller/disruption).

Numbers in, numbers out; nothing here reads or writes objects of the store.
"""

from __future__ import annotations

from dataclasses import dataclass

from emucluster.core.objects import LabelSelector, PodDisruptionBudget

from .rollout import scaled


@dataclass(frozen=True, slots=True)
class Health:
    """How many pods there are to be, have to be healthy, and are."""

    expected: int
    desired: int
    healthy: int

    @property
    def allowed(self) -> int:
        """Disruptions that may happen now; none while no pod is expected at all."""
        return max(0, self.healthy - self.desired) if self.expected > 0 else 0


def needs_scale(budget: PodDisruptionBudget) -> bool:
    """Whether it asks for a share of what the pods' controllers are scaled to."""
    spec = budget.spec
    return spec.max_unavailable is not None or isinstance(spec.min_available, str)


def health(budget: PodDisruptionBudget, *, pods: int, scale: int, healthy: int) -> Health:
    """`scale`: of the pods' controllers together, where that is asked for."""
    spec = budget.spec
    if spec.max_unavailable is not None:
        unavailable = scaled(spec.max_unavailable, scale, up=True, default=0)
        return Health(scale, max(0, scale - unavailable), healthy)
    if isinstance(spec.min_available, str):
        return Health(scale, scaled(spec.min_available, scale, up=True, default=0), healthy)
    if spec.min_available is not None:
        return Health(pods, spec.min_available, healthy)
    return Health(0, 0, healthy)


def as_go_prints(selector: LabelSelector | None) -> str:
    """A selector as the message about unmanaged pods has it."""
    if selector is None:
        return "nil"
    labels = "".join(f"{k}: {v}," for k, v in sorted((selector.match_labels or {}).items()))
    requirements = "".join(
        f"LabelSelectorRequirement{{Key:{each.key},Operator:{each.operator},"
        f"Values:[{' '.join(each.values)}],}},"
        for each in selector.match_expressions
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{requirements}}},}}"
    )
