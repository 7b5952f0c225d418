"""Who noticed which fault: what observers came to hold of those whom it hit, because of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from emucluster.experiment.history import BeliefRecord, FaultRecord, History, TruthRecord

DETECTORS = ("lease", "probe", "load-balancer")
"""Observers that find out by themselves; the others are told."""

AT_ONCE_S = 0.5
"""What is recorded of one event in several places is at most so far apart."""

_Observer = tuple[str, str, str]


class Detection(Struct, frozen=True, kw_only=True):
    """Whether one fault was noticed. Wall clock; None: never.

    Attributes:
        fault: its name.
        injected_s: when it took effect, on the first of those whom it hit.
        noticed_s: the first lease, probe or load balancer that changed its mind because of it.
        noticed_by: which of them that was.
        is_unnoticed: whom it hit was watched, and nobody at all held them to be out.
    """

    fault: str
    injected_s: float
    noticed_s: float | None = None
    noticed_by: str = ""
    is_unnoticed: bool = False


def targets_hit(history: History, faults: Iterable[FaultRecord]) -> set[str]:
    """Subjects that the faults hit: a node with its pods."""
    on_node = _pods_by_node(history)
    return {subject for fault in faults for subject in _hit_by(fault, on_node)}


def _pods_by_node(history: History) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for truth in history.truths:
        if truth.subject.startswith("pod/"):
            found.setdefault(f"node/{truth.node}", set()).add(truth.subject)
    return found


def _hit_by(fault: FaultRecord, on_node: Mapping[str, set[str]]) -> frozenset[str]:
    return frozenset({fault.target} | on_node.get(fault.target, set()))


def observer(belief: BeliefRecord) -> str:
    """`lease`, `probe/node-1`."""
    return f"{belief.observer}/{belief.where}" if belief.where else belief.observer


@dataclass(frozen=True, slots=True)
class Causes:
    """Tells whether a belief comes of a fault, or of something else that befell its subject."""

    faults: Sequence[FaultRecord]
    _hit: Mapping[str, frozenset[str]] = field(repr=False)
    _truths: Mapping[str, Sequence[TruthRecord]] = field(repr=False)
    _held: Mapping[str, Mapping[_Observer, Sequence[BeliefRecord]]] = field(repr=False)

    @classmethod
    def of(cls, history: History) -> Causes:
        faults = [fault for fault in history.faults if fault.in_force_from_s is not None]
        truths: dict[str, list[TruthRecord]] = {}
        for truth in sorted(history.truths, key=lambda truth: truth.at_s):
            truths.setdefault(truth.subject, []).append(truth)
        held: dict[str, dict[_Observer, list[BeliefRecord]]] = {}
        for belief in sorted(history.beliefs, key=lambda belief: belief.at_s):
            held.setdefault(belief.subject, {}).setdefault(_who(belief), []).append(belief)
        on_node = _pods_by_node(history)
        hit = {fault.id: _hit_by(fault, on_node) for fault in faults}
        return cls(faults=faults, _hit=hit, _truths=truths, _held=held)

    def is_hit(self, subject: str, fault: FaultRecord) -> bool:
        return subject in self._hit.get(fault.id, ())

    def tells_of(self, belief: BeliefRecord, fault: FaultRecord) -> bool:
        """Whether somebody is held to be out while the fault was in force on them, or since then
        and before they were up again or had another fault, and for no other reason."""
        from_s = fault.in_force_from_s
        if from_s is None or belief.state != "out" or belief.at_s < from_s:
            return False
        if not self.is_hit(belief.subject, fault) or self.is_of_its_own(belief, from_s):
            return False
        is_in_force = fault.ended_s is None or belief.at_s <= fault.ended_s
        return is_in_force or not self._is_past(belief, fault, from_s)

    def is_of_its_own(self, belief: BeliefRecord, from_s: float) -> bool:
        """Whether a pod only starts, having come after `from_s`, or an operation takes it away."""
        truths = self._truths.get(belief.subject, ())
        if not belief.subject.startswith("pod/") or not truths:
            return False
        own = self._held[belief.subject][_who(belief)]
        earlier = (b for b in own if b.at_s < belief.at_s)
        if truths[0].at_s > from_s and all(b.state == "out" for b in earlier):
            return True
        return self._is_taken_away(belief.at_s, truths)

    def is_unnoticed(self, fault: FaultRecord) -> bool:
        """Whether those whom it hit were watched, and nobody held them to be out."""
        from_s, watched = fault.in_force_from_s, False
        assert from_s is not None
        held = (self._held.get(subject, {}).values() for subject in self._hit[fault.id])
        for beliefs in (own for each in held for own in each):
            if beliefs[0].at_s > from_s:
                continue
            watched = True
            standing = [belief for belief in beliefs if belief.at_s <= from_s][-1]
            if standing.state == "out" or any(self.tells_of(belief, fault) for belief in beliefs):
                return False
        return watched

    def _is_past(self, belief: BeliefRecord, fault: FaultRecord, from_s: float) -> bool:
        others = {word for f in self.faults for word in (f.kind, f.fault)}
        others -= {fault.kind, fault.fault}
        ended_s = belief.at_s if fault.ended_s is None else fault.ended_s
        truths = self._truths.get(belief.subject, ())
        then, now = _at(truths, ended_s), _at(truths, belief.at_s + AT_ONCE_S)
        # What was not down when the fault ended went down for another reason.
        was_there = then is not None and then.state != "down"
        return (was_there and now is not None and now.state == "down") or any(
            (from_s < truth.at_s and truth.state == "up")
            or (ended_s < truth.at_s and truth.why.removeprefix("node ") in others)
            for truth in truths
            if truth.at_s < belief.at_s
        )

    def _is_taken_away(self, at_s: float, truths: Sequence[TruthRecord]) -> bool:
        """By an operation that is under way: soon there is no more of it, and no fault ended it."""
        if not any(
            fault.is_operation
            and (from_s := fault.in_force_from_s) is not None
            and from_s - AT_ONCE_S <= at_s
            and (fault.ended_s is None or at_s <= fault.ended_s + AT_ONCE_S)
            for fault in self.faults
        ):
            return False
        now = _at(truths, at_s + AT_ONCE_S)
        if now is None or (now.state == "down" and now.why not in ("not running", "deleted")):
            return False
        later = (truth for truth in truths if truth.at_s >= now.at_s)
        ends = next((t for t in later if t.why == "deleted" or (t.state == "up" and t != now)), now)
        return ends.why == "deleted"


def detections(
    causes: Causes, services: Iterable[str], beliefs: Iterable[BeliefRecord]
) -> list[Detection]:
    """Of each fault by its name, in the order in which they took effect; operations are none.

    Args:
        services: beliefs about membership of others do not count; empty: all do.
    """
    asked = set(services)
    told = sorted(
        (
            belief
            for belief in beliefs
            if belief.observer in DETECTORS
            and belief.state == "out"
            and (not belief.service or not asked or belief.service in asked)
        ),
        key=lambda belief: belief.at_s,
    )
    named: dict[str, list[FaultRecord]] = {}
    for fault in sorted(causes.faults, key=lambda fault: fault.in_force_from_s or 0.0):
        if not fault.is_operation:
            named.setdefault(fault.fault, []).append(fault)
    return [_detection(name, faults, causes, told) for name, faults in named.items()]


def _detection(
    name: str, faults: Sequence[FaultRecord], causes: Causes, told: Sequence[BeliefRecord]
) -> Detection:
    first = next((b for b in told if any(causes.tells_of(b, fault) for fault in faults)), None)
    return Detection(
        fault=name,
        injected_s=faults[0].in_force_from_s or 0.0,
        noticed_s=first.at_s if first else None,
        noticed_by=observer(first) if first else "",
        is_unnoticed=first is None and all(causes.is_unnoticed(fault) for fault in faults),
    )


def _at(truths: Sequence[TruthRecord], at_s: float) -> TruthRecord | None:
    return next((truth for truth in reversed(truths) if truth.at_s <= at_s), None)


def _who(belief: BeliefRecord) -> _Observer:
    return (belief.observer, belief.where, belief.service)
