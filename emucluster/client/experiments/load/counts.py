"""What has ended so far, from the batches of all generators."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from emucluster.client.experiments.load.progress import GroupProgress
from emucluster.live.load.outcome import Outcome

WINDOW_S = 1.0


@dataclass(slots=True)
class _Recent:
    """What one batch told of one group."""

    to_s: float
    outcomes: Counter[int] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)


class Counts:
    """Filled by the generators' watchers, read by whoever shows progress; safe between threads."""

    def __init__(self, groups: list[str]) -> None:
        self._lock = threading.Lock()
        self._ended: Counter[str] = Counter()
        self._recent: dict[str, deque[_Recent]] = {group: deque() for group in groups}

    def add(self, batch: Any) -> None:
        """Count a `LoadBatch`."""
        calls = batch.calls
        recent: dict[int, _Recent] = {}
        for group, result, intended_s, ended_s in zip(
            calls.group, calls.outcome, calls.intended_s, calls.ended_s, strict=True
        ):
            told = recent.get(group)
            if told is None:
                told = recent[group] = _Recent(batch.health.to_s)
            told.outcomes[result] += 1
            if result == Outcome.OK:
                told.latencies_s.append(ended_s - intended_s)
        with self._lock:
            for group, told in recent.items():
                name = batch.groups[group]
                self._ended[name] += told.outcomes.total()
                self._recent[name].append(told)

    def ended(self, group: str) -> int:
        """Of one group, or of all where it is empty."""
        with self._lock:
            return self._ended[group] if group else self._ended.total()

    def progress(self, now_s: float) -> dict[str, GroupProgress]:
        """Every group's figures; the last second is that before the newest batch of `now_s`."""
        with self._lock:
            return {group: self._progress(group, now_s) for group in self._recent}

    def _progress(self, group: str, now_s: float) -> GroupProgress:
        recent = self._recent[group]
        newest_s = max((told.to_s for told in recent), default=now_s)
        from_s = max(newest_s, now_s - WINDOW_S) - WINDOW_S
        while recent and recent[0].to_s <= from_s:
            recent.popleft()
        outcomes: Counter[int] = Counter()
        latencies_s: list[float] = []
        for told in recent:
            if told.to_s > from_s:
                outcomes.update(told.outcomes)
                latencies_s += told.latencies_s
        return GroupProgress(
            ended=self._ended[group],
            calls=outcomes.total(),
            ok=outcomes[Outcome.OK],
            failed=outcomes[Outcome.FAILED] + outcomes[Outcome.NOT_STARTED],
            unknown=outcomes[Outcome.UNKNOWN],
            p50_s=median(latencies_s) if latencies_s else None,
        )
