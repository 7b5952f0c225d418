"""The pods of one ReplicaSet, counted as they change instead of each time anew."""

from __future__ import annotations

import heapq

from emucluster.core.objects import Pod, ReplicaSet

from .podstate import ObjectKey, is_active, key_of, ready_since_s
from .selectors import has_labels, matches


class Members:
    """Pods that name one ReplicaSet as their controller, and how many count as what."""

    def __init__(self) -> None:
        self.pods: dict[ObjectKey, Pod] = {}
        self.active: dict[ObjectKey, Pod] = {}
        self.ready: dict[ObjectKey, float] = {}
        """Active and ready pods, with the wall seconds since when."""
        self.available: set[ObjectKey] = set()
        self.fully_labeled: set[ObjectKey] = set()
        self._ripening: list[tuple[float, ObjectKey]] = []
        self._replicaset: ReplicaSet | None = None
        self._min_ready_s = 0

    def follow(self, replicaset: ReplicaSet) -> None:
        """The set has changed: what its counts depend on may have, too."""
        old, self._replicaset = self._replicaset, replicaset
        if old is not None and old.spec == replicaset.spec:
            return
        self._min_ready_s = replicaset.spec.min_ready_seconds or 0
        for pod in tuple(self.pods.values()):
            self.put(pod)

    def put(self, pod: Pod) -> None:
        key = key_of(pod)
        self.remove(key)
        self.pods[key] = pod
        if not is_active(pod):
            return
        self.active[key] = pod
        if self._has_template_labels(pod):
            self.fully_labeled.add(key)
        since_s = ready_since_s(pod)
        if since_s == float("inf"):
            return
        self.ready[key] = since_s
        if self._min_ready_s:
            heapq.heappush(self._ripening, (since_s, key))
        else:
            self.available.add(key)

    def remove(self, key: ObjectKey) -> None:
        self.pods.pop(key, None)
        self.active.pop(key, None)
        self.ready.pop(key, None)
        self.available.discard(key)
        self.fully_labeled.discard(key)

    def age(self, wall_s: float, min_ready_s: int) -> float | None:
        """Counts pods available that have been ready long enough; seconds until the next one."""
        while self._ripening:
            since_s, key = self._ripening[0]
            if self.ready.get(key) != since_s:
                heapq.heappop(self._ripening)
            elif since_s + min_ready_s <= wall_s:
                heapq.heappop(self._ripening)
                self.available.add(key)
            else:
                return since_s + min_ready_s - wall_s
        return None

    def strangers(self) -> list[Pod]:
        """Active pods whose labels the selector no longer matches: to be released."""
        if self._replicaset is None or len(self.fully_labeled) == len(self.active):
            return []
        selector = self._replicaset.spec.selector
        odd = (pod for key, pod in self.active.items() if key not in self.fully_labeled)
        return [pod for pod in odd if not matches(selector, pod.metadata.labels)]

    def _has_template_labels(self, pod: Pod) -> bool:
        if self._replicaset is None or self._replicaset.spec.template is None:
            return False
        wanted = self._replicaset.spec.template.metadata.labels
        # Pods of a template share its labels, so that identity decides nearly always.
        return wanted is pod.metadata.labels or has_labels(pod.metadata.labels, wanted or {})
