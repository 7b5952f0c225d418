"""One Deployment with its ReplicaSets, and the plain questions about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from emucluster.core.objects import Deployment, ReplicaSet

from . import rollout
from .revisions import DESIRED, MAXIMUM, find_new, number, oldest_first
from .rollout import Sizes


@dataclass(frozen=True, slots=True)
class DeploymentView:
    """A Deployment with what its strategy comes to, and its ReplicaSets, oldest first."""

    deployment: Deployment
    replicas: int
    surge: int
    unavailable: int
    new: ReplicaSet | None
    olds: tuple[ReplicaSet, ...]

    @property
    def sets(self) -> tuple[ReplicaSet, ...]:
        return self.olds if self.new is None else (*self.olds, self.new)

    @property
    def recreates(self) -> bool:
        return _recreates(self.deployment)

    def is_scaled(self) -> bool:
        """Whether `spec.replicas` is another than when the active sets were last sized."""
        active = (each for each in self.sets if each.spec.replicas)
        desired = (number(each, DESIRED) for each in active)
        return any(each is not None and each != self.replicas for each in desired)

    def is_saturated(self, new: ReplicaSet) -> bool:
        """Whether the new set alone has all the pods that are wanted."""
        return (
            new.spec.replicas
            == number(new, DESIRED)
            == (new.status.available_replicas or 0)
            == self.replicas
        )


def view_of(deployment: Deployment, owned: Iterable[ReplicaSet]) -> DeploymentView:
    """Raises ValueError for a surge or unavailability that validation would have refused."""
    spec = deployment.spec
    replicas = 1 if spec.replicas is None else spec.replicas
    surge = unavailable = 0
    if not _recreates(deployment):
        rolling = spec.strategy.rolling_update if spec.strategy else None
        surge, unavailable = rollout.fenceposts(
            rolling.max_surge if rolling else None,
            rolling.max_unavailable if rolling else None,
            replicas,
        )
    sets = oldest_first(owned)
    new = find_new(deployment, sets)
    olds = tuple(each for each in sets if each is not new)
    return DeploymentView(deployment, replicas, surge, unavailable, new, olds)


def sizes_of(replicaset: ReplicaSet) -> Sizes:
    return Sizes(
        wanted=replicaset.spec.replicas or 0,
        available=replicaset.status.available_replicas or 0,
        max_annotated=number(replicaset, MAXIMUM),
    )


def _recreates(deployment: Deployment) -> bool:
    strategy = deployment.spec.strategy
    return strategy is not None and strategy.type == "Recreate"
