"""What random schedules did, as a page for people."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence

from emucluster.core.faults import kinds
from emucluster.experiment.history import FaultRecord
from tests.lab.schedule_run import FAULTS, INJECT_S, Ran


def page(ran: Sequence[Ran], took_s: float) -> str:
    """Markdown: how many, of which kinds, and what was left."""
    abandoned = [each for each in ran if each.abandoned_s is not None]
    failed = [each for each in ran if each.problems]
    whole_s = [each.whole_s for each in ran]
    faults = [record for each in ran for record in each.records]
    begun = [record for record in faults if record.asked_s is not None]
    acknowledged = [record for record in begun if record.acknowledged_s is not None]
    seen = [record for record in acknowledged if record.observed_s is not None]
    refused = [record for record in begun if record.error]
    looked = all(each.filters_seen for each in ran)
    filters = ", no socket with a packet filter that was not there before" if looked else ""
    lines = [
        "# Random schedules",
        "",
        f"{len(ran)} schedules of up to {FAULTS} faults within {INJECT_S:g} s, every kind of fault "
        f"on every kind of target, half of them with each packing, in {took_s / 60:.0f} minutes. "
        f"{len(abandoned)} were abandoned by their runner in the midst, so that targets had to end "
        "the faults by themselves.",
        "",
        f"**{len(ran) - len(failed)} left nothing**, {len(failed)} something: no fault in force, "
        "all machines running, Nodes and pods ready, calls through load balancer and ClusterIP "
        f"answered at once, no process more{filters}.",
        "",
        f"{len(begun)} faults were asked for; {len(acknowledged)} were acknowledged before their "
        f"runner ended, {len(seen)} seen by somebody else within their time, {len(refused)} "
        "refused since another had their target down. From the end of a schedule until everything "
        f"was well again it took {statistics.median(whole_s):.1f} s (median; longest "
        f"{max(whole_s):.1f} s), most of it calls that look whether it is.",
        "",
        "| kind | target | times |",
        "|---|---|---|",
    ]
    counts = Counter((record.kind, _target(record)) for record in begun)
    lines += [f"| {kind} | {target} | {n} |" for (kind, target), n in sorted(counts.items())]
    if failed:
        lines += ["", "What was left:", "", *(f"- {each}" for each in failed)]
    return "\n".join(lines) + "\n"


def _target(record: FaultRecord) -> str:
    if any(kind.is_link for kind in kinds.KINDS if kind.name == record.kind):
        return "link"
    return record.target.partition("/")[0]
