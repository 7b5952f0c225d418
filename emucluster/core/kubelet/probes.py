"""When a container is probed, and what the results mean.

As kubernetes/kubernetes pkg/kubelet/prober/worker.go: one worker for each probe of each container,
on a ticker that outlives restarts. Periods, delays and time-outs are divided by the speed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from emucluster.core.durations import Speed
from emucluster.core.kubelet.actions import probe_action
from emucluster.core.kubelet.commands import CheckAction, GrpcCheck, ProbeKind, SendProbe
from emucluster.core.kubelet.container import ContainerRecord
from emucluster.core.kubelet.events import ProbeResult
from emucluster.core.kubelet.image import is_stand_in
from emucluster.core.kubelet.pod_spec import stand_in_ports
from emucluster.core.objects import Probe


@dataclass(slots=True)
class ProbeWorker:
    """One probe of one container.

    `origin_s` is the moment of the first tick: at once, or after a random part of the period while
    the kubelet itself is younger than a period.
    """

    kind: ProbeKind
    probe: Probe
    record: ContainerRecord
    pod_uid: str
    speed: Speed
    origin_s: float
    last_tick_s: float = -math.inf
    in_flight: int | None = None
    probed_id: str = ""
    triggered: bool = False
    on_hold: bool = False
    last_result: ProbeResult | None = None
    result_run: int = 0

    @property
    def period_s(self) -> float:
        return self.speed.duration_s(float(self.probe.period_seconds or 10))

    @property
    def timeout_s(self) -> float:
        return self.speed.timeout_s(float(self.probe.timeout_seconds or 1))

    def new_container(self) -> None:
        """The container was started anew: results of the one before no longer count."""
        self.on_hold = False
        self.in_flight = None
        self.last_result, self.result_run = None, 0

    def trigger(self) -> None:
        """Probe at once instead of at the next tick; readiness does so when a container starts."""
        self.triggered = True

    def next_due_s(self, *, terminating: bool) -> float | None:
        """When to probe next; None while the rules forbid it."""
        if not self._allowed(terminating) or self.in_flight is not None:
            return None
        delay_s = self.speed.duration_s(float(self.probe.initial_delay_seconds or 0))
        eligible_s = max(self.record.started_s + delay_s, self.record.probed_from_s)
        if self.triggered and delay_s == 0:
            return self.record.started_s
        ticks = max(0, math.ceil((eligible_s - self.origin_s) / self.period_s - 1e-9))
        due_s = self.origin_s + ticks * self.period_s
        if due_s <= self.last_tick_s:
            passed = math.floor((self.last_tick_s - self.origin_s) / self.period_s + 1e-9)
            due_s = self.origin_s + (passed + 1) * self.period_s
        return due_s

    def send(self, probe_id: int, *, now_s: float) -> SendProbe:
        """Probe now. Raises `NoSuchPort` for a handler that cannot be carried out."""
        self.last_tick_s = now_s
        self.triggered = False
        action = self._action()
        self.in_flight, self.probed_id = probe_id, self.record.container_id
        return SendProbe(
            probe_id=probe_id,
            kind=self.kind,
            pod_uid=self.pod_uid,
            container=self.record.spec.name,
            container_id=self.record.container_id,
            action=action,
            timeout_s=self.timeout_s,
        )

    def finish(self, result: ProbeResult) -> ProbeResult | None:
        """Count a result; it is returned when a threshold is reached, so that it takes effect."""
        self.in_flight = None
        if result == "error" or self.probed_id != self.record.container_id:
            return None
        if self.last_result == result:
            self.result_run += 1
        else:
            self.last_result, self.result_run = result, 1
        threshold = self.probe.failure_threshold or 3
        if result == "success":
            threshold = self.probe.success_threshold or 1
        if self.result_run < threshold:
            return None
        if self.kind == "startup" or (self.kind == "liveness" and result == "failure"):
            self.on_hold = True  # until there is a new container
            self.result_run = 0
        return result

    def _action(self) -> CheckAction:
        """A stand-in speaks only gRPC and has no files of the image: its own health is asked."""
        record = self.record
        if record.image is not None and is_stand_in(record.image):
            return GrpcCheck(stand_in_ports(record.spec)[0].port)
        return probe_action(self.probe, record.spec)

    def _allowed(self, terminating: bool) -> bool:
        record = self.record
        if record.phase != "running" or record.post_start is not None or self.on_hold:
            return False
        if terminating and self.kind != "readiness":
            return False
        return record.started != (self.kind == "startup")


def probes_of(
    record: ContainerRecord, *, pod_uid: str, speed: Speed, now_s: float
) -> list[ProbeWorker]:
    """The workers of a container's probes; they tick from now on."""
    spec = record.spec
    configured: tuple[tuple[ProbeKind, Probe | None], ...] = (
        ("startup", spec.startup_probe),
        ("readiness", spec.readiness_probe),
        ("liveness", spec.liveness_probe),
    )
    return [
        ProbeWorker(kind, probe, record, pod_uid, speed, now_s)
        for kind, probe in configured
        if probe is not None
    ]
