"""When a target is checked, and whether it is in service."""

from __future__ import annotations

from typing import Literal

from emucluster.core.health.threshold import Threshold

from .commands import ProbeResult
from .health_check import HealthCheckPolicy

CheckedState = Literal["initial", "healthy", "unhealthy"]


class TargetHealth:
    """The health check of one target.

    One check runs at a time: a check that lasts longer than the interval delays the next. The
    first is due at once.
    """

    __slots__ = (
        "_due_s",
        "_is_new",
        "_run",
        "_run_passed",
        "_started_s",
        "_threshold",
        "policy",
        "state",
    )

    def __init__(self, policy: HealthCheckPolicy, *, now_s: float) -> None:
        self.policy = policy
        self.state: CheckedState = "healthy" if policy.starts_in_service else "initial"
        self._is_new = True
        self._run, self._run_passed = 0, False
        self._due_s = now_s
        self._started_s: float | None = None
        self._threshold = Threshold(
            up=policy.starts_in_service,
            rise=policy.healthy_threshold,
            fall=policy.unhealthy_threshold,
        )

    def next_wake_s(self) -> float | None:
        """When the next check is due; None while one runs."""
        return None if self._started_s is not None else self._due_s

    def is_due(self, *, now_s: float) -> bool:
        return self._started_s is None and now_s >= self._due_s

    def start(self, *, now_s: float) -> None:
        """A check begins; `end` must follow."""
        assert self.is_due(now_s=now_s), "a check is running, or none is due"
        self._started_s = now_s

    def end(self, result: ProbeResult, *, now_s: float, had_traffic: bool) -> bool:
        """A check ended; True if it changed `state`.

        `had_traffic`: whether the load balancer ever had a flow (see `no_traffic_interval_s`).
        """
        assert self._started_s is not None, "no check is running"
        interval_s = self.policy.interval_now_s(had_traffic=had_traffic)
        if self.policy.next_check == "after-end":
            self._due_s = now_s + interval_s
        else:
            self._due_s = max(self._started_s + interval_s, now_s)
        self._started_s = None
        return self._count(result)

    def adopt(self, policy: HealthCheckPolicy, *, now_s: float) -> None:
        """Go on under other numbers; the state stays, the count of a run goes on."""
        self.policy = policy
        self._threshold.rise = policy.healthy_threshold
        self._threshold.fall = policy.unhealthy_threshold
        self._due_s = min(self._due_s, now_s + policy.interval_s)

    def _count(self, result: ProbeResult) -> bool:
        was = self.state
        passed = result == "passed"
        final = self.policy.bad_status_is_final and result == "bad-status"
        if self._is_new:
            self._count_new(passed, final=final)
        elif self._threshold.count(passed, needed=1 if final else None):
            self.state = "healthy" if passed else "unhealthy"
        return self.state != was

    def _count_new(self, passed: bool, *, final: bool) -> None:
        """Until the first verdict, the policy's `initial_...` counts hold."""
        policy = self.policy
        self._run = self._run + 1 if passed == self._run_passed else 1
        self._run_passed = passed
        if passed:
            needed = policy.initial_successes or policy.healthy_threshold
        else:
            needed = 1 if final else policy.initial_failures or policy.unhealthy_threshold
        if self._run >= needed:
            self._is_new = False
            self.state = "healthy" if passed else "unhealthy"
            self._threshold.up = passed
