"""Every example runs as its first lines say, prints what it is about, and leaves nothing."""

from __future__ import annotations

import json
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from examples.demo import table
from tests.examples.running import ROOT, python, run

pytestmark = pytest.mark.live

NO_FILTER = str(Path(__file__).with_name("no_filter.py"))


@pytest.mark.rare
@pytest.mark.slow
def test_a_first_cluster_answers_from_outside_and_inside_and_refuses_what_has_no_route() -> None:
    with run() as here:
        output = here.finish(here.start(*python("examples/first_cluster.py")))
        here.leaves_nothing()
    assert output.count("outside > lb/default/web-lb:8080 > node-") == 4
    assert "has no address outside the cluster" in output
    assert output.count(" answered 2") == 3


@pytest.mark.slow
def test_a_servicer_of_ones_own_is_served_balanced_and_logged() -> None:
    with run() as here:
        output = here.finish(here.start(*python("examples/own_servicer.py")))
        here.leaves_nothing()
    lines = output.splitlines()
    answers = [line.split(", this is ")[1] for line in lines if "  hello " in line]
    assert len(answers) == 6
    assert len(set(answers[:3])) == 1
    assert all(answer.startswith("greeter-") and " on node-" in answer for answer in answers)
    assert sum("lines, first:" in line for line in lines) == 2


@pytest.mark.rare
@pytest.mark.slow
def test_a_fault_under_load_loses_some_calls_and_not_all() -> None:
    with run() as here:
        output = here.finish(here.start(*python("examples/fault_under_load.py")))
        here.leaves_nothing()
    lost, total = _lost(output)
    assert 0 < lost < total / 2
    assert "load-balancer at lb/default/web-lb" in output
    assert "node-port at node-" in output


def _lost(output: str) -> tuple[int, int]:
    line = next(line for line in output.splitlines() if " calls lost" in line)
    words = line.split()
    return int(words[0]), int(words[2])


@pytest.fixture(scope="module")
def demo() -> tuple[str, dict[str, Any]]:
    """Output and demo.json of one run."""
    with run() as here:
        file = here.home / "demo.json"
        arguments = ("-m", "examples.demo", "--json", str(file))
        output = here.finish(here.start(*python(*arguments)))
        here.leaves_nothing()
        return output, json.loads(file.read_text())


def test_the_demo_prints_the_table_that_its_records_give(demo: tuple[str, dict[str, Any]]) -> None:
    output, data = demo
    assert table.render(table.table(data)) in output.replace("\r", "")
    assert max(map(len, output.splitlines())) <= 110


def test_counts_in_the_demos_table_are_counts_of_calls(demo: tuple[str, dict[str, Any]]) -> None:
    _output, data = demo
    failing = [c for c in data["calls"] if c["phase"] == "failure"]
    cells = {row[0].strip(): dict(zip(table.COLUMNS, row[1:], strict=True))
             for row in table.table(data)}  # fmt: skip
    for column in ("ClusterIP", "LoadBalancer", "Headless"):
        mine = [c for c in failing if c["column"] == column]
        lost = sum(1 for c in mine if not c["ok"])
        assert cells["lost when node died"][column] == f"{lost} of {len(mine)}"
        assert 0 < lost < len(mine)
    even = Counter(c["pod"] for c in data["calls"] if (c["phase"], c["column"], c["source"])
                   == ("spread", "ClusterIP", "pod"))  # fmt: skip
    assert sorted(even.values()) == [10, 10, 10]
    assert cells["reached from outside"]["ClusterIP"].startswith("no")
    assert cells["reached from outside"]["LoadBalancer"].startswith("yes")


def test_the_demo_shows_both_causes_of_loss_apart(demo: tuple[str, dict[str, Any]]) -> None:
    _output, data = demo
    found = table.causes(data)
    assert found["detection"], "the load balancer sent nothing to the dead node"
    assert found["endpoints"], "no healthy node chose a pod of the dead one"
    assert not found["no pod left"]
    # On a busy machine a call may run out of time before any hop has seen it; all others are told.
    assert not [call for call in found["unknown"] if call["last_hop"]]


def test_the_demo_tells_who_noticed_what(demo: tuple[str, dict[str, Any]]) -> None:
    _output, data = demo
    told = [f"{event['by']} {event['what']}" for event in data["events"]]
    dead = data["fault"]["node"]
    in_order = [
        f"power is off at {dead}",
        f"lb web-lb takes {dead} out",
        f"power is back at {dead}",
        f"lb web-lb uses {dead} again",
    ]
    places = [next(i for i, text in enumerate(told) if text.startswith(w)) for w in in_order]
    assert places == sorted(places)
    assert f"control plane {dead} is NotReady: the lease ran out" in told
    assert any("was restarted (restart count 1)" in text for text in told)


@pytest.mark.rare
@pytest.mark.slow
def test_the_demo_needs_no_privilege_no_kernel_filter_and_no_cloud() -> None:
    with run() as here:
        file = here.home / "demo.json"
        demo = ("-m", "examples.demo", "--cloud", "none", "--replicas", "1", "--json", str(file))
        command = python(NO_FILTER, *python(*demo))
        output = here.finish(here.start(*command, unprivileged=True))
        here.leaves_nothing()
        data = json.loads(file.read_text())
    assert "imitated" in output
    assert data["fault"]["mechanism"] == "imitated"
    assert "no: <pending>" in output
    assert not any(c["column"] == "LoadBalancer" for c in data["calls"] if c["phase"] == "failure")
    assert len({c["pod"] for c in data["calls"] if c["ok"] and c["pod"]}) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "moment", ["starting a private Ray", pytest.param("is off at", marks=pytest.mark.rare)]
)
def test_an_interrupted_demo_leaves_nothing(moment: str) -> None:
    with run() as here:
        process = here.start(*python("-u", "-m", "examples.demo", "--json", "/dev/null"))
        _until_said(process, moment)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
        assert process.returncode == 1, rest
        assert "interrupted; nothing is left running" in rest
        here.leaves_nothing()


def _until_said(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if words in line:
            return
    raise AssertionError("".join(said))


def test_scripts_stay_short_enough_to_be_read() -> None:
    for script in (ROOT / "examples").glob("*.py"):
        assert len(script.read_text().splitlines()) <= 60, script.name


@pytest.mark.rare
@pytest.mark.slow
def test_a_client_with_retries_is_tested_with_the_pytest_plugin() -> None:
    with run() as here:
        output = here.finish(here.start(*python("-m", "pytest", "-q", "examples/pytest")))
        here.leaves_nothing()
    assert "2 passed" in output
