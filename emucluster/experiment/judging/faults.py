"""Judges of what followed a fault: who noticed, when it was over, whether it came back."""

from __future__ import annotations

from emucluster.experiment import hypothesis_spec as asked
from emucluster.experiment.history import BeliefRecord, FaultRecord
from emucluster.experiment.judging.calls import FEW_CALLS
from emucluster.experiment.judging.context import Context, exact_percent, seconds, verdict
from emucluster.experiment.measures.detection import Causes, observer
from emucluster.experiment.measures.rates import goodput
from emucluster.experiment.verdict import Answer, Evidence, Stretch, Verdict, call_ids

NAMED_MAX = 3
"""Of more faults that nobody noticed, so many are named."""

WATCH_CALLS = 5
"""After the last lost call, so many must have succeeded for it to count as the last."""


def time_to_detect(about: asked.TimeToDetect, context: Context) -> Verdict:
    """The slowest of the faults decides; one that nobody noticed fails once its time is up.

    A notice counts while the fault is in force, or within the bound of its start if it is over
    sooner: what is held of its target later has another cause. So has what is held of a pod that
    only starts, or that an operation takes away.
    """
    bound_s = context.bound_s(about.at_most_s)
    who = "anybody" if about.by == "any" else f"a {about.by} observer"
    words = f"noticed by {who} within {seconds(bound_s)}"
    faults = [
        fault
        for fault in context.history.faults
        if fault.in_force_from_s is not None
        and not fault.is_operation
        and about.fault in ("", fault.fault)
    ]
    if not faults:
        return verdict(about, "unknown", words, "no fault took effect", bound=bound_s)
    if about.by != "any" and not any(b.observer == about.by for b in context.history.beliefs):
        found = f"no {about.by} was watched"
        return verdict(about, "unknown", words, found, bound=bound_s)
    causes = Causes.of(context.history)
    stretches = tuple(_noticed(fault, about.by, bound_s, context, causes) for fault in faults)
    taken_s = [stretch.value for stretch in stretches if stretch.value is not None]
    value_s = max(taken_s) if len(taken_s) == len(stretches) else None
    missed = [s for s in stretches if s.value is None]
    too_soon = any(s.end_s - s.start_s < bound_s for s in missed)
    answer: Answer = "pass" if value_s is not None and value_s <= bound_s else "fail"
    if missed:
        late = any(t > bound_s for t in taken_s)
        answer = "unknown" if too_soon and not late else "fail"
    if value_s is not None:
        found = seconds(value_s)
    else:
        names = [fault.id for fault, s in zip(faults, stretches, strict=True) if s.value is None]
        more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
        which = ", ".join(names[:NAMED_MAX])
        found = f"{len(missed)} of {len(faults)} not noticed at all ({which}{more})"
    if answer == "unknown":
        found += "; the run ended too soon to tell"
    return verdict(
        about,
        answer,
        words,
        found,
        value=value_s,
        bound=bound_s,
        evidence=Evidence(
            numbers={"faults": len(stretches), "noticed": len(taken_s)}, stretches=stretches
        ),
    )


def _noticed(
    fault: FaultRecord, by: str, bound_s: float, context: Context, causes: Causes
) -> Stretch:
    """From the fault to who noticed first, or to when it no longer counts; `value` None: nobody."""
    injected_s = fault.in_force_from_s
    assert injected_s is not None
    end_s = context.history.end_s
    if fault.ended_s is not None:
        end_s = min(end_s, max(fault.ended_s, injected_s + bound_s))
    told: list[BeliefRecord] = [
        belief
        for belief in context.history.beliefs
        if injected_s <= belief.at_s <= end_s
        and belief.state == "out"
        and by in ("any", belief.observer)
        and causes.is_hit(belief.subject, fault)
        and not causes.is_of_its_own(belief, injected_s)
    ]
    first = min(told, key=lambda belief: belief.at_s, default=None)
    if first is None:
        return Stretch(start_s=injected_s, end_s=end_s, what=f"{fault.target}: nobody")
    return Stretch(
        start_s=injected_s,
        end_s=first.at_s,
        what=f"{fault.target}: {observer(first)}",
        value=first.at_s - injected_s,
    )


