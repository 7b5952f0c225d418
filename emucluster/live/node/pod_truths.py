"""Tells what is so of the pods of a node: each is looked at when something about it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from emucluster.core.objects import Pod, Service
from emucluster.live.node.power import PowerState
from emucluster.live.node.truth import FaultsHere, PodLife, pod_truth
from emucluster.live.observing.board import ObservationBoard
from emucluster.live.pods.runtime import PodRuntime


class PodTruths:
    """Pods that are bound to this node, or run here though the API server has forgotten them."""

    def __init__(
        self,
        board: ObservationBoard,
        runtime: PodRuntime,
        *,
        node: str,
        zone: str,
        power: Callable[[], PowerState],
    ) -> None:
        self._board = board
        self._runtime = runtime
        self._node, self._zone = node, zone
        self._power = power
        self._faults = FaultsHere()
        self._pods: dict[str, Pod] = {}
        self._deleted: set[str] = set()
        self._named: dict[tuple[str, str], str] = {}
        """Namespace and name -> uid of the pod that the API server has."""
        self._selectors: dict[tuple[str, str], Mapping[str, str]] = {}
        self._services: dict[str, tuple[str, ...]] = {}

    def take_faults(self, faults: FaultsHere) -> None:
        """These are in force now; or the node's power changed."""
        self._faults = faults
        for uid in list(self._pods):
            self.look(uid)

    def take_pod(self, type_: str, pod: Pod) -> None:
        meta = pod.metadata
        if type_ == "DELETED":
            if meta.uid in self._pods:
                self._deleted.add(meta.uid)
            if self._named.get((meta.namespace, meta.name)) == meta.uid:
                del self._named[meta.namespace, meta.name]
        else:
            known = self._pods.get(meta.uid)
            self._pods[meta.uid] = pod
            self._named[meta.namespace, meta.name] = meta.uid
            if known is None or known.metadata.labels != meta.labels:
                self._services[meta.uid] = self._services_of(pod)
        self.look(meta.uid)

    def take_service(self, type_: str, service: Service) -> None:
        meta = service.metadata
        key = (meta.namespace, meta.name)
        selector = None if type_ == "DELETED" else service.spec.selector or None
        if self._selectors.get(key) == selector:
            return
        if selector is None:
            del self._selectors[key]
        else:
            self._selectors[key] = selector
        for uid, pod in list(self._pods.items()):
            if pod.metadata.namespace == meta.namespace:
                self._services[uid] = self._services_of(pod)
                self.look(uid)

    def look(self, uid: str) -> None:
        """Tell what is so of one pod now, if that is news."""
        pod = self._pods.get(uid)
        if pod is None:
            return
        key = (pod.metadata.namespace, pod.metadata.name)
        deleted = uid in self._deleted
        gone = deleted and not self._runtime.has_containers(uid)
        services = self._services.get(uid, ())
        if gone:
            del self._pods[uid], self._services[uid]
            self._deleted.discard(uid)
        if self._named.get(key, uid) != uid:
            return  # another pod has its name by now
        subject = f"pod/{key[0]}/{key[1]}"
        if gone:
            self._board.truth(subject, "gone", "deleted", node=self._node, zone=self._zone)
            return
        life = PodLife(
            wanted=[container.name for container in pod.spec.containers],
            serving=self._runtime.serving_containers(uid),
            any=self._runtime.has_containers(uid),
            frozen=self._runtime.is_frozen(uid),
            deleted=deleted,
        )
        own = self._faults.pods.get(key, ())
        state, word = pod_truth(self._power(), self._faults, own, life)
        self._board.truth(subject, state, word, node=self._node, zone=self._zone, services=services)

    def _services_of(self, pod: Pod) -> tuple[str, ...]:
        labels = pod.metadata.labels or {}
        return tuple(
            f"{namespace}/{name}"
            for (namespace, name), selector in sorted(self._selectors.items())
            if namespace == pod.metadata.namespace and selector.items() <= labels.items()
        )
