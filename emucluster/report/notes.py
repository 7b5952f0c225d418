"""What of a trial deserves a line of its own: who noticed, and which group stays down."""

from __future__ import annotations

from emucluster.experiment.measures.outage import OutagePhases
from emucluster.experiment.result import Trial
from emucluster.report.words import rate, seconds


def notes(trial: Trial) -> list[str]:
    """`users: noticed by lease after 4 s`, `users: nobody noticed` and `users: metastable, ...`,
    groups alike together; where there are several faults each is named."""
    noticed: dict[str, list[str]] = {}
    for run in trial.runs:
        told = "" if run.outage is None else noticing(run.outage)
        if told:
            noticed.setdefault(told, []).append(run.group)
    found = [f"{', '.join(groups)}: {text}" for text, groups in noticed.items()]
    for run in trial.runs:
        if run.goodput.state == "metastable":
            left = f"{rate(run.goodput.after_per_s)} of {rate(run.goodput.baseline_per_s)} succeed"
            if trial.faults:
                found.append(f"{run.group}: metastable, {left} although the fault is gone")
            else:
                found.append(f"{run.group}: {left} at the end, though nothing was broken")
    return found


def noticing(outage: OutagePhases) -> str:
    """Who noticed which fault, and which nobody did; empty where nothing is known of that."""
    several = len(outage.faults) > 1
    if not outage.detections and outage.noticed_s is not None and not several:
        # What an earlier version wrote.
        after = seconds(outage.noticed_s - outage.injected_s)
        return f"noticed by {outage.noticed_by} after {after}"
    told = [
        f"{f'{one.fault} ' if several else ''}noticed by {one.noticed_by} after "
        f"{seconds(one.noticed_s - one.injected_s)}"
        for one in outage.detections
        if one.noticed_s is not None
    ]
    unnoticed = [one.fault for one in outage.detections if one.is_unnoticed]
    if unnoticed:
        told.append(f"nobody noticed {', '.join(unnoticed)}" if several else "nobody noticed")
    return "; ".join(told)
