"""What is kept of one DaemonSet: its pods by node, and sums over all nodes."""

from __future__ import annotations

from collections import Counter

from emucluster.core.objects import DaemonSet, Pod

from .daemon_pods import DaemonTemplate, target_node
from .daemon_rollout import NOTHING, Counts, Rollout
from .history import HASH_LABEL
from .podstate import ObjectKey


class Daemon:
    """A DaemonSet, its pods by node, and the sums over all nodes."""

    def __init__(self, daemonset: DaemonSet) -> None:
        self.daemonset = daemonset
        self.template = DaemonTemplate.of(daemonset)
        self.revision = ""
        """The hash of the present template; "" until its history is known."""
        self.pods: dict[str, dict[ObjectKey, Pod]] = {}
        self.hashes: Counter[str] = Counter()
        """Of its pods, which keeps their revisions alive."""
        self.pending: dict[str, None] = {}
        """Nodes on which something was refused: looked at again whenever the DaemonSet is."""
        self._places: dict[ObjectKey, tuple[str, str]] = {}
        self.counts: dict[str, Counts] = {}
        self.total = NOTHING
        self.rollout: dict[str, Rollout] = {}
        self.groups: dict[Rollout, dict[str, None]] = {each: {} for each in Rollout}

    def place(self, key: ObjectKey, pod: Pod | None) -> list[str]:
        """Where a pod is from now on; the nodes that this concerns."""
        concerned = []
        if (known := self._places.pop(key, None)) is not None:
            node, revision = known
            concerned.append(node)
            self.hashes[revision] -= 1
            if not self.hashes[revision]:
                del self.hashes[revision]
            held = self.pods[node]
            del held[key]
            if not held:
                del self.pods[node]
        if pod is not None:
            node, revision = target_node(pod), revision_of(pod)
            concerned.append(node)
            self._places[key] = (node, revision)
            self.hashes[revision] += 1
            self.pods.setdefault(node, {})[key] = pod
        return concerned

    def count(self, node: str, counts: Counts, rollout: Rollout) -> None:
        """What a node counts as from now on."""
        self.total = self.total.plus(self.counts.pop(node, NOTHING), -1).plus(counts)
        if counts != NOTHING:
            self.counts[node] = counts
        before = self.rollout.pop(node, Rollout.SETTLED)
        if before is not rollout:
            self.groups[before].pop(node, None)
        if rollout is not Rollout.SETTLED:
            self.rollout[node] = rollout
            self.groups[rollout].setdefault(node, None)


def revision_of(pod: Pod) -> str:
    """The hash of the template that it was made from."""
    return (pod.metadata.labels or {}).get(HASH_LABEL, "")
