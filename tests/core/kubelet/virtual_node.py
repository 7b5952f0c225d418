"""A node on virtual time: an obedient runtime and API server around the kubelet under test."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from emucluster.core.durations import Speed
from emucluster.core.kubelet import commands as c
from emucluster.core.kubelet import events as e
from emucluster.core.kubelet.kubelet import Kubelet
from emucluster.core.kubelet.settings import KubeletSettings
from emucluster.core.objects import Container, ObjectMeta, Pod, PodSpec, replace

T = TypeVar("T")
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def pod(name: str = "web", *, image: str = "emucluster/echo", **spec: Any) -> Pod:
    """A pod with one container `main`; keyword arguments of Container or PodSpec."""
    own = set(Container.__struct_fields__) - {"restart_policy"}
    of_container = {key: spec.pop(key) for key in list(spec) if key in own}
    of_pod: dict[str, Any] = {
        "termination_grace_period_seconds": 30,
        "restart_policy": "Always",
    } | spec
    containers = of_pod.pop("containers", (Container(name="main", image=image, **of_container),))
    return Pod(
        metadata=ObjectMeta(name=name, namespace="default", uid=f"uid-{name}"),
        spec=PodSpec(node_name="node-1", containers=containers, **of_pod),
    )


class VirtualNode:
    """Carries out what the kubelet asks, at once, and remembers when it was asked.

    Containers start and exit on SIGTERM unless told otherwise; probes answer what `probe` says.
    """

    def __init__(self, *, speed: float = 1.0, stand_in: bool = False) -> None:
        settings = KubeletSettings(
            address="127.16.0.1",
            pod_cidr="127.32.1.0/24",
            zone="zone-a",
            speed=Speed(speed),
            stand_in=stand_in,
        )
        self.now_s = 0.0
        self.kubelet = Kubelet("node-1", settings, rng=random.Random(7))
        self.log: list[tuple[float, c.Command]] = []
        self.pods: dict[str, Pod] = {}
        self.deleted: list[str] = []
        self.running: dict[tuple[str, str], str] = {}
        self.probe: Callable[[c.SendProbe], e.ProbeResult | None] = lambda _: "success"
        self.obeys_term = True
        self.starts = True
        self.api_up = True
        self.node_is_there = True
        self.api_answers = True
        self.hooks_end = True

    @property
    def stamp(self) -> str:
        return (EPOCH + timedelta(seconds=self.now_s)).strftime("%Y-%m-%dT%H:%M:%SZ")

    # --- driving --------------------------------------------------------------------------------

    def boot(self) -> VirtualNode:
        self.carry_out(self.kubelet.start(self.now_s, self.stamp))
        return self

    def run_until(self, moment_s: float) -> VirtualNode:
        """Let time pass, from wake to wake."""
        for _ in range(100_000):
            due_s = self.kubelet.next_wake_s()
            if due_s is None or due_s > moment_s:
                self.now_s = max(self.now_s, moment_s)
                return self
            self.now_s = max(self.now_s, due_s)
            self.carry_out(self.kubelet.wake(self.now_s, self.stamp))
        raise AssertionError("the kubelet never rests")

    def carry_out(self, commands: list[c.Command]) -> None:
        for command in commands:
            self.log.append((self.now_s, command))
            for event in self._effect(command):
                self.happens(event)

    def happens(self, event: e.KubeletEvent) -> None:
        self.carry_out(self.kubelet.handle(event, self.now_s, self.stamp))

    # --- the API server -------------------------------------------------------------------------

    def create(self, new: Pod) -> VirtualNode:
        self.pods[new.metadata.uid] = new
        self.carry_out(self.kubelet.handle_pod("ADDED", new, self.now_s, self.stamp))
        return self

    def change(self, name: str, changed: Callable[[Pod], Pod]) -> None:
        new = changed(self.pods[f"uid-{name}"])
        self.pods[new.metadata.uid] = new
        self.carry_out(self.kubelet.handle_pod("MODIFIED", new, self.now_s, self.stamp))

    def delete(self, name: str = "web", *, grace_s: int | None = None) -> None:
        def marked(old: Pod) -> Pod:
            grace = old.spec.termination_grace_period_seconds if grace_s is None else grace_s
            meta = replace(
                old.metadata, deletion_timestamp=self.stamp, deletion_grace_period_seconds=grace
            )
            return replace(old, metadata=meta)

        self.change(name, marked)

    def force_delete(self, name: str = "web") -> None:
        gone = self.pods.pop(f"uid-{name}")
        meta = replace(
            gone.metadata, deletion_timestamp=self.stamp, deletion_grace_period_seconds=0
        )
        gone = replace(gone, metadata=meta)
        self.carry_out(self.kubelet.handle_pod("DELETED", gone, self.now_s, self.stamp))

    # --- the runtime ----------------------------------------------------------------------------

    def exits(self, code: int = 1, *, name: str = "web", container: str = "main") -> None:
        key = (f"uid-{name}", container)
        self.happens(e.ContainerExited(*key, self.running.pop(key), code))

    def reboot(self) -> None:
        self.running.clear()
        self.carry_out(self.kubelet.reboot(self.now_s, self.stamp))
        listed = list(self.pods.values())
        self.carry_out(self.kubelet.handle_pod_list(listed, self.now_s, self.stamp))

    def _effect(self, command: c.Command) -> list[e.KubeletEvent]:
        if isinstance(command, c.ApiWrite) and not self.api_answers:
            return []
        match command:
            case c.StartContainer(pod, container_id, spec) if self.starts:
                self.running[pod.uid, spec.name] = container_id
                return [e.ContainerStarted(pod.uid, spec.name, container_id, pid=1)]
            case c.SignalContainer(uid, name, container_id, signal):
                dies = signal == "KILL" or self.obeys_term
                if dies and self.running.pop((uid, name), None) == container_id:
                    code = 0 if signal == "TERM" else 137
                    return [e.ContainerExited(uid, name, container_id, code)]
            case c.SendProbe() if (result := self.probe(command)) is not None:
                return [e.ProbeFinished(command.probe_id, command.pod_uid, result, "no answer")]
            case c.RunHook() if self.hooks_end:
                return [e.HookFinished(command.hook_id, command.pod_uid, ok=True)]
            case c.RegisterNode() | c.WriteNodeStatus() | c.RenewLease():
                if not self.api_up:
                    return [e.WriteFailed(command, "down")]
                self.node_is_there |= isinstance(command, c.RegisterNode)
                if not self.node_is_there:
                    return [e.WriteFailed(command, 'nodes "node-1" not found', gone=True)]
                return [e.Wrote(command)]
            case c.WritePodStatus() | c.FinishPodDeletion():
                return self._write(command)
        return []

    def _write(self, command: c.WritePodStatus | c.FinishPodDeletion) -> list[e.KubeletEvent]:
        if not self.api_up:
            return [e.WriteFailed(command, "connection refused")]
        if command.uid not in self.pods:
            return [e.WriteFailed(command, "not found", gone=True)]
        if isinstance(command, c.WritePodStatus):
            self.pods[command.uid] = replace(self.pods[command.uid], status=command.status)
            return [e.Wrote(command)]
        gone = self.pods.pop(command.uid)
        self.deleted.append(gone.metadata.name)
        self.happens(e.Wrote(command))
        self.carry_out(self.kubelet.handle_pod("DELETED", gone, self.now_s, self.stamp))
        return []

    # --- what tests look at ---------------------------------------------------------------------

    def status(self, name: str = "web") -> Any:
        return self.pods[f"uid-{name}"].status

    def container(self, name: str = "web", index: int = 0) -> Any:
        return self.status(name).container_statuses[index]

    def is_ready(self, name: str = "web") -> bool:
        return bool(self.condition("Ready", name).status == "True")

    def condition(self, type_: str, name: str = "web") -> Any:
        return next(each for each in self.status(name).conditions if each.type == type_)

    def times(self, kind: type[T], which: Callable[[T], bool] = lambda _: True) -> list[float]:
        """When commands of a kind were given, in seconds."""
        return [round(at, 3) for at, each in self.log if isinstance(each, kind) and which(each)]

    def events(self, reason: str = "") -> list[str]:
        """Messages of the Events, of one reason or all."""
        return [
            each.message
            for _, each in self.log
            if isinstance(each, c.RecordEvent) and reason in ("", each.reason)
        ]
