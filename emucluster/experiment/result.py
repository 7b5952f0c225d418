"""What is kept of a run: `results.json`, typed.

`results.schema.json` beside this file is the JSON Schema of it; `python -m
emucluster.experiment.result` prints it, and a test holds the two together.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import Struct, field

from emucluster.experiment.described import describe
from emucluster.experiment.history import FaultRecord, PhaseSpan
from emucluster.experiment.measures.availability import Availability
from emucluster.experiment.measures.executions import Executions
from emucluster.experiment.measures.latency import Latency
from emucluster.experiment.measures.outage import OutagePhases
from emucluster.experiment.measures.rates import Goodput
from emucluster.experiment.measures.spread import Spread
from emucluster.experiment.reading import unfit
from emucluster.experiment.rig import Environment
from emucluster.experiment.stats import Distribution
from emucluster.experiment.verdict import EXIT_CODES, Overall, Verdict

FORMAT = 1
"""Of results.json; raised when readers of the old one would misread the new one."""

EPOCH_END_S = 32_503_680_000.0
SCHEMA_FILE = "results.schema.json"


class GroupPhase(Struct, frozen=True, kw_only=True):
    """What one client group had in one phase; `phase` is `run` for all of it.

    Attributes:
        group: the client group.
        phase: of the run, or `run` for the whole of it.
        rate_per_s: calls a second that were due.
        calls: how they ended.
        latency: of those that succeeded, from when they were due.
        old: of calls due after the first fault, those on connections that were older; None: there
            were none in the phase.
        new: likewise, those on later connections and those for which none came about.
    """

    group: str
    phase: str
    rate_per_s: float
    calls: Availability
    latency: Latency
    old: Availability | None = None
    new: Availability | None = None


class GroupRun(Struct, frozen=True, kw_only=True):
    """What one client group had in the whole run.

    Attributes:
        group: the client group.
        spreads: how evenly its calls were spread over pods, nodes and zones.
        executions: which of its calls the pods remember.
        goodput: whether successful calls a second came back after the last fault.
        outage: from fault to recovery; None: no fault took effect.
    """

    group: str
    spreads: tuple[Spread, ...]
    executions: Executions
    goodput: Goodput
    outage: OutagePhases | None = None


class Trial(Struct, frozen=True, kw_only=True):
    """One run of an experiment. Times are wall clock, seconds since the epoch.

    Attributes:
        number: from 0.
        seed: of every random choice in it.
        digest: of the expanded plan: targets, times, magnitudes.
        phases: when each of them was.
        duration_s: as it passed.
        configured_s: `duration_s` times the cluster's speed.
        groups: what each client group had in each phase, and in the whole run.
        runs: what each client group had in the whole run, beyond its calls.
        services: from fault to recovery, for all clients of each Service together.
        faults: what became of each planned fault.
        verdicts: of each hypothesis, in the experiment's order.
        invalid_reasons: why it proves nothing; empty: it does.
        clean: every target was seen without faults afterwards; None: nobody looked.
        overall: of this trial alone; `invalid` if there is a reason, else the worst of its
            verdicts.
        limited: it is invalid for nothing but the emulator's own limits: the machine was too slow
            for it. Where several trials are asked for, such a one is repeated.
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
    limited: bool = False


class RunResult(Struct, frozen=True, kw_only=True):
    """Everything that `emucluster run` found out.

    Attributes:
        name, story: of the experiment.
        seed: of the whole run; each trial draws its own from it.
        experiment: the file's value as it was run; durations in seconds.
        environment: where and how it was run; measured values are the worst of all trials.
        trials: every run of the experiment, in their order.
        overall: `fail` before `invalid` before `unknown` before `pass` of the trials; those that
            were limited by the emulator and repeated do not count.
        rerun: the command that runs it again with the same plan.
        started_s: when it began, in seconds since the epoch.
        distributions: over valid trials, by the name of what was measured:
            `GROUP/PHASE/availability`, `lost_calls`, `p50_s`, `p99_s`, and `verdict/NAME`.
        format: of this file; raised when readers of an older one would misread it.
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
        result = msgspec.convert(found, RunResult)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnreadableResult(f"not a results.json: {error}") from None
    except RecursionError:
        raise UnreadableResult("not a results.json: nested too deeply") from None
    problem = _problem(result)
    if problem:
        raise UnreadableResult(f"not a results.json: {problem}")
    return result


def _problem(result: RunResult) -> str:
    """What no run writes, whatever the types say."""
    experiment = unfit(result.experiment)
    if experiment is not None:
        return f"experiment.{experiment.path}: {experiment.text}"
    if not result.trials:
        return "it has no trials"
    if [trial.number for trial in result.trials] != list(range(len(result.trials))):
        return "trials are numbered from 0, each once and in their order"
    times = [result.started_s]
    for trial in result.trials:
        if not trial.phases:
            return f"trials[{trial.number}].phases: there are none"
        if any(span.end_s < span.start_s for span in trial.phases):
            return f"trials[{trial.number}].phases: one ends before it starts"
        times += [time_s for span in trial.phases for time_s in (span.start_s, span.end_s)]
    if not all(0 <= time_s <= EPOCH_END_S for time_s in times):
        return "times are seconds since 1970, before the year 3000"
    return ""


def results_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of results.json."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "emucluster results",
        **describe(msgspec.json.schema(RunResult), RunResult),
    }


def schema_text() -> str:
    """The schema as the file has it."""
    return json.dumps(results_schema(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    print(schema_text(), end="")
