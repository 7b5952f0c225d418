"""Judges of calls: how many were lost, how long they took, how often they were executed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from emucluster.experiment import hypothesis_spec as asked
from emucluster.experiment.history import CallRecord, History
from emucluster.experiment.judging.context import (
    Context,
    continuously,
    exact_percent,
    percent,
    seconds,
    verdict,
)
from emucluster.experiment.measures.availability import availability as measure_availability
from emucluster.experiment.measures.availability import error_budget
from emucluster.experiment.measures.connections import split
from emucluster.experiment.measures.executions import executions, has_lost_memory
from emucluster.experiment.measures.latency import latencies_s
from emucluster.experiment.measures.outage import longest_gap_s
from emucluster.experiment.stats import quantile, wilson
from emucluster.experiment.verdict import Answer, Evidence, Verdict, call_ids

FEW_CALLS = 20
"""Of fewer calls nothing is said, unless `minCalls` allows it."""


def availability(about: asked.Availability, context: Context) -> Verdict:
    """Unknown where so few calls were made that one lost call would decide."""
    if about.every_s is not None:
        return continuously(about, context, lambda calls: _availability(about, calls))
    return _availability(about, context.calls(about))


def _availability(about: asked.Availability, calls: Sequence[CallRecord]) -> Verdict:
    found = measure_availability(calls)
    objective = float(about.at_least)
    needed = about.min_calls or calls_for_share(objective)
    budget = error_budget(found, objective)
    numbers: dict[str, float | None] = {
        "calls": found.total,
        "ok": found.ok,
        "failed": found.failed,
        "unknown": found.unknown,
        "interval_low": found.interval.low,
        "interval_high": found.interval.high,
        "budget_allowed_calls": budget.allowed,
        "budget_spent_share": budget.spent_share,
        "calls_needed": needed,
    }
    answer: Answer
    if found.share is None:
        answer, words = "unknown", "no calls"
    else:
        words = f"{percent(found.share)}: {found.lost} of {found.total} calls lost"
        words += f" ({found.failed} failed, {found.unknown} unknown)" if found.lost else ""
        answer = "pass" if found.share >= objective else "fail"
        sure = answer == "fail" and found.interval.high < objective
        if found.total < needed and not sure:
            answer, words = "unknown", f"{words}; {needed} calls are needed to tell"
    return verdict(
        about,
        answer,
        f"availability at least {exact_percent(objective)}",
        words,
        value=found.share,
        bound=objective,
        evidence=Evidence(numbers=numbers, calls=call_ids(c for c in calls if not c.ok)),
    )


def calls_for_share(objective: float) -> int:
    """So many that the objective allows one to be lost; 20 for 100 %, which allows none."""
    if objective >= 1:
        return FEW_CALLS
    return max(FEW_CALLS, math.ceil(round(1 / (1 - objective), 6)))


def calls_for_quantile(quantile: float) -> int:
    """So many that one is slower than the quantile."""
    return max(FEW_CALLS, math.ceil(round(1 / (1 - quantile), 6)))


def latency(about: asked.Latency, context: Context) -> Verdict:
    """Unknown where no call is slower than the quantile: p99 needs a hundred."""
    if about.every_s is not None:
        return continuously(about, context, lambda calls: _latency(about, calls))
    return _latency(about, context.calls(about))


def _latency(about: asked.Latency, calls: Sequence[CallRecord]) -> Verdict:
    taken = latencies_s(calls)
    q, bound_s = float(about.quantile), float(about.at_most_s)
    needed = about.min_calls or calls_for_quantile(q)
    over = [c for c in calls if c.ok and (c.latency_s or 0.0) > bound_s]
    numbers: dict[str, float | None] = {
        "calls": len(taken),
        "left_out_without_success": len(calls) - len(taken),
        "over_bound": len(over),
        "calls_needed": needed,
    }
    words = f"{about.quantile.words} of latency at most {seconds(bound_s)}"
    if not taken:
        evidence = Evidence(numbers=numbers)
        return verdict(
            about, "unknown", words, "no call succeeded", bound=bound_s, evidence=evidence
        )
    value_s = quantile(taken, q)
    answer: Answer = "pass" if value_s <= bound_s else "fail"
    found = f"{seconds(value_s)} of {len(taken)} calls"
    # More calls over the bound than the quantile allows, beyond what chance explains.
    sure = answer == "fail" and wilson(len(over), len(taken)).low > 1 - q
    if len(taken) < needed and not sure:
        answer, found = "unknown", f"{found}; {needed} calls are needed to tell"
    return verdict(
        about,
        answer,
        words,
        found,
        value=value_s,
        bound=bound_s,
        evidence=Evidence(
            numbers=numbers | {"max_s": taken[-1]}, calls=call_ids(sorted(over, key=_slowest))
        ),
    )


def _slowest(call: CallRecord) -> float:
    return -(call.latency_s or 0.0)


def lost_calls(about: asked.LostCalls, context: Context) -> Verdict:
    """Counts calls without success; by the age of their connection only after a fault."""
    calls = context.calls(about)
    kind = "" if about.connections == "any" else f" on {about.connections} connections"
    bounds = [f"at least {about.at_least}"] if about.at_least is not None else []
    bounds += [f"at most {about.at_most}"] if about.at_most is not None else []
    words = f"{' and '.join(bounds)} {about.outcomes} calls{kind}"
    bound = about.at_most if about.at_most is not None else about.at_least
    if about.connections != "any":
        fault_s = context.history.first_fault_s
        if fault_s is None:
            return verdict(about, "unknown", words, "no fault took effect", bound=bound)
        calls = split(calls, fault_s)[about.connections]
    lost = [c for c in calls if not c.ok and about.outcomes in ("lost", c.outcome)]
    too_many = about.at_most is not None and len(lost) > about.at_most
    too_few = about.at_least is not None and len(lost) < about.at_least
    answer: Answer = "fail" if too_many or too_few else "pass"
    found = f"{len(lost)} of {len(calls)} calls"
    needed = about.min_calls or FEW_CALLS
    if len(calls) < needed and not too_many:
        answer, found = "unknown", f"{found}; {needed} calls are needed to tell"
    numbers: dict[str, float | None] = {"calls": len(calls), "lost": len(lost)}
    return verdict(
        about,
        answer,
        words,
        found,
        value=len(lost),
        bound=bound,
        evidence=Evidence(numbers=numbers, calls=call_ids(lost)),
    )


def outage(about: asked.Outage, context: Context) -> Verdict:
    """The longest time without a success, phase after phase."""
    calls = context.calls(about)
    bound_s = context.bound_s(about.at_most_s)
    words = f"no success for at most {seconds(bound_s)}"
    needed = about.min_calls or FEW_CALLS
    spans = context.history.spans(about.over)
    if len(calls) < needed or not spans:
        found = f"{len(calls)} calls; {needed} are needed to tell"
        return verdict(about, "unknown", words, found, bound=bound_s)
    gap_s = longest_gap_s(calls, start_s=spans[0].start_s, end_s=spans[-1].end_s)
    return verdict(
        about,
        "pass" if gap_s <= bound_s else "fail",
        words,
        f"{seconds(gap_s)} without a success",
        value=gap_s,
        bound=bound_s,
        evidence=Evidence(
            numbers={"calls": len(calls), "longest_gap_s": gap_s},
            calls=call_ids(c for c in calls if not c.ok),
        ),
    )


def executed_twice(about: asked.ExecutedTwice, context: Context) -> Verdict:
    """By the pods' own memory."""
    return _executed(about, context, "executed more than once", "twice")


