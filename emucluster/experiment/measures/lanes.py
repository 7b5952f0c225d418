"""Truth and belief: what was so, and what each observer held, on one time line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from msgspec import Struct

from emucluster.experiment.history import BeliefRecord, History, TruthRecord


class Segment(Struct, frozen=True, kw_only=True):
    """One state for one stretch of time; `word` is the observer's own for it."""

    start_s: float
    end_s: float
    state: str
    word: str = ""


class Lane(Struct, frozen=True, kw_only=True):
    """What one observer held of one subject; `observer` is `truth` for what really was.

    Attributes:
        where: which kube-proxy, load balancer ...; `service`: of whose membership it is.
        wrong_s: how long it differed from the truth; 0 for the truth itself.
    """

    subject: str
    observer: str
    where: str = ""
    service: str = ""
    segments: tuple[Segment, ...] = ()
    wrong_s: float = 0.0


def lanes(history: History) -> list[Lane]:
    """A lane for each subject's truth, followed by those of its observers.

    Before its first record a lane has no segment: nothing is known. A degraded subject is in truth
    neither in nor out, so no belief about it counts as wrong.
    """
    end_s = history.end_s
    truths = {
        subject: _segments([(r.at_s, r.state, r.why) for r in records], end_s)
        for subject, records in _by_subject(history.truths).items()
    }
    found: list[Lane] = []
    subjects = sorted({*truths, *(belief.subject for belief in history.beliefs)})
    beliefs = sorted(history.beliefs, key=_key)
    for subject in subjects:
        truth = truths.get(subject, ())
        if truth:
            found.append(Lane(subject=subject, observer="truth", segments=truth))
        own = [belief for belief in beliefs if belief.subject == subject]
        for (observer, where, service), records in groupby(own, key=_observer):
            held = _segments([(r.at_s, r.state, r.word) for r in records], end_s)
            found.append(
                Lane(
                    subject=subject,
                    observer=observer,
                    where=where,
                    service=service,
                    segments=held,
                    wrong_s=disagreement_s(truth, held),
                )
            )
    return found


def disagreement_s(truth: Sequence[Segment], held: Sequence[Segment]) -> float:
    """For how long a belief was wrong: `in` of what was down, or `out` of what was up."""
    return sum(end_s - start_s for start_s, end_s in disagreements(truth, held))


def disagreements(truth: Sequence[Segment], held: Sequence[Segment]) -> list[tuple[float, float]]:
    """The stretches in which a belief was wrong, each within one segment of it."""
    wrong = {("down", "in"), ("up", "out")}
    return [
        (max(t.start_s, h.start_s), min(t.end_s, h.end_s))
        for t in truth
        for h in held
        if (t.state, h.state) in wrong and t.start_s < h.end_s and h.start_s < t.end_s
    ]


def state_at(segments: Sequence[Segment], at_s: float) -> str:
    """The state at a time; empty where nothing is known."""
    return next((s.state for s in segments if s.start_s <= at_s < s.end_s), "")


def _by_subject(records: Iterable[TruthRecord]) -> dict[str, list[TruthRecord]]:
    found: dict[str, list[TruthRecord]] = {}
    for record in sorted(records, key=lambda r: r.at_s):
        found.setdefault(record.subject, []).append(record)
    return found


def _key(belief: BeliefRecord) -> tuple[str, str, str, str, float]:
    return (belief.subject, *_observer(belief), belief.at_s)


def _observer(belief: BeliefRecord) -> tuple[str, str, str]:
    return (belief.observer, belief.where, belief.service)


def _segments(changes: Sequence[tuple[float, str, str]], end_s: float) -> tuple[Segment, ...]:
    """Changes in the order of time to segments; what changes nothing is no segment of its own."""
    found: list[Segment] = []
    for index, (at_s, state, word) in enumerate(changes):
        until_s = changes[index + 1][0] if index + 1 < len(changes) else end_s
        if until_s <= at_s:
            continue
        if found and found[-1].state == state and found[-1].word == word:
            found[-1] = Segment(start_s=found[-1].start_s, end_s=until_s, state=state, word=word)
        else:
            found.append(Segment(start_s=at_s, end_s=until_s, state=state, word=word))
    return tuple(found)
