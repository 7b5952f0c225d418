"""Experiments from Python."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from emucluster.client.experiments.directory import make
from emucluster.client.experiments.jobs import Job, Overrides, check, overridden
from emucluster.client.experiments.run import run
from emucluster.client.experiments.source import Source, from_fields, open_source
from emucluster.client.experiments.watching import Watcher
from emucluster.experiment.result import RunResult
from emucluster.experiment.spec import Experiment as Spec


class Experiment:
    """One experiment, as its file has it: the same fields, under the same names.

        experiment = emu.Experiment(
            name="dead-node",
            cluster={"nodes": 3, "speed": 10},
            manifests=["examples/web.yaml"],
            workload=[{"name": "users", "target": "service/web-lb", "connection": "per-call"}],
            faults=[{"kind": "power-off", "target": "node/node-2", "at": "1s"}],
            hypotheses=[{"kind": "availability", "atLeast": "99%"}],
        )
        result = experiment.run()
        assert result.overall == "pass", result.verdicts

    Paths of manifests are relative to the working directory; of a file, to the file. Raises
    UsageError that names the field.
    """

    def __init__(self, **fields: Any) -> None:
        self._source = from_fields(fields)

    @classmethod
    def load(cls, path: str | Path) -> Experiment:
        """From a file, or the experiment of this name that ships. Raises UsageError."""
        return cls.of(open_source(path))

    @classmethod
    def of(cls, source: Source) -> Experiment:
        """From what has been read already."""
        found = cls.__new__(cls)
        found._source = source
        return found

    @property
    def spec(self) -> Spec:
        """What it says, typed."""
        return self._source.experiment

    @property
    def source(self) -> Source:
        return self._source

    def run(
        self,
        *,
        seed: int | None = None,
        trials: int | None = None,
        speed: float | None = None,
        cluster: str | None = None,
        out: str | Path | None = None,
        watcher: Watcher | None = None,
    ) -> RunResult:
        """Run it and return what came of it.

        Args:
            seed, trials, speed: instead of its own.
            cluster: a running cluster to use; None starts one, which ends with the run.
            out: the directory for report, results and records; None writes none.
            watcher: is told how it goes.

        Raises UsageError, ClusterError; faults are lifted and clusters removed then too. Raises
        ReportNotWritten, which holds the result, where only `out` could not be written.
        """
        source = overridden(self._source, Overrides(seed=seed, trials=trials, speed=speed))
        check(source, own_cluster=cluster is None)
        directory = None if out is None else Path(out)
        if directory is not None:
            make(directory)
        job = Job(source, directory)
        with contextlib.closing(run([job], cluster=cluster, watcher=watcher)) as outcomes:
            return next(outcomes).result
