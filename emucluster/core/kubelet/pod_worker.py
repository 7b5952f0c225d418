"""The life of one pod on this node, from its first sight to its removal."""

from __future__ import annotations

from dataclasses import dataclass, field

from emucluster.core.kubelet import wording
from emucluster.core.kubelet.actions import NoSuchPort, hook_action
from emucluster.core.kubelet.bring_up import PodPlace, bring_up, stays_down
from emucluster.core.kubelet.commands import (
    Command,
    ReadinessBecame,
    RunHook,
    SignalContainer,
    StopPod,
)
from emucluster.core.kubelet.container import ContainerRecord
from emucluster.core.kubelet.events import (
    ContainerExited,
    ContainerNotListening,
    ContainerStarted,
    HookFinished,
    ProbeFinished,
    RuntimeEvent,
)
from emucluster.core.kubelet.node_context import NodeContext
from emucluster.core.kubelet.pod_probes import PodProbes
from emucluster.core.kubelet.pod_spec import without_foreign_hooks
from emucluster.core.kubelet.status import (
    Conditions,
    PodView,
    build_status,
    initialized,
    is_init_done,
)
from emucluster.core.kubelet.termination import DEFAULT_GRACE_S, ContainerStop
from emucluster.core.objects import Pod, PodStatus


@dataclass(slots=True)
class PodWorker:
    """Decides for one pod. Every method returns the commands that follow."""

    pod: Pod
    node: NodeContext
    ip: str
    start_stamp: str
    probes: PodProbes
    inits: list[ContainerRecord]
    mains: list[ContainerRecord]
    conditions: Conditions = field(default_factory=Conditions)
    terminating: bool = False
    ended: bool = False
    removed: bool = False
    """Gone from the API server; nobody is to be told of its end."""
    released: bool = False
    """Its address was given back."""
    told_readiness: tuple[bool, str] | None = None

    @classmethod
    def admit(
        cls,
        pod: Pod,
        node: NodeContext,
        *,
        ip: str,
        kubelet_started_s: float,
        now_s: float,
        stamp: str,
        earlier: PodStatus | None = None,
    ) -> PodWorker:
        """A pod seen for the first time, or, with an `earlier` status, again after a reboot."""
        waiting = "PodInitializing" if pod.spec.init_containers else "ContainerCreating"
        inits = [ContainerRecord(each, is_init=True) for each in pod.spec.init_containers]
        mains = [ContainerRecord(each, first_reason=waiting) for each in pod.spec.containers]
        probes = PodProbes(pod.metadata.uid, node.settings.speed)
        probed = [*(each for each in inits if each.is_sidecar), *mains]
        probes.add(probed, rng=node.rng, kubelet_started_s=kubelet_started_s, now_s=now_s)
        worker = cls(pod, node, ip, stamp, probes, inits, mains)
        worker.conditions.adopt(pod.status.conditions)
        if earlier is not None:
            worker._restore(earlier, stamp)
        return worker

    def _restore(self, earlier: PodStatus, stamp: str) -> None:
        self.start_stamp = earlier.start_time or stamp
        known = {
            status.name: status
            for status in (*earlier.init_container_statuses, *earlier.container_statuses)
        }
        for record in self.records:
            if record.spec.name in known:
                record.restore(known[record.spec.name], stamp=stamp)

    # --- what others ask ------------------------------------------------------------------------

    @property
    def uid(self) -> str:
        return self.pod.metadata.uid

    @property
    def records(self) -> list[ContainerRecord]:
        return [*self.inits, *self.mains]

    def status(self, *, stamp: str) -> PodStatus:
        view = PodView(
            pod=self.pod,
            inits=self.inits,
            mains=self.mains,
            ip=self.ip,
            host_ip=self.node.settings.address,
            start_stamp=self.start_stamp,
            ended=self.ended,
        )
        return build_status(view, self.conditions, stamp=stamp)

    def next_wake_s(self) -> float | None:
        if self.ended:
            return None
        moments = [each.retry_at_s for each in self.records if each.phase == "waiting"]
        moments += [each.stop.next_wake_s() for each in self.records if each.stop is not None]
        moments += [self.probes.next_wake_s(terminating=self.terminating)]
        moments += [each.post_start_ends_s for each in self.records]
        return min((each for each in moments if each is not None), default=None)

    def readiness_change(self) -> ReadinessBecame | None:
        """What became of the pod's readiness since the last call; the first call tells it."""
        probed = [*(each for each in self.inits if each.is_sidecar), *self.mains]
        unready = (each.readiness for each in probed if not each.readiness[0])
        ready, reason = next(unready, (True, self.mains[0].readiness[1]))
        if (ready, reason) == self.told_readiness:
            return None
        self.told_readiness = ready, reason
        meta = self.pod.metadata
        return ReadinessBecame(meta.namespace, meta.name, meta.uid, ready, reason)

    # --- what happens ---------------------------------------------------------------------------

    def update(self, pod: Pod, *, now_s: float, stamp: str) -> list[Command]:
        """The object changed: deletion asked for, a shorter grace period, another image."""
        self.pod = pod
        if pod.metadata.deletion_timestamp is not None:
            return self.terminate(now_s=now_s, stamp=stamp)
        commands: list[Command] = []
        specs = {each.name: each for each in (*pod.spec.init_containers, *pod.spec.containers)}
        for record in self.records:
            new = specs.get(record.spec.name, record.spec)
            changed, record.spec = new.image != record.spec.image, new
            if changed and record.is_live and record.stop is None:
                why = f"Container {new.name} definition changed, will be restarted"
                commands += self._stop(record, self._grace_s(), why, now_s)
            elif changed and record.phase == "waiting":
                record.retry_at_s = None
        return commands + self._sync(now_s, stamp)

    def poke(self, *, now_s: float, stamp: str) -> list[Command]:
        """A ConfigMap or Secret came or changed; who could not be created without tries again."""
        wanting = [
            record
            for record in self.records
            if record.phase == "waiting" and record.waiting_reason == wording.CONFIG_ERROR
        ]
        for record in wanting:
            record.retry_at_s = None
        return self._sync(now_s, stamp) if wanting else []

    def terminate(self, *, now_s: float, stamp: str, grace_s: float | None = None) -> list[Command]:
        """The pod is to end: all containers in parallel. Again, with less grace: sooner."""
        grace_s = self._grace_s() if grace_s is None else grace_s
        commands: list[Command] = []
        again, self.terminating = self.terminating, True
        for record in self.records:
            if record.stop is not None:
                commands += record.stop.shorten(grace_s, now_s)
            elif record.phase == "running" and not again:
                why = f"Stopping container {record.spec.name}"
                commands += self._stop(record, grace_s, why, now_s)
            elif record.phase == "starting" and not again:
                commands.append(self._kill(record))
        return commands + self._sync(now_s, stamp)

    def handle(self, event: RuntimeEvent, *, now_s: float, stamp: str) -> list[Command]:
        if isinstance(event, ContainerStarted):
            commands = self._on_started(event, now_s, stamp)
        elif isinstance(event, ContainerExited):
            commands = self._on_exited(event, now_s, stamp)
        elif isinstance(event, ContainerNotListening):
            commands = self._on_not_listening(event)
        elif isinstance(event, ProbeFinished):
            commands = self._on_probe(event, now_s)
        else:
            commands = self._on_hook(event, now_s)
        return commands + self._sync(now_s, stamp)

    def wake(self, *, now_s: float, stamp: str) -> list[Command]:
        commands: list[Command] = []
        for record in self.records:
            if record.stop is not None:
                commands += record.stop.wake(now_s)
            if record.post_start_ends_s is not None and now_s >= record.post_start_ends_s:
                self._post_start_done(record, now_s)
        return commands + self._sync(now_s, stamp)

    # --- reactions ------------------------------------------------------------------------------

    def _on_started(self, event: ContainerStarted, now_s: float, stamp: str) -> list[Command]:
        record = self._record(event.container, event.container_id)
        if record is None or record.phase != "starting":
            return []
        record.run(now_s=now_s, stamp=stamp)
        commands = [self._say(record, "Normal", "Started", f"Started container {record.spec.name}")]
        lifecycle = without_foreign_hooks(record.spec, record.image).lifecycle
        if self.terminating:
            return [*commands, self._kill(record)]
        if lifecycle is None or lifecycle.post_start is None:
            self._post_start_done(record, now_s)
            return commands
        record.post_start = next(self.node.ids)
        try:
            action = hook_action(lifecycle.post_start, record.spec)
        except NoSuchPort as error:
            return commands + self._post_start_failed(record, str(error), now_s)
        if action is None:
            self._post_start_done(record, now_s)
        elif isinstance(action, float):
            record.post_start_ends_s = now_s + action
        else:
            hook = RunHook(
                hook_id=record.post_start,
                kind="postStart",
                pod_uid=self.uid,
                container=record.spec.name,
                container_id=record.container_id,
                action=action,
                timeout_s=3600.0,
            )
            commands.append(hook)
        return commands

    def _post_start_done(self, record: ContainerRecord, now_s: float) -> None:
        record.post_start = record.post_start_ends_s = None
        record.probed_from_s = now_s
        if record.phase == "running" and record.spec.startup_probe is None:
            self._mark_started(record, now_s)

    def _post_start_failed(
        self, record: ContainerRecord, message: str, now_s: float
    ) -> list[Command]:
        record.post_start = None
        said = self._say(
            record, "Warning", "FailedPostStartHook", f"PostStartHook failed: {message}"
        )
        return [said, *self._stop(record, self._grace_s(), "FailedPostStartHook", now_s)]

    def _mark_started(self, record: ContainerRecord, now_s: float) -> None:
        record.probed_from_s = now_s
        record.started = True
        record.ready = record.spec.readiness_probe is None
        if record.ready:
            record.readiness_reason = "started; has no readiness probe"
        self.probes.trigger_readiness(record)

    def _on_exited(self, event: ContainerExited, now_s: float, stamp: str) -> list[Command]:
        record = self._record(event.container, event.container_id)
        if record is None or not record.is_live:
            return []
        never_ran = record.phase == "starting"
        record.end(event, now_s=now_s, stamp=stamp)
        if never_ran and event.message and not self.terminating:
            return [self._say(record, "Warning", "Failed", f"Error: {event.message}")]
        return []

    def _on_not_listening(self, event: ContainerNotListening) -> list[Command]:
        """No more than a word: in Kubernetes, where a container listens is its own affair."""
        record = self._record(event.container, event.container_id)
        if record is None or record.phase != "running" or self.terminating:
            return []
        return [self._say(record, "Warning", "NotListening", event.message)]

    def _on_probe(self, event: ProbeFinished, now_s: float) -> list[Command]:
        probe = self.probes.find(event.probe_id)
        if probe is None:
            return []
        record, commands = probe.record, list[Command]()
        if event.result == "failure":
            text = f"{probe.kind.capitalize()} probe failed: {event.message}"
            commands.append(self._say(record, "Warning", "Unhealthy", text))
        effect = probe.finish(event.result)
        if effect is None or record.phase != "running":
            return commands
        if probe.kind == "readiness":
            record.ready = effect == "success"
            record.readiness_reason = f"readiness probe: {event.message or event.result}"
        elif effect == "failure" and record.stop is None and not self.terminating:
            own = probe.probe.termination_grace_period_seconds
            why = f"Container {record.spec.name} failed {probe.kind} probe, will be restarted"
            commands += self._stop(record, self._grace_s() if own is None else own, why, now_s)
        elif probe.kind == "startup" and effect == "success":
            self._mark_started(record, now_s)
        return commands

    def _on_hook(self, event: HookFinished, now_s: float) -> list[Command]:
        for record in self.records:
            if record.post_start == event.hook_id:
                if event.ok:
                    self._post_start_done(record, now_s)
                    return []
                return self._post_start_failed(record, event.message, now_s)
            if record.stop is not None and record.stop.hook_id == event.hook_id:
                said: list[Command] = []
                if not event.ok:
                    text = f"PreStopHook failed: {event.message}"
                    said = [self._say(record, "Warning", "FailedPreStopHook", text)]
                return said + record.stop.hook_finished(now_s)
        return []

    # --- what is to be done now -----------------------------------------------------------------

    def _sync(self, now_s: float, stamp: str) -> list[Command]:
        if self.ended:
            return []
        commands: list[Command] = []
        if not self.terminating:
            for record in self._startable():
                commands += self._bring_up(record, now_s)
        if self._is_over():
            self.ended = True
            for record in self.records:
                record.ready = record.started = False
            return [*commands, StopPod(self.uid)]
        return commands + self._send_probes(now_s)

    def _startable(self) -> list[ContainerRecord]:
        """Init containers one after the other, sidecars among them kept up, then the rest."""
        found: list[ContainerRecord] = []
        for record in self.inits:
            if record.is_sidecar or not is_init_done(record):
                found.append(record)
            if not is_init_done(record):
                return found
        return [*found, *self.mains]

    def _is_over(self) -> bool:
        if any(record.is_live for record in self.records):
            return False
        if self.terminating:
            return True
        plain = [each for each in self.inits if not each.is_sidecar]
        if any(self._stays_down(each) and not is_init_done(each) for each in plain):
            return True
        return initialized(self.inits) and all(self._stays_down(each) for each in self.mains)

    def _stays_down(self, record: ContainerRecord) -> bool:
        return stays_down(record, self.pod.spec.restart_policy or "Always")

    def _bring_up(self, record: ContainerRecord, now_s: float) -> list[Command]:
        if record.is_live or self._stays_down(record):
            return []
        before = record.created
        commands = bring_up(record, PodPlace(self.pod, self.node, self.ip), now_s)
        if record.created > before:
            self.probes.new_container(record)
        return commands

    def _send_probes(self, now_s: float) -> list[Command]:
        commands: list[Command] = []
        for probe in self.probes.due(now_s, terminating=self.terminating):
            try:
                commands.append(probe.send(next(self.node.ids), now_s=now_s))
            except NoSuchPort as error:
                text = f"{probe.kind.capitalize()} probe errored: {error}"
                commands.append(self._say(probe.record, "Warning", "Unhealthy", text))
        return commands

    # --- parts ----------------------------------------------------------------------------------

    def _stop(
        self, record: ContainerRecord, grace_s: float, why: str, now_s: float
    ) -> list[Command]:
        record.stop = ContainerStop(
            pod_uid=self.uid,
            spec=without_foreign_hooks(record.spec, record.image),
            container_id=record.container_id,
            grace_s=grace_s,
            hook_id=next(self.node.ids),
            began_s=now_s,
        )
        return [self._say(record, "Normal", "Killing", why), *record.stop.begin()]

    def _kill(self, record: ContainerRecord) -> SignalContainer:
        return SignalContainer(self.uid, record.spec.name, record.container_id, "KILL")

    def _grace_s(self) -> float:
        """At least a second once deletion was asked for (pkg/kubelet/pod_workers.go)."""
        meta, spec = self.pod.metadata, self.pod.spec
        if meta.deletion_timestamp is not None and meta.deletion_grace_period_seconds is not None:
            return float(max(1, meta.deletion_grace_period_seconds))
        configured = spec.termination_grace_period_seconds
        return DEFAULT_GRACE_S if configured is None else float(configured)

    def _record(self, name: str, container_id: str) -> ContainerRecord | None:
        for record in self.records:
            if record.spec.name == name and record.container_id == container_id:
                return record
        return None

    def _say(
        self, record: ContainerRecord, type_: wording.EventType, reason: str, message: str
    ) -> Command:
        return wording.pod_event(self.pod, type_, reason, message, about=record.field_path)