def time_to_recover(about: asked.TimeToRecover, context: Context) -> Verdict:
    """Until the last lost call was due; unknown where the run ended too soon after it."""
    bound_s = context.bound_s(about.at_most_s)
    since = "the fault" if about.since == "fault-start" else "the fault's end"
    words = f"no call lost later than {seconds(bound_s)} after {since}"
    history = context.history
    started_s = history.first_fault_s
    from_s = started_s if about.since == "fault-start" else history.last_fault_end_s
    if started_s is None or from_s is None:
        return verdict(about, "unknown", words, f"no time of {since} is known", bound=bound_s)
    calls = [call for call in context.calls(about) if call.intended_s >= started_s]
    lost = [call for call in calls if not call.ok]
    last_s = lost[-1].intended_s if lost else from_s
    value_s = max(0.0, last_s - from_s)
    later = [call for call in calls if call.intended_s > last_s]
    numbers: dict[str, float | None] = {
        "calls": len(calls),
        "lost": len(lost),
        "ok_afterwards": len(later),
    }
    answer: Answer = "pass" if value_s <= bound_s else "fail"
    found = f"last lost call {seconds(value_s)} after {since}" if lost else "no call lost"
    needed = about.min_calls or FEW_CALLS
    end_s = history.end_s
    if answer == "pass" and (len(calls) < needed or (lost and len(later) < WATCH_CALLS)):
        answer, found = "unknown", f"{found}; too few calls afterwards to tell"
    elif answer == "pass" and end_s < from_s + bound_s and lost and end_s - last_s < bound_s / 10:
        answer, found = "unknown", f"{found}; the run ended too soon to tell"
    return verdict(
        about,
        answer,
        words,
        found,
        value=value_s,
        bound=bound_s,
        evidence=Evidence(
            numbers=numbers,
            calls=call_ids(call for call in lost if call.intended_s > from_s + bound_s)
            or call_ids(lost[-1:]),
            stretches=(Stretch(start_s=from_s, end_s=last_s, what="until the last lost call"),),
        ),
    )


def goodput_recovers(about: asked.GoodputRecovers, context: Context) -> Verdict:
    """A system that stays down although the fault is gone and load goes on is metastable."""
    bound_s = context.bound_s(about.within_s)
    share = float(about.at_least)
    wanted = exact_percent(share)
    words = f"{wanted} of the baseline's goodput within {seconds(bound_s)} of the fault's end"
    found = goodput(context.history, group=about.group, at_least=share)
    numbers: dict[str, float | None] = {
        "baseline_per_s": found.baseline_per_s,
        "after_per_s": found.after_per_s,
        "recovered_after_s": found.recovered_after_s,
    }
    after_s = found.recovered_after_s
    answer: Answer = "unknown"
    if found.state == "metastable":
        answer = "fail"
        told = (
            f"metastable: {found.after_per_s:.4g} of {found.baseline_per_s:.4g} calls/s at the end"
        )
    elif found.state == "recovered" and after_s is not None:
        answer = "pass" if after_s <= bound_s else "fail"
        told = f"back after {seconds(after_s)}"
    elif found.state == "no-load":
        told = "no calls after the fault"
    else:
        told = "no successful calls in the baseline to compare with"
    return verdict(
        about,
        answer,
        words,
        told,
        value=after_s,
        bound=bound_s,
        evidence=Evidence(numbers=numbers),
    )


def no_fault_left(about: asked.NoFaultLeft, context: Context) -> Verdict:
    """By the clean check after the run, and by what is recorded of each fault."""
    words = "no fault left in force"
    faults = context.history.faults
    left = [fault for fault in faults if fault.asked_s is not None and fault.clean_s is None]
    stretches = tuple(
        Stretch(
            start_s=f.asked_s or 0.0, end_s=context.history.end_s, what=f"{f.kind} on {f.target}"
        )
        for f in left
    )
    numbers: dict[str, float | None] = {"left": len(left)}
    evidence = Evidence(numbers=numbers, stretches=stretches)
    if context.clean is None:
        return verdict(about, "unknown", words, "nobody looked", evidence=evidence)
    if context.clean and not left:
        return verdict(about, "pass", words, "none", value=0, bound=0, evidence=evidence)
    names = ", ".join(stretch.what for stretch in stretches) or "one that was not planned"
    return verdict(about, "fail", words, names, value=len(left), bound=0, evidence=evidence)
