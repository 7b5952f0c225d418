"""Zones in trouble, and how fast their nodes may be emptied.

kubernetes/pkg/controller/nodelifecycle: ComputeZoneState, handleDisruption, RateLimitedTimedQueue.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from emucluster.core.durations import Speed


class ZoneState(Enum):
    INITIAL = "Initial"
    NORMAL = "Normal"
    PARTIAL = "PartialDisruption"
    FULL = "FullDisruption"


@dataclass(frozen=True, slots=True)
class EvictionSettings:
    """Flags of kube-controller-manager, with its defaults; rates are nodes per second and zone."""

    rate_per_s: float = 0.1
    secondary_rate_per_s: float = 0.01
    unhealthy_threshold: float = 0.55
    large_zone_nodes: int = 50


def zone_state(ready: Iterable[bool], settings: EvictionSettings) -> ZoneState:
    """Judges a zone by the readiness of each of its nodes."""
    states = list(ready)
    bad = states.count(False)
    if bad and bad == len(states):
        return ZoneState.FULL
    if bad > 2 and bad / len(states) >= settings.unhealthy_threshold:
        return ZoneState.PARTIAL
    return ZoneState.NORMAL


def zone_rate_per_s(state: ZoneState, nodes: int, settings: EvictionSettings) -> float:
    """A zone that is down as a whole is emptied at the full rate: others live to take its pods."""
    if state is not ZoneState.PARTIAL:
        return settings.rate_per_s
    return settings.secondary_rate_per_s if nodes > settings.large_zone_nodes else 0.0


@dataclass(slots=True)
class ZoneQueue:
    """Nodes of one zone that wait for their NoExecute taint; the first goes at once."""

    rate_per_s: float
    waiting: dict[str, None] = field(default_factory=dict)
    next_s: float = float("-inf")

    def set_rate(self, rate_per_s: float, *, now_s: float) -> None:
        """Another rate starts with a full bucket of one, as a new limiter does."""
        if rate_per_s != self.rate_per_s:
            self.rate_per_s, self.next_s = rate_per_s, now_s

    def take(self, now_s: float) -> list[str]:
        """The nodes that may be tainted now."""
        taken = []
        while self.waiting and self.rate_per_s > 0 and self.next_s <= now_s:
            name = next(iter(self.waiting))
            del self.waiting[name]
            taken.append(name)
            self.next_s = now_s + 1 / self.rate_per_s
        return taken

    def next_wake_s(self) -> float | None:
        return self.next_s if self.waiting and self.rate_per_s > 0 else None


class Outcome(Enum):
    """What a round of judging the zones asks of the controller."""

    NONE = "none"
    ALL_DOWN = "all zones went down: take the NoExecute taints back, evict nothing"
    LEFT_ALL_DOWN = "some zone lives again: every node gets a fresh grace period"


class Zones:
    """The states of all zones and their queues."""

    def __init__(self, settings: EvictionSettings, speed: Speed) -> None:
        self._settings, self._speed = settings, speed
        self.states: dict[str, ZoneState] = {}
        self._queues: dict[str, ZoneQueue] = {}

    def judge(self, readiness: dict[str, list[bool]], *, now_s: float) -> Outcome:
        """`readiness` has each zone's nodes. Sets the rates; an empty zone is forgotten."""
        new = {zone: zone_state(ready, self._settings) for zone, ready in readiness.items()}
        old = {zone: self.states.get(zone, ZoneState.INITIAL) for zone in new}
        all_down = bool(new) and all(state is ZoneState.FULL for state in new.values())
        were_down = bool(old) and all(state is ZoneState.FULL for state in old.values())
        self.states = new
        for zone in self._queues.keys() - new.keys():
            del self._queues[zone]
        for zone, state in new.items():
            nodes = len(readiness[zone])
            rate = 0.0 if all_down else zone_rate_per_s(state, nodes, self._settings)
            self._queue(zone).set_rate(self._speed.rate_per_s(rate), now_s=now_s)
        if all_down and not were_down:
            return Outcome.ALL_DOWN
        if were_down and not all_down:
            return Outcome.LEFT_ALL_DOWN
        return Outcome.NONE

    @property
    def all_down(self) -> bool:
        return bool(self.states) and all(s is ZoneState.FULL for s in self.states.values())

    def wait(self, zone: str, node: str) -> None:
        """The node waits for its NoExecute taint."""
        self._queue(zone).waiting.setdefault(node)

    def cancel(self, node: str) -> None:
        for queue in self._queues.values():
            queue.waiting.pop(node, None)

    def take(self, now_s: float) -> list[str]:
        return [node for queue in self._queues.values() for node in queue.take(now_s)]

    def next_wake_s(self) -> float | None:
        wakes = [wake for q in self._queues.values() if (wake := q.next_wake_s()) is not None]
        return min(wakes, default=None)

    def _queue(self, zone: str) -> ZoneQueue:
        if (queue := self._queues.get(zone)) is None:
            rate = self._speed.rate_per_s(self._settings.rate_per_s)
            queue = self._queues[zone] = ZoneQueue(rate)
        return queue
