"""Which pods a ReplicaSet gives up first (kubernetes/pkg/controller: ActivePodsWithRanks)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from emucluster.core.objects import Pod

from .podstate import ready_since_s
from .stamps import wall_s

_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


def victims(pods: Iterable[Pod], per_node: Mapping[str, int], count: int) -> list[Pod]:
    """The first `count` pods to delete.

    Unbound before bound, pending before running, not ready before ready, cheaper by annotation,
    from nodes with more related pods, ready for less long, restarted more often, newer.

    Args:
        per_node: active pods of this and related ReplicaSets by node name.
    """
    return sorted(pods, key=lambda pod: _rank(pod, per_node))[:count]


def _rank(pod: Pod, per_node: Mapping[str, int]) -> tuple[float | str, ...]:
    since_s = ready_since_s(pod)
    ready = since_s != float("inf")
    restarts = max((each.restart_count for each in pod.status.container_statuses), default=0)
    return (
        1 if pod.spec.node_name else 0,
        _PHASES.get(pod.status.phase or "Pending", 1),
        1 if ready else 0,
        _cost(pod),
        -per_node.get(pod.spec.node_name or "", 0),
        -since_s if ready else 0.0,
        -restarts,
        -wall_s(pod.metadata.creation_timestamp),
        pod.metadata.uid,
    )


def _cost(pod: Pod) -> int:
    try:
        return int((pod.metadata.annotations or {}).get(DELETION_COST, "0"))
    except ValueError:
        return 0
