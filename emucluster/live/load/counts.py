"""Totals of the calls that a generator made, over all its loads."""

import itertools
import operator
from collections import Counter
from typing import Any

from emucluster.live.load.outcome import Outcome
from emucluster.live.metrics.distribution import Distribution


class LoadCounts:
    """Taken from batches as they are sent: well under a microsecond for each call."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, int]] = Counter()
        """By group and number of the outcome."""
        self.latency_s: dict[str, Distribution] = {}
        """By group, from the intended start; of calls that began."""
        self.late = 0
        """Calls begun late, though nothing held them back; see `health.LATE_S`."""

    def took(self, batch: Any) -> None:
        """Count the calls of a LoadBatch."""
        self.late += batch.health.late
        names, calls = list(batch.groups), batch.calls
        kinds = list(zip(calls.group, calls.outcome, strict=True))
        taken_s = list(map(operator.sub, calls.ended_s, calls.intended_s))
        for kind, count in Counter(kinds).items():
            name, outcome = names[kind[0]], kind[1]
            self.calls[name, outcome] += count
            if outcome != Outcome.NOT_STARTED:
                of_kind = map(kind.__eq__, kinds)
                self._latency_of(name).observe_all(itertools.compress(taken_s, of_kind))

    def _latency_of(self, group: str) -> Distribution:
        return self.latency_s.setdefault(group, Distribution())
