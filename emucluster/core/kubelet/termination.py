"""How one container is brought to its end: preStop, SIGTERM, grace period, SIGKILL.

As kubernetes/kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go killContainer: the grace
period includes preStop, and however long that took, two seconds are left between TERM and KILL.
None of this is divided by the cluster's speed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from emucluster.core.kubelet.actions import NoSuchPort, hook_action
from emucluster.core.kubelet.commands import Command, RunHook, SignalContainer
from emucluster.core.objects import Container

MINIMUM_WINDOW_S = 2.0
DEFAULT_GRACE_S = 30.0


@dataclass(slots=True)
class ContainerStop:
    """Drives the end of one instance; the instance's exit ends it, whenever that comes."""

    pod_uid: str
    spec: Container
    container_id: str
    grace_s: float
    hook_id: int
    began_s: float
    stage: Literal["pre-stop", "terminating", "killed"] = "pre-stop"
    kill_at_s: float = 0.0
    sleeps_until_s: float | None = None

    def begin(self) -> list[Command]:
        """preStop if there is one and time for it, else SIGTERM at once."""
        now_s = self.began_s
        lifecycle = self.spec.lifecycle
        if lifecycle is None or lifecycle.pre_stop is None or self.grace_s <= 0:
            return self._terminate(now_s)
        try:
            action = hook_action(lifecycle.pre_stop, self.spec)
        except NoSuchPort:
            return self._terminate(now_s)
        if action is None:
            return self._terminate(now_s)
        if isinstance(action, float):
            self.sleeps_until_s = now_s + min(action, self.grace_s)
            return []
        self.sleeps_until_s = now_s + self.grace_s
        hook = RunHook(
            hook_id=self.hook_id,
            kind="preStop",
            pod_uid=self.pod_uid,
            container=self.spec.name,
            container_id=self.container_id,
            action=action,
            timeout_s=self.grace_s,
        )
        return [hook]

    def hook_finished(self, now_s: float) -> list[Command]:
        """preStop ended, well or not."""
        return self._terminate(now_s) if self.stage == "pre-stop" else []

    def shorten(self, grace_s: float, now_s: float) -> list[Command]:
        """A later deletion asked for a shorter grace period, counted from now."""
        end_s = now_s + grace_s
        if self.stage == "pre-stop" and self.sleeps_until_s is not None:
            if end_s < self.began_s + self.grace_s:
                self.grace_s = end_s - self.began_s
                self.sleeps_until_s = min(self.sleeps_until_s, end_s)
        elif self.stage == "terminating":
            self.kill_at_s = min(self.kill_at_s, now_s + max(grace_s, MINIMUM_WINDOW_S))
        return self.wake(now_s)

    def wake(self, now_s: float) -> list[Command]:
        if self.stage == "pre-stop" and self.sleeps_until_s is not None:
            return self._terminate(now_s) if now_s >= self.sleeps_until_s else []
        if self.stage == "terminating" and now_s >= self.kill_at_s:
            self.stage = "killed"
            return [self._signal("KILL")]
        return []

    def next_wake_s(self) -> float | None:
        if self.stage == "pre-stop":
            return self.sleeps_until_s
        return self.kill_at_s if self.stage == "terminating" else None

    def _terminate(self, now_s: float) -> list[Command]:
        remaining_s = self.grace_s - (now_s - self.began_s)
        self.stage = "terminating"
        self.kill_at_s = now_s + max(remaining_s, MINIMUM_WINDOW_S)
        return [self._signal("TERM")]

    def _signal(self, signal: Literal["TERM", "KILL"]) -> SignalContainer:
        return SignalContainer(self.pod_uid, self.spec.name, self.container_id, signal)
