"""The kubelet of one node: routes what happens to the pods that it concerns."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from typing import Literal

from emucluster.core.kubelet import wording
from emucluster.core.kubelet.commands import Command
from emucluster.core.kubelet.environment import data_of
from emucluster.core.kubelet.events import KubeletEvent, WriteFailed, Wrote
from emucluster.core.kubelet.heartbeat import Heartbeat
from emucluster.core.kubelet.node_context import NodeContext
from emucluster.core.kubelet.pod_ip import NoPodIPs, PodIPs
from emucluster.core.kubelet.pod_worker import PodWorker
from emucluster.core.kubelet.settings import KubeletSettings
from emucluster.core.kubelet.status_writer import StatusWriter
from emucluster.core.objects import (
    ConfigMap,
    Node,
    Object,
    Pod,
    PodStatus,
    Secret,
    Service,
    replace,
)

ObjectEvent = Literal["ADDED", "MODIFIED", "DELETED"]
TERMINAL = ("Succeeded", "Failed")


class Kubelet:
    """A machine: objects, events and the time go in, commands come out.

    Every API write in a command must be answered with `Wrote` or `WriteFailed`, every start with
    `ContainerStarted` or `ContainerExited`, every probe and hook with its `...Finished`.
    """

    def __init__(self, node_name: str, settings: KubeletSettings, *, rng: random.Random) -> None:
        self._settings = settings
        self._ips = PodIPs(settings.pod_cidr)
        self._heartbeat = Heartbeat(node_name, settings, rng)
        self._writer = StatusWriter()
        self._workers: dict[str, PodWorker] = {}
        self._wakes: dict[str, float] = {}
        self._sources: dict[tuple[str, str, str], dict[str, str]] = {}
        self._services: dict[tuple[str, str], Service] = {}
        self._before: dict[str, PodStatus] = {}
        self._started_s = 0.0
        self._context = NodeContext(
            node_name=node_name,
            settings=settings,
            rng=rng,
            ids=itertools.count(1),
            sources=lambda kind, namespace, name: self._sources.get((kind, namespace, name)),
            services=lambda: list(self._services.values()),
        )

    # --- life of the node -----------------------------------------------------------------------

    def start(self, now_s: float, stamp: str) -> list[Command]:
        """Register the node and begin its heartbeats."""
        self._started_s = now_s
        return [*self._heartbeat.start(now_s), *self._heartbeat.wake(now_s, stamp)]

    def reboot(self, now_s: float, stamp: str) -> list[Command]:
        """The machine went down and is up again: no container has survived.

        Nothing restarts before the API server's pods are known: call `handle_pod_list` with them.
        Those that still exist run again at their address, with one restart more; those that were
        deleted meanwhile are finished.
        """
        for uid, worker in self._workers.items():
            if not worker.removed:
                self._before[uid] = worker.status(stamp=stamp)
        self._workers.clear()
        self._wakes.clear()
        self._writer.forget_all()
        self._ips.release_all()
        self._started_s = now_s
        begun = self._heartbeat.start(now_s, reboot=True)
        return [*begun, *self._heartbeat.wake(now_s, stamp)]

    def resume(self, now_s: float, stamp: str) -> list[Command]:
        """Go on after a freeze that may have swallowed answers: what was under way is resent."""
        self._heartbeat.resend(now_s)
        return self._writer.resend(now_s) + self.wake(now_s, stamp)

    def wake(self, now_s: float, stamp: str) -> list[Command]:
        """Do what is due. To be called at `next_wake_s`; more often does no harm."""
        commands = self._heartbeat.wake(now_s, stamp) + self._writer.wake(now_s)
        for uid in [uid for uid, due_s in self._wakes.items() if due_s <= now_s]:
            worker = self._workers[uid]
            commands += self._after(worker, worker.wake(now_s=now_s, stamp=stamp), now_s, stamp)
        return commands

    def next_wake_s(self) -> float | None:
        moments = [self._heartbeat.next_wake_s(), self._writer.next_wake_s()]
        moments.append(min(self._wakes.values(), default=None))
        return min((each for each in moments if each is not None), default=None)

    # --- what the API server says ---------------------------------------------------------------

    def handle_pod_list(self, pods: Iterable[Pod], now_s: float, stamp: str) -> list[Command]:
        """All pods of this node, as a watch begins with them; unknown others are gone."""
        listed = {pod.metadata.uid: pod for pod in pods}
        commands: list[Command] = []
        for uid, worker in list(self._workers.items()):
            if uid not in listed:
                commands += self.handle_pod("DELETED", worker.pod, now_s, stamp)
        for pod in listed.values():
            commands += self.handle_pod("MODIFIED", pod, now_s, stamp)
        self._before = {uid: each for uid, each in self._before.items() if uid in listed}
        return commands

    def handle_pod(
        self, event_type: ObjectEvent, pod: Pod, now_s: float, stamp: str
    ) -> list[Command]:
        """One change of a pod that is bound to this node."""
        worker = self._workers.get(pod.metadata.uid)
        if event_type == "DELETED":
            return self._gone(pod, now_s, stamp)
        if worker is not None and not worker.removed:
            self._writer.seen(pod, now_s=now_s)
            commands = worker.update(pod, now_s=now_s, stamp=stamp)
            return self._after(worker, commands, now_s, stamp)
        if worker is None:
            return self._first_sight(pod, now_s, stamp)
        return []

    def handle_object(
        self, event_type: ObjectEvent, obj: Object, now_s: float, stamp: str
    ) -> list[Command]:
        """A change of a ConfigMap, Secret or Service (for pods' environments), or of a Node."""
        key = (obj.metadata.namespace, obj.metadata.name)
        if isinstance(obj, Service):
            self._services.pop(key, None)
            if event_type != "DELETED":
                self._services[key] = obj
        elif isinstance(obj, ConfigMap | Secret):
            self._sources.pop((obj.kind, *key), None)
            if event_type != "DELETED":
                self._sources[obj.kind, *key] = data_of(obj)
                return self._poke(key[0], now_s, stamp)
        elif isinstance(obj, Node) and event_type != "DELETED":
            self._heartbeat.seen(obj)
        return []

    def handle(self, event: KubeletEvent, now_s: float, stamp: str) -> list[Command]:
        """What became of a command, or happened to a container. Stale ones are ignored."""
        if isinstance(event, Wrote | WriteFailed):
            self._heartbeat.handle(event, now_s)
            return self._writer.handle(event, now_s=now_s) + self._heartbeat.wake(now_s, stamp)
        worker = self._workers.get(event.pod_uid)
        if worker is None:
            return []
        commands = worker.handle(event, now_s=now_s, stamp=stamp)
        return self._after(worker, commands, now_s, stamp)

    # --- what the node asks ---------------------------------------------------------------------

    def pods(self) -> list[tuple[Pod, str]]:
        """The pods that are here and not over, each with its address."""
        return [(each.pod, each.ip) for each in self._workers.values() if not each.ended]

    # --- parts ----------------------------------------------------------------------------------

    def _first_sight(self, pod: Pod, now_s: float, stamp: str) -> list[Command]:
        uid = pod.metadata.uid
        earlier = self._before.pop(uid, None)
        if earlier is None and _has_run(pod.status):
            earlier = pod.status  # of an earlier life of this node
        if pod.metadata.deletion_timestamp is not None:
            return self._writer.finish(pod, now_s=now_s)
        if pod.status.phase in TERMINAL:
            return []
        if earlier is not None and earlier.phase in TERMINAL:
            return self._writer.want(pod, earlier, now_s=now_s)
        if (used := self._used()) >= self._settings.pods_max:
            return self._reject(pod, used, now_s, stamp)
        try:
            ip = self._address(pod, earlier)
        except NoPodIPs as error:
            text = f"Failed to create pod sandbox: {error}"
            return [wording.pod_event(pod, "Warning", "FailedCreatePodSandBox", text)]
        worker = PodWorker.admit(
            pod,
            self._context,
            ip=ip,
            kubelet_started_s=self._started_s,
            now_s=now_s,
            stamp=stamp,
            earlier=earlier,
        )
        self._workers[uid] = worker
        return self._after(worker, worker.update(pod, now_s=now_s, stamp=stamp), now_s, stamp)

    def _address(self, pod: Pod, earlier: PodStatus | None) -> str:
        if pod.spec.host_network:
            return self._settings.address
        if earlier is not None and earlier.pod_ip and self._ips.claim(earlier.pod_ip):
            return earlier.pod_ip
        return self._ips.allocate()

    def _used(self) -> int:
        """Pods that take room. One that the API server has no more does not, even while its
        containers stop (pkg/kubelet/kubelet_pods.go: GetActivePods, of the pod manager's).
        """
        return sum(1 for each in self._workers.values() if not (each.ended or each.removed))

    def _reject(self, pod: Pod, used: int, now_s: float, stamp: str) -> list[Command]:
        """More pods than the node has room for (pkg/kubelet/lifecycle/predicate.go)."""
        limit = self._settings.pods_max
        message = (
            "Pod was rejected: Node didn't have enough resource: pods, "
            f"requested: 1, used: {used}, capacity: {limit}"
        )
        status = replace(
            pod.status, phase="Failed", reason="OutOfpods", message=message, start_time=stamp
        )
        said = wording.pod_event(pod, "Warning", "OutOfpods", message)
        return [said, *self._writer.want(pod, status, now_s=now_s)]

    def _gone(self, pod: Pod, now_s: float, stamp: str) -> list[Command]:
        """Removed from the API server, which a forced deletion does while containers run."""
        uid = pod.metadata.uid
        self._writer.forget(uid)
        self._before.pop(uid, None)
        worker = self._workers.get(uid)
        if worker is None or worker.removed:
            return []
        worker.removed = True
        if worker.ended:
            self._drop(worker)
            return []
        worker.pod = pod
        return self._after(worker, worker.terminate(now_s=now_s, stamp=stamp), now_s, stamp)

    def _poke(self, namespace: str, now_s: float, stamp: str) -> list[Command]:
        commands: list[Command] = []
        for worker in list(self._workers.values()):
            if worker.pod.metadata.namespace == namespace and not worker.ended:
                poked = worker.poke(now_s=now_s, stamp=stamp)
                commands += self._after(worker, poked, now_s, stamp) if poked else []
        return commands

    def _after(
        self, worker: PodWorker, commands: list[Command], now_s: float, stamp: str
    ) -> list[Command]:
        """What every step of a pod is followed by: its status, its end, its next moment."""
        if worker.ended:
            self._release(worker)
        if (change := worker.readiness_change()) is not None:
            commands = [change, *commands]
        if not worker.removed:
            status = worker.status(stamp=stamp)
            commands = commands + self._writer.want(worker.pod, status, now_s=now_s)
            if worker.ended and worker.pod.metadata.deletion_timestamp is not None:
                commands += self._writer.finish(worker.pod, now_s=now_s)
        elif worker.ended:
            self._drop(worker)
            return commands
        self._wakes.pop(worker.uid, None)
        if (next_s := worker.next_wake_s()) is not None:
            self._wakes[worker.uid] = next_s
        return commands

    def _release(self, worker: PodWorker) -> None:
        """A pod's address is free once everything in it has stopped."""
        if not worker.released:
            worker.released = True
            self._ips.release(worker.ip)

    def _drop(self, worker: PodWorker) -> None:
        self._release(worker)
        self._workers.pop(worker.uid, None)
        self._wakes.pop(worker.uid, None)


def _has_run(status: PodStatus) -> bool:
    records = (*status.init_container_statuses, *status.container_statuses)
    return any(each.container_id for each in records)
