"""What of a plan may have the cluster delete a fault's target; pure."""

from __future__ import annotations

from emucluster.experiment.plan import PlanEntry

ROLLOUTS = frozenset({"rolling-update", "scale", "wrong-probe-path"})
"""Operations on a Deployment that replace or remove its pods."""
EVICTIONS = frozenset({"drain", "node-removal"})


def may_delete(entry: PlanEntry, target: str, *, node: str) -> bool:
    """Whether `target` may be deleted by what `entry` does, or by what the cluster does about it.

    A node that is not heard of is tainted and its pods are evicted, so every fault of a node, of
    what comes from it and of the control plane may cost pods.

    Args:
        node: of a pod; empty: not known, and it may be any.
    """
    kind, _, path = target.partition("/")
    if entry.kind == "apply":
        return True
    if kind != "pod":
        return False
    if entry.is_operation and entry.kind in ROLLOUTS:
        return path.startswith(f"{entry.target.removeprefix('deployment/')}-")
    if entry.is_operation and entry.kind not in EVICTIONS:
        return False
    if entry.kind == "zombie":
        return entry.target == target
    hit = [entry.target, *entry.peers]
    if "control-plane" in hit:
        return True
    nodes = {each.removeprefix("node/") for each in hit if each.startswith("node/")}
    return bool(nodes) if not node else node in nodes
