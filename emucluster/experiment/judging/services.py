"""Judges of Services: who gets calls, and whether the endpoints are those that they should be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from emucluster.core.faults.kinds import KINDS
from emucluster.experiment import hypothesis_spec as asked
from emucluster.experiment.history import (
    BeliefRecord,
    CallRecord,
    FaultRecord,
    History,
    TruthRecord,
)
from emucluster.experiment.judging.calls import FEW_CALLS
from emucluster.experiment.judging.context import Context, seconds, verdict
from emucluster.experiment.measures.spread import spread as measure_spread
from emucluster.experiment.verdict import EVIDENCE_MAX, Answer, Evidence, Stretch, Verdict

_Change = tuple[float, bool]
_OF_THE_NETWORK = frozenset(kind.name for kind in KINDS if kind.layer in ("cut", "shape"))
_EVERYBODY = frozenset({"outside", "control-plane"})
"""Peers of a link that is to everything else."""


def spread(about: asked.Spread, context: Context) -> Verdict:
    """Jain's index over all who could have answered; unknown with too few calls for each."""
    calls = context.calls(about)
    found = measure_spread(
        calls, about.across, known=_known(about, context.history, calls), among=about.among
    )
    bound = float(about.at_least)
    words = f"Jain's index over {about.across} at least {bound:.4g}"
    ok = sum(found.counts.values())
    needed = about.min_calls or max(FEW_CALLS, 5 * found.members)
    numbers: dict[str, float | None] = {"calls": ok, "members": found.members}
    numbers |= {f"calls_{name}": count for name, count in found.counts.items()}
    evidence = Evidence(numbers=numbers)
    if found.jain is None or ok < needed:
        told = f"{ok} answered calls; {needed} are needed to tell"
        return verdict(about, "unknown", words, told, bound=bound, evidence=evidence)
    answer: Answer = "pass" if found.jain >= bound else "fail"
    told = f"{found.jain:.3f} over {found.members} {about.across}"
    return verdict(about, answer, words, told, value=found.jain, bound=bound, evidence=evidence)


def _known(about: asked.Spread, history: History, calls: Sequence[CallRecord]) -> Iterable[str]:
    members = history.members
    if about.across == "nodes":
        return members.nodes
    if about.across == "zones":
        return members.zones
    services = {call.service for call in calls}
    return sorted({pod for service in services for pod in members.pods.get(service, ())})


def endpoints_match(about: asked.EndpointsMatch, context: Context) -> Verdict:
    """A pod that is ready and no endpoint, or the other way round, for longer than the bound."""
    bound_s = context.bound_s(about.within_s)
    words = f"{about.observer} hold the ready pods, but for at most {seconds(bound_s)}"
    history = context.history
    spans = history.spans(about.over)
    ready, held = _ready(about, history), _held(about, history)
    if not spans or not ready or not held:
        found = _unwatched(about, history) if ready else "no readiness was watched"
        return verdict(about, "unknown", words, found, bound=bound_s)
    _add_missing(about, history, ready, held)
    differences: list[Stretch] = []
    for (_, where, pod), changes in held.items():
        known = ready.get(pod) or [(history.start_s, False)]
        for start_s, end_s, is_ready in _differences(known, changes, history.end_s):
            what = f"{pod}: {'ready, not held' if is_ready else 'held, not ready'} by {where}"
            stretch = Stretch(start_s=start_s, end_s=end_s, what=what, value=end_s - start_s)
            if any(span.start_s < end_s and start_s < span.end_s for span in spans):
                differences.append(stretch)
    differences.sort(key=lambda stretch: -(stretch.value or 0.0))
    longest_s = (differences[0].value or 0.0) if differences else 0.0
    over = [stretch for stretch in differences if (stretch.value or 0.0) > bound_s]
    numbers: dict[str, float | None] = {"differences": len(differences), "over_bound": len(over)}
    return verdict(
        about,
        "fail" if over else "pass",
        words,
        f"longest difference {seconds(longest_s)}" if differences else "never different",
        value=longest_s,
        bound=bound_s,
        evidence=Evidence(numbers=numbers, stretches=tuple(differences[:EVIDENCE_MAX])),
    )


