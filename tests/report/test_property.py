"""Whatever was recorded, and however little of it, there is a report."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree as xml

from hypothesis import given
from hypothesis import strategies as st

from emucluster import report
from emucluster.experiment.assembly import run_result, trial_result
from emucluster.experiment.history import (
    BeliefRecord,
    CallRecord,
    Execution,
    FaultRecord,
    History,
    ObserverKind,
    Outcome,
    TrueState,
    TruthRecord,
)
from emucluster.experiment.plan import expand
from emucluster.experiment.rig import Environment
from tests.experiment.build import PHASES, experiment, topology

TIMES = st.floats(min_value=-10, max_value=60)
TEXTS = st.text(max_size=12) | st.sampled_from(["</script>", "node/node-1", "a|b", "\x1b[2J", "\0"])
SUBJECTS = st.sampled_from(["node/node-1", "pod/default/web-x1", "pod/a/<b>", "odd", ""])


def records(kind: type[Any], /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.builds(kind, **fields), max_size=12)


CALLS = records(
    CallRecord,
    group=TEXTS,
    client=st.integers(0, 3),
    id=TEXTS,
    intended_s=TIMES,
    started_s=TIMES,
    ended_s=st.none() | TIMES,
    status=TEXTS,
    outcome=st.sampled_from(get_args(Outcome)),
    pod=TEXTS,
    node=TEXTS,
    connection=TEXTS,
    connection_opened_s=st.none() | TIMES,
    service=TEXTS,
    error=TEXTS,
)
FAULTS = records(
    FaultRecord,
    id=TEXTS,
    fault=TEXTS,
    kind=TEXTS,
    target=SUBJECTS,
    peers=st.lists(TEXTS, max_size=4).map(tuple),
    planned_s=st.none() | TIMES,
    acknowledged_s=st.none() | TIMES,
    observed_s=st.none() | TIMES,
    ended_s=st.none() | TIMES,
)
TRUTHS = records(
    TruthRecord, at_s=TIMES, subject=SUBJECTS, state=st.sampled_from(get_args(TrueState)), why=TEXTS
)
BELIEFS = records(
    BeliefRecord,
    at_s=TIMES,
    observer=st.sampled_from(get_args(ObserverKind)),
    subject=SUBJECTS,
    state=st.sampled_from(["in", "out"]),
    where=TEXTS,
    service=TEXTS,
    word=TEXTS,
)
HYPOTHESES = [
    {"kind": "availability", "atLeast": "99%"},
    {"kind": "latency", "quantile": "p99", "atMost": "1s"},
    {"kind": "time-to-recover", "atMost": "1s"},
    {"kind": "no-fault-left"},
]


@given(
    calls=CALLS,
    faults=FAULTS,
    truths=TRUTHS,
    beliefs=BELIEFS,
    executed=records(Execution, call_id=TEXTS, pod=TEXTS),
    phases=st.integers(1, len(PHASES)),
    story=TEXTS,
)
def test_every_history_can_be_written_read_and_written_again(
    calls: list[CallRecord],
    faults: list[FaultRecord],
    truths: list[TruthRecord],
    beliefs: list[BeliefRecord],
    executed: list[Execution],
    phases: int,
    story: str,
) -> None:
    asked = experiment(hypotheses=HYPOTHESES, story=story)
    history = History(
        phases=PHASES[:phases],
        calls=calls,
        faults=faults,
        truths=truths,
        beliefs=beliefs,
        executions=executed,
    )
    plan = expand(asked, topology(), 0)
    trial = trial_result(asked, plan, history, Environment(), clean=None)
    result = run_result(asked, [trial], Environment(), seed=0)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        report.write(directory, result, [report.Recording(history=history, plan=plan)])
        page = (directory / "report.html").read_text()
        assert page.count("<script") == page.count("</script>") == 2
        xml.parse(directory / "junit.xml")
        report.rewrite(directory)
        assert (directory / "report.html").read_text() == page
