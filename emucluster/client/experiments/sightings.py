"""Faults that show to nobody but clients, found in the calls; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from emucluster.experiment.history import BeliefRecord, CallRecord, FaultRecord
from emucluster.experiment.lifecycle import Observed
from emucluster.experiment.plan import PlanEntry

DELAY_SEEN_SHARE = 0.5
"""A delay is seen when the median call of its target takes at least so much of it longer."""
CALLS_MIN = 3
LINGER_GRACE_S = 1.0
"""A call that is begun so soon after a fault's end may still have met it."""


def sightings(
    run: str,
    entries: Sequence[PlanEntry],
    records: Sequence[FaultRecord],
    calls: Sequence[CallRecord],
    beliefs: Sequence[BeliefRecord],
) -> list[Observed]:
    """What clients, and those who believe, saw of faults of which nobody bore witness yet.

    Args:
        run: begins the ids that faults have at their targets, which failed calls name.
    """
    by_id = {entry.id: entry for entry in entries}
    found: list[Observed] = []
    for record in records:
        if record.asked_s is None or record.observed_s is not None:
            continue
        entry = by_id[record.id]
        seen = _by_clients(run, entry, record, calls) or _by_believers(entry, record, beliefs)
        if seen is not None:
            found.append(seen)
    return found


def lingering(
    run: str,
    entries: Sequence[PlanEntry],
    records: Sequence[FaultRecord],
    calls: Sequence[CallRecord],
) -> list[str]:
    """Why a run proves nothing: calls that were begun after a fault's end, and failed by it."""
    by_id = {entry.id: entry for entry in entries}
    found: list[str] = []
    for record in records:
        if record.ended_s is None or by_id[record.id].kind not in ("gray", "error-rate"):
            continue
        word = f"{run}.{record.id} "
        late_s = record.ended_s + LINGER_GRACE_S
        hit = [c for c in calls if not c.ok and c.started_s > late_s and word in c.error]
        if hit:
            found.append(
                f"{record.fault}: {record.kind} on {record.target} was over, and {len(hit)} calls "
                f"begun later failed by it, the last {hit[-1].started_s - record.ended_s:.3g} s "
                "after its end"
            )
    return found


def _by_clients(
    run: str, entry: PlanEntry, record: FaultRecord, calls: Sequence[CallRecord]
) -> Observed | None:
    if not entry.target.startswith("pod/"):
        return None
    during = [call for call in calls if _within(call.ended_s, record)]
    match entry.kind:
        case "gray" | "error-rate":
            return _named(run, entry, during)
        case "zombie":
            return _answered(entry, during)
        case "slow":
            return _slower(entry, record, during, calls)
        case _:
            return None


def _named(run: str, entry: PlanEntry, during: Iterable[CallRecord]) -> Observed | None:
    """A call that failed, and whose error names the fault."""
    for call in during:
        if not call.ok and f"{run}.{entry.id} " in call.error:
            what = f"call {call.id} failed with {call.status}: {call.error}"
            return _seen(entry, call, what)
    return None


def _answered(entry: PlanEntry, during: Iterable[CallRecord]) -> Observed | None:
    """A call that a pod answered which the API server was told to delete."""
    pod = entry.target.removeprefix("pod/")
    for call in during:
        if call.ok and call.pod == pod:
            return _seen(entry, call, f"{pod}, which is deleted, answered call {call.id}")
    return None


def _slower(
    entry: PlanEntry,
    record: FaultRecord,
    during: Sequence[CallRecord],
    calls: Sequence[CallRecord],
) -> Observed | None:
    """Calls that this pod answered took about the delay longer than those before.

    Of a fault that hits some calls only, so many of them.
    """
    pod = entry.target.removeprefix("pod/")
    delay_s = float(entry.params.get("delay", 0.0))
    start_s = record.in_force_from_s or 0.0
    before = [c.latency_s for c in calls if c.ok and (c.ended_s or 0.0) < start_s and c.latency_s]
    answered = [c for c in during if c.ok and c.pod == pod and c.latency_s is not None]
    if len(before) < CALLS_MIN or len(answered) < CALLS_MIN:
        return None
    usual_s = median(before)
    late_s = usual_s + delay_s * DELAY_SEEN_SHARE
    if _is_counted(entry):
        late = [c for c in answered if (c.latency_s or 0.0) >= late_s]
        needed = min(CALLS_MIN, int(entry.params.get("times") or CALLS_MIN))
        if len(late) < needed:
            return None
        what = f"{len(late)} of its {len(answered)} calls took {late_s * 1000:.0f} ms or longer"
        return _seen(entry, late[needed - 1], f"{what}, before the fault {usual_s * 1000:.0f} ms")
    now_s = median([c.latency_s or 0.0 for c in answered])
    if now_s < late_s:
        return None
    what = f"its median call took {now_s * 1000:.0f} ms, before the fault {usual_s * 1000:.0f} ms"
    return _seen(entry, answered[CALLS_MIN - 1], what)


def _is_counted(entry: PlanEntry) -> bool:
    params = entry.params
    return bool(params.get("after") or params.get("times") or params.get("every", 1) > 1)


def _by_believers(
    entry: PlanEntry, record: FaultRecord, beliefs: Iterable[BeliefRecord]
) -> Observed | None:
    """Somebody who held the target to be out while the fault was in force."""
    for belief in beliefs:
        by = _BELIEVERS.get(belief.observer, "").format(where=belief.where)
        out = belief.state == "out" and belief.subject == entry.target
        if out and by and by != entry.target and _within(belief.at_s, record):
            what = f"{belief.observer}: {belief.word or belief.state}"
            return Observed(at_s=belief.at_s, id=entry.id, by=by, what=what)
    return None


_BELIEVERS = {"lease": "control-plane", "probe": "node/{where}", "load-balancer": "lb/{where}"}
"""Those who look for themselves, as targets: others believe what these tell them."""


def _seen(entry: PlanEntry, call: CallRecord, what: str) -> Observed:
    at_s = call.ended_s if call.ended_s is not None else call.started_s
    return Observed(at_s=at_s, id=entry.id, by=f"client/{call.group}", what=what)


def _within(at_s: float | None, record: FaultRecord) -> bool:
    start_s = record.in_force_from_s or record.asked_s
    if at_s is None or start_s is None or at_s < start_s:
        return False
    return record.ended_s is None or at_s <= record.ended_s
