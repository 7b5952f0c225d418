"""All probes of one pod."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from emucluster.core.durations import Speed
from emucluster.core.kubelet.container import ContainerRecord
from emucluster.core.kubelet.probes import ProbeWorker, probes_of


@dataclass(slots=True)
class PodProbes:
    pod_uid: str
    speed: Speed
    workers: list[ProbeWorker] = field(default_factory=list)

    def add(
        self,
        records: Iterable[ContainerRecord],
        *,
        rng: random.Random,
        kubelet_started_s: float,
        now_s: float,
    ) -> None:
        """Their tickers begin now; on a young kubelet at random, to spread all pods' probes."""
        for record in records:
            for worker in probes_of(record, pod_uid=self.pod_uid, speed=self.speed, now_s=now_s):
                if worker.period_s > now_s - kubelet_started_s:
                    worker.origin_s += rng.random() * worker.period_s
                self.workers.append(worker)

    def new_container(self, record: ContainerRecord) -> None:
        for worker in self._of(record):
            worker.new_container()

    def trigger_readiness(self, record: ContainerRecord) -> None:
        for worker in self._of(record):
            if worker.kind == "readiness":
                worker.trigger()

    def find(self, probe_id: int) -> ProbeWorker | None:
        return next((each for each in self.workers if each.in_flight == probe_id), None)

    def due(self, now_s: float, *, terminating: bool) -> list[ProbeWorker]:
        found = []
        for worker in self.workers:
            due_s = worker.next_due_s(terminating=terminating)
            if due_s is not None and due_s <= now_s:
                found.append(worker)
        return found

    def next_wake_s(self, *, terminating: bool) -> float | None:
        moments = (each.next_due_s(terminating=terminating) for each in self.workers)
        return min((each for each in moments if each is not None), default=None)

    def _of(self, record: ContainerRecord) -> Iterable[ProbeWorker]:
        return (each for each in self.workers if each.record is record)
