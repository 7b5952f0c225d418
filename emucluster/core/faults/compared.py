"""Faults that show in what somebody knows, believes or leaves undone, beside what is so. Pure.

As in `witness`, nothing rests on a target's own word but where it is said.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

from emucluster.core.faults.witness import DELAY_SHARE, Sample, Verdict

CHECKS_MISSED = 2.5
"""Checks that do not come for so many of their intervals are not sent."""


def unaware(mine: Sample, others: Sample) -> Verdict:
    """Somebody else knows of a Service that is newer than the fault, and the target does not.

    Args:
        mine, others: what a connection to its ClusterIP (`connect`), or a question for its name
            (`dns`), comes to there. It has no endpoints: who knows it refuses, who does not is
            silent; a name is there or is not.
    """
    if not knows(others):
        return Verdict(False, "nobody else knows of a new Service either", told=False)
    if knows(mine):
        return Verdict(False, "it knows of a new Service, as others do")
    if mine.outcome == "timeout" or mine.how == "dns":
        return Verdict(True, "it knows nothing of a new Service, of which others know")
    return Verdict(False, f"it could not be asked: {mine.detail or mine.outcome}", told=False)


def knows(sample: Sample) -> bool:
    """Whether whoever answered so knows of the Service."""
    if sample.how == "dns":
        return sample.outcome == "ok" and sample.detail.split()[:1] == ["NOERROR"]
    return sample.outcome in ("ok", "refused")


Members = Mapping[str, Collection[str]]
"""Service -> pods that somebody takes to be behind it."""


def stale(mine: tuple[Members, Members], others: tuple[Members, Members]) -> Verdict:
    """Others learned of a change since the fault began, and the target did not, by its own word.

    Each pair is before and now. Others are anybody who follows the same API.
    """
    moved = sorted(
        service
        for service in {*others[0], *others[1]}
        if set(others[0].get(service, ())) != set(others[1].get(service, ()))
    )
    if not moved:
        return Verdict(False, "nothing has changed since that it could have missed", told=False)
    for service in moved:
        before, now = (set(members.get(service, ())) for members in mine)
        # Whoever was told first, before the others were asked, has no change to tell of.
        if before == now and now != set(others[1].get(service, ())):
            return Verdict(True, f"{service} changed for others, and not for it")
    return Verdict(False, f"it followed the change of {moved[0]}")


def blind(checks_s: Sequence[float], *, now_s: float) -> Verdict:
    """Targets got no health check for much longer than they used to come apart.

    `checks_s`: when they came, of one target, in order.
    """
    if len(checks_s) < 3:
        return Verdict(False, "its targets had too few checks to miss any", told=False)
    apart = sorted(b - a for a, b in pairwise(checks_s))
    usual_s = apart[len(apart) // 2]
    since_s = now_s - checks_s[-1]
    seen = since_s > CHECKS_MISSED * usual_s
    return Verdict(seen, f"no check for {since_s:.3g} s; they came {usual_s:.3g} s apart")


def lying(says: str, believed: Mapping[str, str], answers: Mapping[str, bool]) -> Verdict:
    """It holds of a target what the target's own answers contradict.

    `believed`: node -> state as the load balancer has it; `answers`: whether it answers a witness.
    """
    for node, state in sorted(believed.items()):
        if node in answers and state == says and answers[node] is (says == "unhealthy"):
            truth = "answers" if answers[node] else "does not answer"
            return Verdict(True, f"it has {node} {state}, which {truth}")
    return Verdict(False, "what it holds of its targets is so")


def busy(before: float, after: float, *, share: float) -> Verdict:
    """A process takes so much more of a core than before, by half of the fault's share at least."""
    told = f"its process takes {after:.0%} of a core, {before:.0%} before"
    return Verdict(after - before >= DELAY_SHARE * share, told)
