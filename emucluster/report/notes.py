"""What of a trial deserves a line of its own: who noticed, and which group stays down."""

from __future__ import annotations

from emucluster.experiment.result import Trial
from emucluster.report.words import rate, seconds


def notes(trial: Trial) -> list[str]:
    """`users: noticed by lease after 4 s` and `users: metastable, ...`, groups alike together."""
    noticed: dict[str, list[str]] = {}
    for run in trial.runs:
        outage = run.outage
        if outage is not None and outage.noticed_s is not None:
            after = seconds(outage.noticed_s - outage.injected_s)
            noticed.setdefault(f"noticed by {outage.noticed_by} after {after}", []).append(
                run.group
            )
    found = [f"{', '.join(groups)}: {text}" for text, groups in noticed.items()]
    for run in trial.runs:
        if run.goodput.state == "metastable":
            left = f"{rate(run.goodput.after_per_s)} of {rate(run.goodput.baseline_per_s)} succeed"
            if trial.faults:
                found.append(f"{run.group}: metastable, {left} although the fault is gone")
            else:
                found.append(f"{run.group}: {left} at the end, though nothing was broken")
    return found
