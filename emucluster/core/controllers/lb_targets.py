"""Which nodes are behind the load balancers, and when that is looked at again.

Readiness plays no part (KEP-3458): the load balancer's own health checks steer traffic away.
"""

from __future__ import annotations

from emucluster.core.objects import Node

from .cloud_commands import LoadBalancerTarget
from .endpoints import ZONE_LABEL
from .podstate import is_deleting

EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
TO_BE_DELETED_TAINT = "ToBeDeletedByClusterAutoscaler"
RESYNC_S = 100.0
"""The full resync of nodes, at which a mere taint is noticed."""
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})


def is_excluded(node: Node) -> bool:
    """The label excludes unless its value reads as false (strconv.ParseBool); junk excludes."""
    value = (node.metadata.labels or {}).get(EXCLUDE_LABEL)
    return value is not None and value not in _FALSE


class LoadBalancerTargets:
    """The nodes as of the last change that counts: added, deleted, excluded, or another address."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._current: tuple[LoadBalancerTarget, ...] = ()
        self._resync_s: float | None = None

    def current(self) -> tuple[LoadBalancerTarget, ...]:
        return self._current

    def put(self, node: Node, *, gone: bool, now_s: float) -> bool:
        """Takes over a node's state; True if the targets are others now."""
        name = node.metadata.name
        old = self._nodes.pop(name, None)
        if not gone:
            self._nodes[name] = node
        if gone or old is None or _identity(old) != _identity(node):
            return self._compute()
        if _tainted(old) != _tainted(node) and self._resync_s is None:
            self._resync_s = now_s + RESYNC_S
        return False

    def resync(self, now_s: float) -> bool:
        """The periodic look at everything; True if the targets are others now."""
        if self._resync_s is None or now_s < self._resync_s:
            return False
        self._resync_s = None
        return self._compute()

    def next_wake_s(self) -> float | None:
        return self._resync_s

    def _compute(self) -> bool:
        before = self._current
        self._current = tuple(
            LoadBalancerTarget(
                name, _address(node), (node.metadata.labels or {}).get(ZONE_LABEL, "")
            )
            for name, node in sorted(self._nodes.items())
            if not (is_deleting(node) or is_excluded(node) or _tainted(node)) and _address(node)
        )
        return self._current != before


def _identity(node: Node) -> tuple[bool, bool, str | None, str]:
    return is_deleting(node), is_excluded(node), node.spec.provider_id, _address(node)


def _tainted(node: Node) -> bool:
    return any(taint.key == TO_BE_DELETED_TAINT for taint in node.spec.taints)


def _address(node: Node) -> str:
    found = (each.address for each in node.status.addresses if each.type == "InternalIP")
    return next(found, "")
