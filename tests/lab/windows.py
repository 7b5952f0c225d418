"""When a load balancer gives up a target that falls silent, by the numbers of its preset alone."""

from __future__ import annotations

from emucluster.core.cloudlb.health_check import HealthCheckPolicy
from emucluster.experiment.stats import Interval


def ejection(check: HealthCheckPolicy) -> Interval:
    """From silence to the failure that takes the target out, in seconds.

    The first check that fails begins at once or one interval later; as many as the threshold must
    fail, each by its time-out. From one to the next it is an interval (`after-start`), or an
    interval and the time-out (`after-end`).
    """
    timeout_s = check.probe_connect_timeout_s
    between_s = check.interval_s + (timeout_s if check.next_check == "after-end" else 0.0)
    fastest_s = (check.unhealthy_threshold - 1) * between_s + timeout_s
    return Interval(fastest_s, fastest_s + check.interval_s)


def timers(check: HealthCheckPolicy) -> int:
    """How many timers, each of which may be late, such an ejection takes."""
    return 2 * check.unhealthy_threshold
