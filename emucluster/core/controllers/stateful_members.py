"""The pods of one StatefulSet by ordinal, sorted into what has to be done about them."""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator

from emucluster.core.objects import Pod, StatefulSet

from .podstate import ObjectKey, is_deleting, is_ready, is_terminal, key_of, ready_since_s
from .stateful_pods import identity, ordinal_of, ordinals, revision_of


class Ordinals:
    """Numbers in order, each once."""

    def __init__(self) -> None:
        self._numbers: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._numbers)

    def __iter__(self) -> Iterator[int]:
        return iter(tuple(self._numbers))

    def __contains__(self, number: int) -> bool:
        at = bisect_left(self._numbers, number)
        return at < len(self._numbers) and self._numbers[at] == number

    def put(self, number: int, *, belongs: bool) -> None:
        """Adds the number, or takes it out."""
        at = bisect_left(self._numbers, number)
        is_there = at < len(self._numbers) and self._numbers[at] == number
        if belongs and not is_there:
            insort(self._numbers, number)
        elif is_there and not belongs:
            del self._numbers[at]

    def first(self) -> int | None:
        return self._numbers[0] if self._numbers else None

    def last(self) -> int | None:
        return self._numbers[-1] if self._numbers else None


class StatefulMembers:
    """One change of a pod costs one ordinal; another size, template or patience costs all of them.

    Attributes:
        pods: by ordinal.
        missing: ordinals that should have a pod and have none.
        ended: pods that failed or succeeded and are to be replaced.
        unsettled: ordinals that should have an available pod and have none: the two above, and
            pods that are not available yet or are being deleted.
        outdated: pods of another revision than the newest, in the range, not being deleted.
        misfits: pods in the range that lack a label of their identity.
        condemned: pods outside the range.
        condemned_unsettled: those of them that are not available.
        revisions: how many pods that are not being deleted each revision has.
    """

    def __init__(self) -> None:
        self.pods: dict[int, Pod] = {}
        self.missing, self.ended, self.unsettled = Ordinals(), Ordinals(), Ordinals()
        self.outdated, self.misfits = Ordinals(), Ordinals()
        self.condemned, self.condemned_unsettled = Ordinals(), Ordinals()
        self.revisions: Counter[str] = Counter()
        self.ready: set[int] = set()
        self.available: set[int] = set()
        self._ordinal_of: dict[ObjectKey, int] = {}
        self._ripening: list[tuple[float, int]] = []
        self._set: StatefulSet | None = None
        self._range = range(0)
        self._revision = ""
        self._wait_s = 0
        self._wall_s = float("-inf")

    def follow(self, statefulset: StatefulSet, revision: str) -> None:
        """The set, and the name of its newest revision, are these from now on."""
        old, self._set = self._set, statefulset
        wanted, wait_s = ordinals(statefulset), statefulset.spec.min_ready_seconds or 0
        if old is not None and (self._range, self._wait_s, self._revision) == (
            wanted,
            wait_s,
            revision,
        ):
            return
        before = self._range
        self._range, self._wait_s, self._revision = wanted, wait_s, revision
        for ordinal in {*before, *wanted, *self.pods}:
            self._sort(ordinal)

    def put(self, pod: Pod) -> None:
        """A pod of the set came or changed; one whose name has no ordinal of it is nobody's."""
        ordinal = ordinal_of(self._set, pod) if self._set is not None else None
        if ordinal is not None:
            self._ordinal_of[key_of(pod)] = ordinal
            self._replace(ordinal, pod)

    def remove(self, key: ObjectKey) -> None:
        if (ordinal := self._ordinal_of.pop(key, None)) is not None:
            self._replace(ordinal, None)

    def age(self, wall_s: float) -> float | None:
        """Takes pods for available that have been ready long enough; seconds until the next one."""
        self._wall_s = wall_s
        while self._ripening and self._ripening[0][0] <= wall_s:
            self._sort(heapq.heappop(self._ripening)[1])
        return self._ripening[0][0] - wall_s if self._ripening else None

    def _replace(self, ordinal: int, pod: Pod | None) -> None:
        if (old := self.pods.pop(ordinal, None)) is not None and not is_deleting(old):
            revision = revision_of(old)
            self.revisions[revision] -= 1
            if not self.revisions[revision]:
                del self.revisions[revision]
        if pod is not None:
            self.pods[ordinal] = pod
            if not is_deleting(pod):
                self.revisions[revision_of(pod)] += 1
        self._sort(ordinal)

    def _sort(self, ordinal: int) -> None:
        pod = self.pods.get(ordinal)
        wanted = ordinal in self._range
        is_up = pod is not None and pod.status.phase == "Running" and is_ready(pod)
        ripe_s = ready_since_s(pod) + self._wait_s if pod is not None and is_up else float("inf")
        available = ripe_s <= self._wall_s or (is_up and not self._wait_s)
        if is_up and not available:
            heapq.heappush(self._ripening, (ripe_s, ordinal))
        going = pod is not None and is_deleting(pod)
        settled = available and not going
        for held, belongs in ((self.ready, is_up), (self.available, available)):
            (held.add if belongs else held.discard)(ordinal)
        self.missing.put(ordinal, belongs=wanted and pod is None)
        self.ended.put(ordinal, belongs=wanted and pod is not None and is_terminal(pod))
        self.unsettled.put(ordinal, belongs=wanted and not settled)
        old = pod is not None and not going and revision_of(pod) != self._revision
        self.outdated.put(ordinal, belongs=wanted and old)
        self.misfits.put(ordinal, belongs=wanted and self._is_misfit(ordinal))
        self.condemned.put(ordinal, belongs=not wanted and pod is not None)
        self.condemned_unsettled.put(
            ordinal, belongs=not wanted and pod is not None and not settled
        )

    def _is_misfit(self, ordinal: int) -> bool:
        pod = self.pods.get(ordinal)
        if self._set is None or pod is None or is_deleting(pod):
            return False
        return not identity(self._set, ordinal).items() <= (pod.metadata.labels or {}).items()