def _unwatched(about: asked.EndpointsMatch, history: History) -> str:
    """Why nothing is held: nobody watched, or only other Services."""
    others = sorted({b.service for b in history.beliefs if b.observer == about.observer})
    if not about.service or not any(others):
        return f"no {about.observer} was watched"
    services = ", ".join(name for name in others if name)
    return f"no {about.observer} of {about.service_name} was watched; there were: {services}"


def _ready(about: asked.EndpointsMatch, history: History) -> dict[str, list[_Change]]:
    """Pods to when they were ready or not."""
    found: dict[str, list[_Change]] = {}
    if about.ready == "api":
        for belief in _in_time(history.beliefs):
            if belief.observer == "api" and belief.subject.startswith("pod/"):
                found.setdefault(belief.subject, []).append((belief.at_s, belief.state == "in"))
        return found
    for truth in sorted(history.truths, key=lambda truth: truth.at_s):
        if truth.subject.startswith("pod/"):
            found.setdefault(truth.subject, []).append((truth.at_s, _serves(truth, history.faults)))
    return found


def _serves(truth: TruthRecord, faults: Iterable[FaultRecord]) -> bool:
    """Whether a pod answers whoever reaches it.

    One whose network alone is slow, lossy or cut off from some does; one that is frozen, errs, or
    is cut off from everybody does not.
    """
    if truth.state != "degraded":
        return truth.state == "up"
    word = truth.why.removeprefix("node ")
    if word not in _OF_THE_NETWORK:
        return False
    where = (truth.subject, f"node/{truth.node}")
    return not any(
        fault.kind == word and fault.target in where and set(fault.peers) >= _EVERYBODY
        for fault in faults
    )


def _add_missing(
    about: asked.EndpointsMatch,
    history: History,
    ready: dict[str, list[_Change]],
    held: dict[tuple[str, str, str], list[_Change]],
) -> None:
    """Pods of a Service whose observers never had a word of them are held to be out."""
    observers = {(service, where) for service, where, _ in held}
    for truth in history.truths:
        if truth.subject not in ready or not truth.subject.startswith("pod/"):
            continue
        for service, where in observers:
            if service in truth.services and about.service_name in ("", service):
                start = [(ready[truth.subject][0][0], False)]
                held.setdefault((service, where, truth.subject), start)


def _held(
    about: asked.EndpointsMatch, history: History
) -> dict[tuple[str, str, str], list[_Change]]:
    """(Service, observer, pod) to when it was held to be in or out."""
    found: dict[tuple[str, str, str], list[_Change]] = {}
    for belief in _in_time(history.beliefs):
        if belief.observer != about.observer or not belief.subject.startswith("pod/"):
            continue
        if about.service_name not in ("", belief.service):
            continue
        where = f"{belief.observer}/{belief.where}" if belief.where else belief.observer
        key = (belief.service, where, belief.subject)
        found.setdefault(key, []).append((belief.at_s, belief.state == "in"))
    return found


def _in_time(beliefs: Iterable[BeliefRecord]) -> list[BeliefRecord]:
    return sorted(beliefs, key=lambda belief: belief.at_s)


def _differences(
    ready: Sequence[_Change], held: Sequence[_Change], end_s: float
) -> list[tuple[float, float, bool]]:
    """Stretches from the first time both are known on: start, end, whether the pod was ready."""
    times = sorted({at_s for at_s, _ in (*ready, *held)} | {end_s})
    found: list[tuple[float, float, bool]] = []
    for index, at_s in enumerate(times[:-1]):
        is_ready, is_held = _at(ready, at_s), _at(held, at_s)
        if is_ready is None or is_held is None or is_ready == is_held or at_s >= end_s:
            continue
        until_s = min(times[index + 1], end_s)
        if found and found[-1][1] == at_s and found[-1][2] == is_ready:
            found[-1] = (found[-1][0], until_s, is_ready)
        else:
            found.append((at_s, until_s, is_ready))
    return found


def _at(changes: Sequence[_Change], at_s: float) -> bool | None:
    """What held at a time; before the first change not known."""
    value: bool | None = None
    for change_s, state in changes:
        if change_s > at_s:
            break
        value = state
    return value
