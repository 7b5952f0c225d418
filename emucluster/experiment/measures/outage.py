"""What clients went through, and who noticed when, phase by phase."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from msgspec import Struct

from emucluster.experiment.history import BeliefRecord, CallRecord, History
from emucluster.experiment.measures.availability import Availability, availability
from emucluster.experiment.measures.detection import (
    Causes,
    Detection,
    detections,
    targets_hit,
)


class OutagePhases(Struct, frozen=True, kw_only=True):
    """From a fault to recovery, for one client group or one Service. Wall clock; None: never.

    Attributes:
        scope: the client group's name, or NAMESPACE/NAME of the Service.
        faults: names of the faults that took effect.
        injected_s: when the first of them did.
        about: where there are several, the one that what is told from `noticed_s` to
            `capacity_back_s` comes of, but for calls: the first that was noticed; empty: there is
            one fault, or nobody held anything of any.
        about_s: when `about` took effect.
        detections: of each fault that is no operation, whether it was noticed.
        first_error_s, last_error_s: when the first and last lost call was due.
        noticed_s: the first lease, probe or load balancer that changed its mind about somebody who
            was hit, while the fault was in force or before they were up again. A pod that only
            starts, or that an operation takes away, tells of no fault.
        noticed_by: which of them that was.
        endpoint_out_s: somebody who was hit left the EndpointSlice.
        proxies_updated_s: the last kube-proxy of a machine that is up no longer chose them.
        balancer_out_s: the last load balancer no longer chose them.
        capacity_back_s: everybody who left is an endpoint again, or as many others are.
        calls: those that were due from the first fault on.
        error_span_s: from the first to the last lost call.
        dark_s: the longest time in which no call succeeded, between the first fault and the run's
            end; 0 if no call was lost.
    """

    scope: str
    faults: tuple[str, ...]
    injected_s: float
    about: str = ""
    about_s: float | None = None
    detections: tuple[Detection, ...] = ()
    first_error_s: float | None = None
    noticed_s: float | None = None
    noticed_by: str = ""
    endpoint_out_s: float | None = None
    proxies_updated_s: float | None = None
    balancer_out_s: float | None = None
    last_error_s: float | None = None
    capacity_back_s: float | None = None
    calls: Availability = Availability(
        total=0, ok=0, failed=0, unknown=0, share=None, interval=availability([]).interval
    )
    error_span_s: float = 0.0
    dark_s: float = 0.0


def outage_of_group(history: History, group: str) -> OutagePhases | None:
    """What a client group went through; None if no fault took effect."""
    calls = [call for call in history.calls_in() if call.group == group]
    services = {call.service for call in calls if call.service}
    return _outage(history, group, calls, services)


def outage_of_service(history: History, service: str) -> OutagePhases | None:
    """What all clients of a Service (NAMESPACE/NAME) went through."""
    calls = [call for call in history.calls_in() if call.service == service]
    return _outage(history, service, calls, {service})


def longest_gap_s(calls: Sequence[CallRecord], *, start_s: float, end_s: float) -> float:
    """The longest time without a success, between `start_s` and `end_s`.

    A success counts when it was due. It is 0 if no call was lost: sparse load is no outage.
    """
    if all(call.ok for call in calls):
        return 0.0
    marks = [start_s, *sorted(c.intended_s for c in calls if c.ok), end_s]
    lost = sorted(call.intended_s for call in calls if not call.ok)
    longest_s, index = 0.0, 0
    for before_s, after_s in pairwise(marks):
        while index < len(lost) and lost[index] < before_s:
            index += 1
        if index < len(lost) and lost[index] < after_s:
            longest_s = max(longest_s, after_s - before_s)
    return longest_s


def _outage(
    history: History, scope: str, calls: list[CallRecord], services: set[str]
) -> OutagePhases | None:
    faults = [f for f in history.faults if f.in_force_from_s is not None]
    injected_s = history.first_fault_s
    if injected_s is None:
        return None
    after = [call for call in calls if call.intended_s >= injected_s]
    lost_s = [call.intended_s for call in after if not call.ok]
    beliefs = _about(history, targets_hit(history, faults), services, injected_s)
    dead = _down(history, injected_s)
    causes = Causes.of(history)
    found = detections(causes, services, history.beliefs)
    noticed = _first_noticed(found)
    names = tuple(dict.fromkeys(fault.fault for fault in faults))
    about = _spoken_of(found, causes, beliefs) if len(names) > 1 else None
    if len(names) > 1:
        beliefs = [b for b in beliefs if about and _tells_of(b, about.fault, causes)]
    endpoint_out_s = first_out_s(beliefs, "endpoints")
    if len(names) == 1:
        back_s = _capacity_back_s(history, services, injected_s)
    else:
        back_s = _made_whole_s(history, services, endpoint_out_s)
    return OutagePhases(
        scope=scope,
        faults=names,
        injected_s=injected_s,
        about=about.fault if about else "",
        about_s=about.injected_s if about else None,
        detections=tuple(found),
        first_error_s=min(lost_s, default=None),
        last_error_s=max(lost_s, default=None),
        noticed_s=noticed.noticed_s if noticed else None,
        noticed_by=noticed.noticed_by if noticed else "",
        endpoint_out_s=endpoint_out_s,
        proxies_updated_s=last_out_s((b for b in beliefs if b.where not in dead), "proxy"),
        balancer_out_s=last_out_s(beliefs, "load-balancer"),
        capacity_back_s=back_s,
        calls=availability(after),
        error_span_s=max(lost_s) - min(lost_s) if lost_s else 0.0,
        dark_s=longest_gap_s(after, start_s=injected_s, end_s=history.end_s),
    )


def _first_noticed(found: Sequence[Detection]) -> Detection | None:
    noticed = [one for one in found if one.noticed_s is not None]
    return min(noticed, key=lambda one: one.noticed_s or 0.0, default=None)


def _spoken_of(
    found: Sequence[Detection], causes: Causes, beliefs: Sequence[BeliefRecord]
) -> Detection | None:
    """Of several faults the one that was noticed first; else the first that anybody held of."""
    told = (one for one in found if any(_tells_of(belief, one.fault, causes) for belief in beliefs))
    return _first_noticed(found) or next(told, None)


def _tells_of(belief: BeliefRecord, name: str, causes: Causes) -> bool:
    return any(causes.tells_of(belief, f) for f in causes.faults if f.fault == name)


def _about(
    history: History, hit: set[str], services: set[str], from_s: float
) -> list[BeliefRecord]:
    found = [
        belief
        for belief in history.beliefs
        if belief.at_s >= from_s
        and belief.subject in hit
        and (not belief.service or not services or belief.service in services)
    ]
    return sorted(found, key=lambda belief: belief.at_s)


def _down(history: History, from_s: float) -> set[str]:
    """Nodes that were down then or since: their kube-proxies choose nothing, whatever they held."""
    truths = sorted(history.truths, key=lambda truth: truth.at_s)
    at_first = {truth.subject: truth.state for truth in truths if truth.at_s <= from_s}
    later = [(truth.subject, truth.state) for truth in truths if truth.at_s > from_s]
    return {
        subject.removeprefix("node/")
        for subject, state in (*at_first.items(), *later)
        if state == "down" and subject.startswith("node/")
    }


def first_out_s(beliefs: Iterable[BeliefRecord], observer: str) -> float | None:
    """When the first observer of a kind held somebody to be out."""
    found = (b.at_s for b in beliefs if b.observer == observer and b.state == "out")
    return min(found, default=None)


def last_out_s(beliefs: Iterable[BeliefRecord], observer: str) -> float | None:
    """When the last observer of a kind came to hold somebody to be out; of each its first time."""
    firsts: dict[tuple[str, str, str], float] = {}
    for belief in beliefs:
        if belief.observer == observer and belief.state == "out":
            key = (belief.where, belief.subject, belief.service)
            firsts[key] = min(firsts.get(key, belief.at_s), belief.at_s)
    return max(firsts.values(), default=None)


def _capacity_back_s(history: History, services: set[str], from_s: float) -> float | None:
    """When the number of endpoints was last made whole again; None if it never fell, or stays."""
    return _made_whole(history, services, from_s)[1]


def _made_whole_s(history: History, services: set[str], out_s: float | None) -> float | None:
    """When it was first made whole after `out_s`: what is so later may have another cause."""
    return None if out_s is None else _made_whole(history, services, out_s)[0]


def _made_whole(
    history: History, services: set[str], from_s: float
) -> tuple[float | None, float | None]:
    """When the number of endpoints was whole again for the first time, and for good."""
    held: dict[tuple[str, str], str] = {}
    fell, first_s, back_s = False, None, None
    full: int | None = None
    changes = sorted(
        (b for b in history.beliefs if b.observer == "endpoints"), key=lambda b: b.at_s
    )
    for belief in changes:
        if services and belief.service not in services:
            continue
        if belief.at_s >= from_s and full is None:
            full = sum(state == "in" for state in held.values())
        held[belief.service, belief.subject] = belief.state
        if full is None:
            continue
        now = sum(state == "in" for state in held.values())
        if now < full:
            fell, back_s = True, None
        elif fell and back_s is None:
            back_s = belief.at_s
            first_s = back_s if first_s is None else first_s
    return first_s, back_s
