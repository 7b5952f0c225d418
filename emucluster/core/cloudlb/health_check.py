"""How a load balancer checks its targets: numbers, and what they are counted from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from emucluster.core.durations import Speed

CheckedPort = Literal["traffic", "kube-proxy", "health-check-node-port"]
"""`traffic` is the nodePort itself, `kube-proxy` 10256, the third the Service's own port."""

NextCheck = Literal["after-start", "after-end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheckPolicy:
    """When to check, and how many answers in a row count.

    Equal numbers do not make equal outages: what the interval is counted from, and which time-out
    applies, are part of the policy.

    Attributes:
        protocol: `tcp` (connect) or `http` (GET `path`, 200).
        port: what is checked; `fixed_port` overrides it with a number.
        interval_s: from the start of a check to the start of the next (`after-start`), or from its
            end (`after-end`).
        timeout_s: for the whole check.
        connect_timeout_s: for the establishment of the connection; None: `timeout_s`.
        adds_timeouts: `timeout_s` begins only once the connection is established (HAProxy).
        healthy_threshold: passes in a row that put an unhealthy target in service.
        unhealthy_threshold: failures in a row that take it out.
        initial_successes: passes that put a *new* target in service; None: `healthy_threshold`.
        initial_failures: failures that make a new target unhealthy; None: `unhealthy_threshold`.
        starts_in_service: a new target takes flows before its first check.
        bad_status_is_final: one HTTP answer other than 200 takes the target out.
        no_traffic_interval_s: the interval until the first flow; None: `interval_s`.
    """

    protocol: Literal["tcp", "http"] = "tcp"
    port: CheckedPort = "traffic"
    fixed_port: int | None = None
    path: str = "/"
    interval_s: float
    timeout_s: float
    healthy_threshold: int
    unhealthy_threshold: int
    next_check: NextCheck = "after-start"
    connect_timeout_s: float | None = None
    adds_timeouts: bool = False
    initial_successes: int | None = None
    initial_failures: int | None = None
    starts_in_service: bool = False
    bad_status_is_final: bool = False
    no_traffic_interval_s: float | None = None

    @property
    def probe_connect_timeout_s(self) -> float:
        """Silence that fails a check while it connects."""
        return self.timeout_s if self.connect_timeout_s is None else self.connect_timeout_s

    @property
    def probe_timeout_s(self) -> float:
        """The longest that one check can take."""
        if self.protocol == "tcp":  # a check that only connects has no phase after it
            return self.probe_connect_timeout_s
        return self.timeout_s + (self.probe_connect_timeout_s if self.adds_timeouts else 0.0)

    def interval_now_s(self, *, had_traffic: bool) -> float:
        """The interval in force, given whether the load balancer ever had a flow."""
        if self.no_traffic_interval_s is None or had_traffic:
            return self.interval_s
        return self.no_traffic_interval_s

    def scaled(self, speed: Speed) -> HealthCheckPolicy:
        """The policy as it runs under `speed`: periods and time-outs divided, counts kept."""
        connect_s, idle_s = self.connect_timeout_s, self.no_traffic_interval_s
        return replace(
            self,
            interval_s=speed.duration_s(self.interval_s),
            timeout_s=speed.timeout_s(self.timeout_s),
            connect_timeout_s=None if connect_s is None else speed.timeout_s(connect_s),
            no_traffic_interval_s=None if idle_s is None else speed.duration_s(idle_s),
        )
