"""A run that is run again with the same plan."""

from __future__ import annotations

from pathlib import Path

import yaml

from emucluster.client.experiments.jobs import Recorded
from emucluster.client.experiments.source import Source, parse
from emucluster.core.errors import UsageError
from emucluster.experiment.assembly import repeats
from emucluster.experiment.reading import from_tree
from emucluster.report import read


def recorded(directory: Path) -> tuple[Source, tuple[Recorded, ...]]:
    """The experiment of a run's directory, as it was run, and the plan of each of its trials.

    Its manifests are in it, so that it can be run without the files that it came from. Raises
    NotARun for a directory that holds no run, UsageError for an experiment that none can be of.
    """
    saved = read(directory)
    experiment = from_tree(saved.result.experiment, source=str(directory))
    if any(isinstance(item, str) for item in experiment.manifests):
        raise UsageError(f"{directory}: results.json names manifests instead of holding them")
    text = yaml.safe_dump(saved.result.experiment, sort_keys=False, allow_unicode=True)
    source = parse(text, label=str(directory), directory=directory)
    limited = sum(trial.limited for trial in saved.result.trials)
    asked = source.experiment.trials
    if len(saved.result.trials) > asked + repeats(limited, source.experiment):
        raise UsageError(f"{directory}: results.json has more trials than its experiment")
    plans = tuple(
        Recorded(trial.digest, recording.topology)
        for trial, recording in zip(saved.result.trials, saved.recordings(), strict=True)
    )
    return source, plans
