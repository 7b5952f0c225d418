"""What is kept of a run: `results.json`, typed.

`results.schema.json` beside this file is the JSON Schema of it; `python -m
emucluster.experiment.result` prints it, and a test holds the two together.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import Struct, field

from emucluster.experiment.history import FaultRecord, PhaseSpan
from emucluster.experiment.measures.availability import Availability
from emucluster.experiment.measures.executions import Executions
from emucluster.experiment.measures.latency import Latency
from emucluster.experiment.measures.outage import OutagePhases
from emucluster.experiment.measures.rates import Goodput
from emucluster.experiment.measures.spread import Spread
from emucluster.experiment.rig import Environment
from emucluster.experiment.stats import Distribution
from emucluster.experiment.verdict import EXIT_CODES, Overall, Verdict

FORMAT = 1
"""Of results.json; raised when readers of the old one would misread the new one."""

SCHEMA_FILE = "results.schema.json"


class GroupPhase(Struct, frozen=True, kw_only=True):
    """What one client group had in one phase; `phase` is `run` for all of it.

    Attributes:
        old, new: of calls due after the first fault, by the age of their connection; None where
            there was none in the phase.
    """

    group: str
    phase: str
    rate_per_s: float
    calls: Availability
    latency: Latency
    old: Availability | None = None
    new: Availability | None = None


class GroupRun(Struct, frozen=True, kw_only=True):
    """What one client group had in the whole run."""

    group: str
    spreads: tuple[Spread, ...]
    executions: Executions
    goodput: Goodput
    outage: OutagePhases | None = None


class Trial(Struct, frozen=True, kw_only=True):
    """One run of an experiment. Times are wall clock, seconds since the epoch.

    Attributes:
        number: from 0.
        digest: of the expanded plan: targets, times, magnitudes.
        duration_s: as it passed; `configured_s` is that times the speed.
        clean: every target was seen without faults afterwards.
        overall: of this trial alone.
    """

    number: int
    seed: int
    digest: str
    phases: tuple[PhaseSpan, ...]
    duration_s: float
    configured_s: float
    groups: tuple[GroupPhase, ...]
    runs: tuple[GroupRun, ...]
    services: tuple[OutagePhases, ...]
    faults: tuple[FaultRecord, ...]
    verdicts: tuple[Verdict, ...]
    invalid_reasons: tuple[str, ...]
    clean: bool | None
    overall: Overall


class RunResult(Struct, frozen=True, kw_only=True):
    """Everything that `emucluster run` found out.

    Attributes:
        experiment: the file's value as it was run; durations in seconds.
        rerun: the command that runs it again with the same plan.
        distributions: over valid trials, by the name of what was measured.
    """

    name: str
    story: str
    seed: int
    experiment: dict[str, Any]
    environment: Environment
    trials: tuple[Trial, ...]
    overall: Overall
    rerun: str = ""
    started_s: float = 0.0
    distributions: dict[str, Distribution] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def exit_code(self) -> int:
        """0 pass, 1 fail, 2 unknown or invalid."""
        return EXIT_CODES[self.overall]

    @property
    def verdicts(self) -> list[tuple[Trial, Verdict]]:
        return [(trial, verdict) for trial in self.trials for verdict in trial.verdicts]


class UnreadableResult(ValueError):
    """What should be a results.json is none, or one of another format."""


def to_json(result: RunResult) -> bytes:
    """The text of results.json."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n"


def from_json(data: bytes) -> RunResult:
    """What `to_json` wrote. Raises UnreadableResult that says what is wrong."""
    try:
        found = msgspec.json.decode(data)
        number = found.get("format") if isinstance(found, dict) else None
        if number != FORMAT:
            raise UnreadableResult(f"results of format {number}; this version reads {FORMAT}")
        return msgspec.convert(found, RunResult)
    except msgspec.MsgspecError as error:
        raise UnreadableResult(f"not a results.json: {error}") from None


def results_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of results.json."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "emucluster results",
        **msgspec.json.schema(RunResult),
    }


def schema_text() -> str:
    """The schema as the file has it."""
    return json.dumps(results_schema(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    print(schema_text(), end="")
