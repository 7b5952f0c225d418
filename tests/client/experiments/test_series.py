"""What a series of trials leaves, whatever becomes of one of them. Its cluster is a stand-in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from emucluster.client.experiments import series as module
from emucluster.client.experiments.jobs import Job
from emucluster.client.experiments.series import Series
from emucluster.client.experiments.setting import Carried, Setting
from emucluster.client.experiments.source import parse
from emucluster.client.experiments.trials import refused
from emucluster.client.experiments.watching import Unwatched
from emucluster.client.lab import Fault
from emucluster.core.errors import Unreachable, UsageError
from emucluster.experiment.result import RunResult
from emucluster.live.clock import wall_s

from .build import TOPOLOGY, status

TEXT = """
name: x
trials: 3
workload: [{name: users, target: '192.0.2.1:80'}]
"""
GONE = 'the cluster "lab" is gone: its keeper (pid 7) has ended'


class Trial:
    """Comes to what `comes_to` makes of its number: a reason why it broke off, or raises."""

    comes_to: Callable[[int], str] = staticmethod(lambda number: "")

    def __init__(self, setting: Setting) -> None:
        self._at = setting
        self.result: Carried | None = None
        self.broke_off = ""

    def carry_out(self) -> None:
        at = self._at
        self.broke_off = type(self).comes_to(at.number)
        reason = self.broke_off or "judged"
        trial, recording = refused(
            at.experiment,
            at.plan,
            at.topology,
            at.environment,
            number=at.number,
            at_s=wall_s(),
            reason=reason,
        )
        self.result = Carried(trial, recording, at.environment)


class Session:
    """A cluster that is whole, until it is `gone`."""

    def __init__(self, directory: Path, *faults: Fault) -> None:
        self.gone = ""
        self.api = None
        self.record = SimpleNamespace(directory=str(directory))
        self._faults = faults

    def status(self) -> Any:
        return status(faults=self._faults)


@pytest.fixture(autouse=True)
def trial(monkeypatch: pytest.MonkeyPatch) -> type[Trial]:
    class Each(Trial):
        pass

    monkeypatch.setattr(module, "TrialRun", Each)
    monkeypatch.setattr(module, "wait_settled", lambda *_, **__: {})
    monkeypatch.setattr(module, "read_topology", lambda _session: TOPOLOGY)
    return Each


def carried_out(
    session: Session, directory: Path, text: str = TEXT
) -> tuple[RunResult | None, BaseException | None]:
    source = parse(text, label="x.yaml", directory=directory)
    found = Series(session, Job(source, None), Unwatched(), guarded=None)  # type: ignore[arg-type]
    raised: BaseException | None = None
    try:
        found.carry_out()
    except BaseException as error:
        raised = error
    outcome = found.outcome()
    return (None if outcome is None else outcome.result), raised


def reasons(result: RunResult | None) -> list[str]:
    assert result is not None
    assert result.overall == "invalid"
    return [trial.invalid_reasons[0] for trial in result.trials]


def test_a_question_about_a_service_that_is_not_there_is_refused_before_load_begins(
    trial: type[Trial], tmp_path: Path
) -> None:
    def comes_to(number: int) -> str:
        raise AssertionError("a trial has begun")

    trial.comes_to = comes_to
    asked = "hypotheses: [{kind: endpoints-match, service: nope, within: 1s}]"
    result, raised = carried_out(Session(tmp_path), tmp_path, TEXT + asked)

    assert result is None
    assert isinstance(raised, UsageError)
    assert str(raised) == (
        "x.yaml: hypotheses[0].service: there is no Service default/nope; there are: none"
    )


def test_a_trial_that_broke_off_is_kept_with_those_before_and_ends_the_series(
    trial: type[Trial], tmp_path: Path
) -> None:
    trial.comes_to = lambda number: "the run broke off: x" if number == 1 else ""
    result, raised = carried_out(Session(tmp_path), tmp_path)
    assert raised is None
    assert reasons(result) == ["judged", "the run broke off: x"]


@pytest.mark.parametrize("number", [0, 1])
def test_a_trial_that_does_not_begin_is_kept_with_the_reason(
    trial: type[Trial], tmp_path: Path, number: int
) -> None:
    def comes_to(each: int) -> str:
        if each == number:
            raise Unreachable("no load generator came up")
        return ""

    trial.comes_to = comes_to
    result, raised = carried_out(Session(tmp_path), tmp_path)
    assert raised is None
    assert reasons(result)[number:] == ["not begun: no load generator came up"]


def test_what_nobody_foresaw_is_kept_and_raised(trial: type[Trial], tmp_path: Path) -> None:
    def comes_to(number: int) -> str:
        raise KeyError("what")

    trial.comes_to = comes_to
    result, raised = carried_out(Session(tmp_path), tmp_path)
    assert isinstance(raised, KeyError)
    assert reasons(result) == ["not begun: KeyError: 'what'"]


def test_an_interrupt_leaves_a_result_that_says_so(trial: type[Trial], tmp_path: Path) -> None:
    def comes_to(number: int) -> str:
        raise KeyboardInterrupt

    trial.comes_to = comes_to
    result, raised = carried_out(Session(tmp_path), tmp_path)
    assert isinstance(raised, KeyboardInterrupt)
    assert reasons(result) == ["the run was interrupted before its end, by Ctrl-C or SIGTERM"]


def test_a_cluster_that_is_gone_is_one_line_and_the_end(trial: type[Trial], tmp_path: Path) -> None:
    session = Session(tmp_path)

    def comes_to(number: int) -> str:
        session.gone = GONE
        raise Unreachable("the cluster's token is required")

    trial.comes_to = comes_to
    result, raised = carried_out(session, tmp_path)
    assert raised is None
    assert reasons(result) == [GONE]


def test_a_workload_that_does_not_fit_is_no_result(trial: type[Trial], tmp_path: Path) -> None:
    def comes_to(number: int) -> str:
        raise UsageError("workload[0].target: no such Service")

    trial.comes_to = comes_to
    result, raised = carried_out(Session(tmp_path), tmp_path)
    assert isinstance(raised, UsageError)
    assert result is None


def test_a_cluster_in_which_something_is_broken_is_refused(tmp_path: Path) -> None:
    fault = Fault("f-1", "freeze", "node/node-1", 1.0, None, "", "in force")
    ended = Fault("f-2", "freeze", "node/node-1", 1.0, 2.0, "", "ended")
    result, raised = carried_out(Session(tmp_path, fault, ended), tmp_path)
    assert result is None
    assert isinstance(raised, UsageError)
    assert "faults in force that are not this run's: f-1 (freeze on node/node-1);" in str(raised)
