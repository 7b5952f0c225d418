"""One node's part in a DaemonSet: what it counts as, and what has to happen there.

kubernetes/pkg/controller/daemon: podsShouldBeOnNode, updateDaemonSetStatus and rollingUpdate.
Nothing here reads or writes objects of the store: pods and numbers in, decisions out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from emucluster.core.objects import DaemonSet, Pod

from .history import HASH_LABEL
from .podstate import is_deleting, is_ready
from .rollout import scaled
from .stamps import wall_s


class Rollout(Enum):
    """What a node is to a rolling update."""

    SETTLED = auto()
    """Its pod is new and available, or it needs none."""
    UNAVAILABLE = auto()
    """It has no pod now, or one that is new and not available, or too many."""
    REPLACEABLE = auto()
    """Its pod is old and not available: nothing is lost by replacing it."""
    CANDIDATE = auto()
    """Its pod is old and available."""
    SURGING = auto()
    """A new pod is coming up beside the old one."""


@dataclass(frozen=True, slots=True)
class Counts:
    """A node's contribution to the status, or the sum of all of them."""

    desired: int = 0
    current: int = 0
    misscheduled: int = 0
    ready: int = 0
    available: int = 0
    updated: int = 0

    def plus(self, other: Counts, sign: int = 1) -> Counts:
        return Counts(
            self.desired + sign * other.desired,
            self.current + sign * other.current,
            self.misscheduled + sign * other.misscheduled,
            self.ready + sign * other.ready,
            self.available + sign * other.available,
            self.updated + sign * other.updated,
        )


NOTHING = Counts()


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node as a DaemonSet sees it.

    Attributes:
        should_run, may_stay: as `DaemonTemplate.fits` says; both False where there is no such node.
        pods: the DaemonSet's pods there, oldest first, those that are bound before the others.
        revision: the hash of the present template.
        is_available: of a pod: ready for long enough.
        surges: whether a new pod comes up beside the old one.
    """

    should_run: bool
    may_stay: bool
    pods: Sequence[Pod]
    revision: str
    is_available: Callable[[Pod], bool]
    surges: bool

    def counts(self) -> Counts:
        if not self.should_run:
            return Counts(misscheduled=1) if self.pods else NOTHING
        if not self.pods:
            return Counts(desired=1)
        first = self.pods[0]
        return Counts(
            desired=1,
            current=1,
            ready=int(is_ready(first)),
            available=int(self.is_available(first)),
            updated=int(self._is_new(first)),
        )

    def needs_pod(self) -> bool:
        """Whether one has to be started, whatever else goes on."""
        if not self.should_run:
            return False
        # When surging, a pod that goes is not waited for.
        return not self._going_on() if self.surges else not self.pods

    def surplus(self) -> list[Pod]:
        """Pods that have to go, apart from those that ended and those that a roll-out replaces."""
        if not self.may_stay:
            return [pod for pod in self.pods if not is_deleting(pod)]
        running = self._going_on()
        if not self.surges:
            return running[1:]
        new = [pod for pod in running if self._is_new(pod)]
        old = [pod for pod in running if not self._is_new(pod)]
        over = [*new[1:], *old[1:]]
        if new and old and (not is_ready(old[0]) or self.is_available(new[0])):
            over.append(old[0])
        return over

    def ended(self) -> list[Pod]:
        """Pods that failed or succeeded: a daemon does neither, they are to be replaced."""
        if not self.may_stay:
            return []
        return [pod for pod in self.pods if _has_ended(pod) and not is_deleting(pod)]

    def rollout(self) -> Rollout:
        if not self.should_run and not self.pods:
            return Rollout.SETTLED
        left = [pod for pod in self.pods if not is_deleting(pod)]
        new = [pod for pod in left if self._is_new(pod)]
        old = [pod for pod in left if not self._is_new(pod)]
        if len(new) > 1 or len(old) > 1 or not left:
            return Rollout.UNAVAILABLE
        if new and old:
            return Rollout.SURGING if self.surges else Rollout.UNAVAILABLE
        if new:
            return Rollout.SETTLED if self.is_available(new[0]) else Rollout.UNAVAILABLE
        return Rollout.CANDIDATE if self.is_available(old[0]) else Rollout.REPLACEABLE

    def old_pods(self) -> list[Pod]:
        return [pod for pod in self.pods if not self._is_new(pod) and not is_deleting(pod)]

    def _going_on(self) -> list[Pod]:
        return [pod for pod in self.pods if not is_deleting(pod) and not _has_ended(pod)]

    def _is_new(self, pod: Pod) -> bool:
        return (pod.metadata.labels or {}).get(HASH_LABEL) == self.revision


def in_order(pods: Iterable[Pod]) -> list[Pod]:
    """Bound ones first, then by age."""
    return sorted(
        pods,
        key=lambda pod: (
            not pod.spec.node_name,
            wall_s(pod.metadata.creation_timestamp),
            pod.metadata.name,
        ),
    )


def limits(daemonset: DaemonSet, desired: int) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in pods, both rounded up; never both 0."""
    rolling = daemonset.spec.update_strategy.rolling_update
    surge = scaled(rolling.max_surge if rolling else None, desired, up=True, default=0)
    unavailable = scaled(rolling.max_unavailable if rolling else None, desired, up=True, default=1)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def surges(daemonset: DaemonSet) -> bool:
    """Whether a roll-out starts new pods before old ones end."""
    strategy = daemonset.spec.update_strategy
    if (strategy.type or "RollingUpdate") != "RollingUpdate":
        return False
    # maxSurge of less than a pod is rounded up.
    return limits(daemonset, 100)[0] > 0


def _has_ended(pod: Pod) -> bool:
    return pod.status.phase in ("Succeeded", "Failed")
