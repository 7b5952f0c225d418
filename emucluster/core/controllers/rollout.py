"""The arithmetic of rolling updates (kubernetes/pkg/controller/deployment/util).

Nothing here reads or writes objects: numbers in, numbers out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """One ReplicaSet: what it was asked for, what is available, what its last maximum was."""

    wanted: int
    available: int = 0
    max_annotated: int | None = None


def scaled(value: int | str | None, total: int, *, up: bool, default: int | str) -> int:
    """An int, or a percentage of `total` rounded up or down (k8s.io/apimachinery/pkg/util/intstr).

    Raises ValueError for a text that is not a percentage.
    """
    value = default if value is None else value
    if isinstance(value, int):
        return value
    if not value.endswith("%"):
        raise ValueError(f"invalid value {value!r}: neither an integer nor a percentage")
    exact = int(value[:-1]) * total
    return -(-exact // 100) if up else exact // 100


def fenceposts(
    max_surge: int | str | None, max_unavailable: int | str | None, replicas: int
) -> tuple[int, int]:
    """(surge, unavailable) in pods: surge rounds up, unavailable down, never both 0."""
    surge = scaled(max_surge, replicas, up=True, default="25%")
    unavailable = scaled(max_unavailable, replicas, up=False, default="25%")
    if surge == 0 and unavailable == 0:
        # They may both round to 0, but the rollout has to be able to move.
        unavailable = 1
    return surge, min(unavailable, replicas)


def new_size(new: int, total: int, *, replicas: int, surge: int) -> int:
    """What the new ReplicaSet may grow to while all of them ask for `total` pods."""
    if new >= replicas:
        return replicas
    room = replicas + surge - total
    return new if room <= 0 else new + min(room, replicas - new)


def old_sizes(new: Sizes, olds: Sequence[Sizes], *, replicas: int, unavailable: int) -> list[int]:
    """What the old ReplicaSets, oldest first, shrink to: first pods that are not available anyway.

    At least `replicas - unavailable` pods stay available.
    """
    wanted = [each.wanted for each in olds]
    min_available = replicas - unavailable
    new_unavailable = new.wanted - new.available
    cleanable = new.wanted + sum(wanted) - min_available - new_unavailable
    if cleanable <= 0:
        return wanted
    for i, old in enumerate(olds):
        unhealthy = min(cleanable, max(0, wanted[i] - old.available))
        wanted[i] -= unhealthy
        cleanable -= unhealthy
    spare = new.available + sum(old.available for old in olds) - min_available
    for i in range(len(olds)):
        fewer = min(max(spare, 0), wanted[i])
        wanted[i] -= fewer
        spare -= fewer
    return wanted


def proportional(
    sets: Sequence[Sizes], *, replicas: int, surge: int, status_replicas: int
) -> list[int]:
    """New sizes of all active ReplicaSets, newest first, when the Deployment is scaled in mid-roll.

    Each gets its share of the difference; what rounding leaves goes to the largest.
    """
    allowed = replicas + surge if replicas > 0 else 0
    to_add = allowed - sum(each.wanted for each in sets)
    # Growing prefers the larger, then the newer; shrinking the larger, then the older.
    newest_first = range(len(sets)) if to_add > 0 else range(len(sets) - 1, -1, -1)
    order = sorted(newest_first, key=lambda i: -sets[i].wanted)
    sizes = [each.wanted for each in sets]
    added = 0
    for i in order:
        share = _share(sets[i], replicas, surge, status_replicas, to_add - added)
        sizes[i] += share
        added += share
    if order and added != to_add:
        sizes[order[0]] = max(0, sizes[order[0]] + to_add - added)
    return sizes


def _share(each: Sizes, replicas: int, surge: int, status_replicas: int, left: int) -> int:
    if each.wanted == 0 or left == 0:
        return 0
    if replicas == 0:
        return max(-each.wanted, left)
    before = each.max_annotated or status_replicas
    if before <= 0:
        return 0
    # Go's math.Round: half away from zero; sizes are never negative.
    fraction = math.floor(each.wanted * (replicas + surge) / before + 0.5) - each.wanted
    return min(fraction, left) if left > 0 else max(fraction, left)
