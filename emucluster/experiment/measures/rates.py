"""Calls a second over time: for charts, and to tell whether goodput comes back."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal

from msgspec import Struct

from emucluster.experiment.history import CallRecord, History
from emucluster.experiment.stats import quantile

GoodputState = Literal["recovered", "metastable", "no-load", "no-baseline"]


class Bin(Struct, frozen=True, kw_only=True):
    """Calls that were due from `start_s` on, for `width_s` seconds."""

    start_s: float
    width_s: float
    ok: int = 0
    failed: int = 0
    unknown: int = 0
    p50_s: float | None = None
    p99_s: float | None = None

    @property
    def total(self) -> int:
        return self.ok + self.failed + self.unknown

    @property
    def goodput_per_s(self) -> float:
        return self.ok / self.width_s


class Goodput(Struct, frozen=True, kw_only=True):
    """Whether successful calls a second came back after the last fault.

    Attributes:
        state: `metastable`: the fault is gone, load goes on, and goodput stays away.
        baseline_per_s: successes a second before any fault; None: there was no baseline.
        after_per_s: at the end of the run, over the last seconds that were looked at.
        recovered_after_s: from the last fault's end until it was back for good.
    """

    state: GoodputState
    baseline_per_s: float | None = None
    after_per_s: float | None = None
    recovered_after_s: float | None = None


def bins(
    calls: Sequence[CallRecord], *, start_s: float, end_s: float, width_s: float = 1.0
) -> list[Bin]:
    """Stretches of `width_s` from `start_s`; one that `end_s` would cut is left out."""
    count = max(0, math.floor((end_s - start_s) / width_s + 1e-9))
    groups: list[list[CallRecord]] = [[] for _ in range(count)]
    for call in calls:
        index = math.floor((call.intended_s - start_s) / width_s)
        if 0 <= index < count:
            groups[index].append(call)
    return [_bin(start_s + i * width_s, width_s, group) for i, group in enumerate(groups)]


def _bin(start_s: float, width_s: float, calls: Sequence[CallRecord]) -> Bin:
    taken = sorted(c.ended_s - c.intended_s for c in calls if c.ok and c.ended_s is not None)
    return Bin(
        start_s=start_s,
        width_s=width_s,
        ok=sum(call.outcome == "ok" for call in calls),
        failed=sum(call.outcome == "failed" for call in calls),
        unknown=sum(call.outcome == "unknown" for call in calls),
        p50_s=quantile(taken, 0.5) if taken else None,
        p99_s=quantile(taken, 0.99) if taken else None,
    )


class Rates(Struct, frozen=True, kw_only=True):
    """Calls a second by outcome."""

    ok: float = 0.0
    failed: float = 0.0
    unknown: float = 0.0


def edges(
    start_s: float, end_s: float, *, width_s: float, moments: Iterable[float] = ()
) -> list[float]:
    """Where bins of about `width_s` begin, and where the last one ends.

    Each of `moments` is among them, unless it is nearer than `width_s` to an end or to one before.
    """
    found = [start_s]
    for at_s in sorted(moments):
        if at_s - found[-1] >= width_s and end_s - at_s >= width_s:
            found.append(at_s)
    found.append(end_s)
    divided = [start_s]
    for left_s, right_s in pairwise(found):
        number = max(1, round((right_s - left_s) / width_s))
        divided += [left_s + (right_s - left_s) * n / number for n in range(1, number)]
        divided.append(right_s)
    return divided


def bins_between(calls: Sequence[CallRecord], at_s: Sequence[float]) -> list[Bin]:
    """Bins from each of these times to the next."""
    groups: list[list[CallRecord]] = [[] for _ in at_s[1:]]
    for call in calls:
        index = bisect_right(at_s, call.intended_s) - 1
        if 0 <= index < len(groups):
            groups[index].append(call)
    return [
        _bin(left_s, right_s - left_s, group)
        for (left_s, right_s), group in zip(pairwise(at_s), groups, strict=True)
    ]


def rates_between(calls: Sequence[CallRecord], at_s: Sequence[float]) -> list[Rates]:
    """Rates from each of these times to the next, of calls in the order of when they were due.

    A call stands for the time until the next one of its group, but for no longer than a bin: so a
    constant rate is constant, however few calls fall into a bin, and a pause is one.
    """
    width_s = (at_s[-1] - at_s[0]) / (len(at_s) - 1)
    sums = {outcome: [0.0] * (len(at_s) - 1) for outcome in ("ok", "failed", "unknown")}
    groups: dict[str, list[CallRecord]] = {}
    for call in calls:
        groups.setdefault(call.group, []).append(call)
    for own in groups.values():
        gap_s = width_s
        for number, call in enumerate(own):
            if number + 1 < len(own):
                gap_s = min(width_s, own[number + 1].intended_s - call.intended_s)
            # Before its first call a group has the rate with which it begins.
            is_first = number == 0 and call.intended_s - at_s[0] <= gap_s
            left_s = at_s[0] if is_first else call.intended_s
            _share_out(sums[call.outcome], at_s, left_s, call.intended_s + gap_s, gap_s)
    widths = [right_s - left_s for left_s, right_s in pairwise(at_s)]
    return [
        Rates(**{outcome: found[i] / own_s for outcome, found in sums.items()})
        for i, own_s in enumerate(widths)
    ]


def _share_out(
    sums: list[float], at_s: Sequence[float], left_s: float, right_s: float, gap_s: float
) -> None:
    """Give each bin that a call stands in its part of it."""
    index = bisect_right(at_s, left_s) - 1
    if gap_s <= 0:
        if 0 <= index < len(sums):
            sums[index] += 1
        return
    while 0 <= index < len(sums) and left_s < right_s:
        until_s = min(right_s, at_s[index + 1])
        sums[index] += (until_s - left_s) / gap_s
        left_s, index = until_s, index + 1


def goodput(
    history: History, *, group: str = "", at_least: float = 0.9, width_s: float = 1.0
) -> Goodput:
    """Compare goodput after the last fault with the baseline's.

    A stretch of `width_s` is bad if less than `at_least` of the baseline's share of calls succeeds,
    or if successes a second are fewer than `at_least` of the baseline's by more than chance has it
    (two standard deviations of a Poisson count). The first tells of open loops, whose calls are due
    whatever happens; the second of closed ones, whose callers wait. Goodput is back when no later
    stretch is bad, and the last quarter, taken together, is not.

    Source: Bronson et al., "Metastable failures in distributed systems", HotOS 2021.
    """
    baseline = history.span("baseline")
    calls = history.calls_in(group=group)
    if baseline is None or baseline.duration_s < width_s:
        return Goodput(state="no-baseline")
    # A last stretch that the phase's end cuts short would make the rate look lower than it was.
    before = bins(calls, start_s=baseline.start_s, end_s=baseline.end_s, width_s=width_s)
    usual = _Usual(before)
    if usual.ok_per_s == 0:
        return Goodput(state="no-baseline", baseline_per_s=0.0)
    over_s = _trigger_over_s(history)
    after = bins(calls, start_s=over_s, end_s=history.end_s, width_s=width_s)
    loaded = [b for b in after if b.total]
    if not loaded:
        return Goodput(state="no-load", baseline_per_s=usual.ok_per_s)
    bad = [b for b in loaded if usual.is_bad([b], at_least)]
    tail = loaded[-max(1, len(loaded) // 4) :]
    is_back = not usual.is_bad(tail, at_least) and (not bad or bad[-1] is not loaded[-1])
    back_s = bad[-1].start_s + width_s - over_s if bad else 0.0
    return Goodput(
        state="recovered" if is_back else "metastable",
        baseline_per_s=usual.ok_per_s,
        after_per_s=sum(b.ok for b in tail) / (len(tail) * width_s),
        recovered_after_s=back_s if is_back else None,
    )


class _Usual:
    """The baseline."""

    def __init__(self, before: Sequence[Bin]) -> None:
        ok = sum(b.ok for b in before)
        self.ok_per_s = ok / sum(b.width_s for b in before)
        self._share = ok / max(1, sum(b.total for b in before))

    def is_bad(self, stretch: Sequence[Bin], at_least: float) -> bool:
        ok = sum(b.ok for b in stretch)
        wanted = at_least * self.ok_per_s * sum(b.width_s for b in stretch)
        too_many_lost = ok < at_least * self._share * sum(b.total for b in stretch)
        return too_many_lost or ok < wanted - 2 * math.sqrt(wanted)


def _trigger_over_s(history: History) -> float:
    """When the last fault was over: as recorded, else when its phase was."""
    if history.last_fault_end_s is not None:
        return history.last_fault_end_s
    inject = history.span("inject")
    return inject.end_s if inject is not None else history.start_s