def executed_but_failed(about: asked.ExecutedButFailed, context: Context) -> Verdict:
    """By the pods' own memory."""
    return _executed(about, context, "executed although reported as failed", "but_failed")


def _executed(
    about: asked.ExecutedTwice | asked.ExecutedButFailed, context: Context, what: str, field: str
) -> Verdict:
    """What no pod remembers may have been so: a pass that it could undo is unknown."""
    words = f"at most {about.at_most} calls {what}"
    calls = context.calls(about)
    found = executions(calls, context.history.executions)
    ids: tuple[str, ...] = getattr(found, field)
    answer: Answer = "pass" if len(ids) <= about.at_most else "fail"
    told = f"{len(ids)} of {found.remembered} that pods remember"
    forgotten = _forgotten(calls, context.history, of_failed=field == "but_failed")
    needed = about.min_calls or FEW_CALLS
    if found.remembered < needed and answer == "pass":
        answer, told = "unknown", f"{told}; {needed} are needed to tell"
    elif len(ids) + forgotten > about.at_most and answer == "pass":
        others = f"no pod remembers {forgotten} others that were, or may have been, executed"
        answer, told = "unknown", f"{told}; {others}"
    numbers: dict[str, float | None] = {
        "calls": len(calls),
        "remembered_by_pods": found.remembered,
        "forgotten_by_pods": forgotten,
        "found": len(ids),
    }
    by_id = {call.id: call for call in calls}
    return verdict(
        about,
        answer,
        words,
        told,
        value=len(ids),
        bound=about.at_most,
        evidence=Evidence(numbers=numbers, calls=call_ids(by_id[i] for i in ids)),
    )


def _forgotten(calls: Sequence[CallRecord], history: History, *, of_failed: bool) -> int:
    """Calls of which no pod's memory tells, though they may have been what is asked for.

    An answered call that nobody remembers was executed by a pod that is gone. One without an answer
    may have been, but only if a memory was lost at all: pods that all live tell of everything.
    """
    remembered = {execution.call_id for execution in history.executions}
    others = [call for call in calls if call.id not in remembered]
    answered = sum(call.ok for call in others)
    is_lost = answered > 0 or has_lost_memory(history, {call.service for call in calls})
    if of_failed:
        return sum(call.outcome == "failed" for call in others) if is_lost else 0
    return answered + (sum(call.outcome == "unknown" for call in others) if is_lost else 0)
