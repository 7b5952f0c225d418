"""How the progress of a run reads, in a line."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from emucluster.cli.run_view import Lines, held_out, words
from emucluster.client.experiments.watching import Moment, fault_words
from emucluster.experiment.plan import PlanEntry
from emucluster.experiment.vocabulary import Phase


def head(phase: Phase | None, left_s: float) -> str:
    now = Moment(
        experiment="x", trial=0, trials=2, phase=phase, left_s=left_s, run_left_s=left_s + 9.0
    )
    return words(now)[0]


def test_a_trial_whose_load_has_not_begun_is_about_to_begin() -> None:
    assert head(None, 0.0) == "trial 1/2 about to begin"


def test_a_phase_is_told_with_what_is_left_of_it() -> None:
    assert head("baseline", 3.0) == "trial 1/2 baseline, 3 s left"


def test_what_it_means_to_be_out_depends_on_who_holds_it() -> None:
    believed = {
        "node/node-2": frozenset({"lease", "load-balancer"}),
        "node/node-3": frozenset({"load-balancer"}),
        "pod/web-1": frozenset({"probe", "endpoints", "proxy"}),
        "pod/web-2": frozenset({"proxy"}),
    }
    assert held_out(believed) == [
        "believed dead: node-2",
        "not ready: web-1 (endpoints, kube-proxy)",
        "out of the LB: node-2, node-3",
    ]
    assert held_out({}) == []


def test_a_log_tells_a_new_belief_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    for believed in ({}, {}, {"node/node-2": frozenset({"lease"})}):
        lines.moment(
            Moment(
                experiment="x",
                trial=0,
                trials=1,
                phase="inject",
                left_s=3.0,
                run_left_s=9.0,
                believed_out=believed,
            )
        )
    first, second = capsys.readouterr().err.splitlines()
    assert "believed dead: node-2" not in first
    assert "believed dead: node-2" in second


def test_a_fault_of_a_link_is_told_with_its_peers() -> None:
    entry = PlanEntry(
        id="slow.0",
        fault="slow",
        kind="latency",
        target="node/node-2",
        identity="node/node-2",
        for_s=5.0,
        peers=("node/node-1",),
    )
    assert fault_words(entry) == "latency on node/node-2 from node/node-1"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_who_leaves_ends_no_run(stream: str) -> None:
    """In a process of its own, since it is its streams that nobody reads any more."""
    code = (
        "from emucluster.cli.run_view import Lines, Output\n"
        "lines, out = Lines(), Output()\n"
        "for number in range(3):\n"
        "    lines.step('x' * 100)\n"
        "    out.print('y' * 100)\n"
        "raise SystemExit(7)\n"
    )
    reading, writing = os.pipe()
    os.close(reading)
    streams: dict[str, int] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    done = subprocess.run([sys.executable, "-c", code], **(streams | {stream: writing}))
    os.close(writing)
    assert done.returncode == 7
