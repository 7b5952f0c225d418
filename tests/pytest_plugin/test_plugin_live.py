"""The fixture `emucluster` on real clusters, in runs of pytest of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from emucluster.client import instances

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.live

SMALL = ("--emucluster-nodes=2", "--emucluster-packing=node", "--emucluster-speed=20")
RUN_DEADLINE_S = 120.0

WEB = """
WEB = '''
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers:
    - {name: echo, image: emucluster/echo, ports: [{containerPort: 50051}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{port: 80, targetPort: 50051, nodePort: 30080}]
'''
"""

IN_TURN = """
import os, signal, time
import emucluster as emu

def serve(emucluster):
    emucluster.apply(WEB)
    emucluster.wait_ready()

def test_first_breaks_both_nodes(emucluster):
    serve(emucluster)
    assert emucluster.client().call("service/web").pod == "web"
    for name in ("node-1", "node-2"):
        emucluster.inject("power-off", "node/" + name)

def test_second_has_a_whole_cluster_and_the_same_node_port(emucluster):
    assert emucluster.faults() == []
    assert emucluster.get("pods") == []
    serve(emucluster)
    channel = emucluster.channel("service/web", node="node-2")
    ask = channel.unary_unary("/grpc.health.v1.Health/Check")
    assert ask(b"", timeout=10) == bytes([8, 1])  # SERVING

def test_third_fails_and_tells_why(emucluster):
    serve(emucluster)
    emucluster.inject("crash", "node/node-1")
    calls = list(emucluster.client().run("service/web", emu.Plan(count=4), node="node-1"))
    assert all(call.ok for call in calls)

def test_fourth_breaks_behind_the_back_of_its_fixture(emucluster):
    with emu.connect(emucluster.name) as other:
        other.inject("freeze", "node/node-1")

def test_fifth_kills_the_process_of_a_node(emucluster):
    (pid,) = [m.pid for m in emucluster.machines() if m.name == "node-1"]
    os.kill(pid, signal.SIGKILL)
    while not emucluster.faults():  # the keeper has noticed
        time.sleep(0.01)

def test_sixth_is_well_all_the_same(emucluster):
    serve(emucluster)
    assert emucluster.client().call("service/web").pod == "web"
"""


def clusters() -> set[str]:
    return {each.name for each in instances.list_instances()}


@pytest.mark.rare
@pytest.mark.slow
def test_tests_have_a_namespace_each_and_a_whole_cluster_one_after_the_other(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(WEB + IN_TURN)
    result = pytester.runpytest_subprocess(*SMALL, timeout=RUN_DEADLINE_S)
    result.assert_outcomes(passed=5, failed=1, errors=2)
    result.stdout.fnmatch_lines(
        [
            "*test_third_fails_and_tells_why*",
            "*- emucluster -*",
            'cluster "pytest-*", namespace test-third-fails-and-tells-why-3',
            "fault crash on node/node-1 at *: in force (*)",
            "nodes: node-1 process running*; node-2 process running, Ready",
            "POD*NODE*PHASE*READY",
            "web *node-*",
            "connections, each counted at every hop: *, of which broken: *",
        ]
    )
    result.stdout.fnmatch_lines(["*freeze on node/node-1* was in force after the test, which*"])
    result.stdout.fnmatch_lines(["*crash on node/node-1* was in force after the test, which*"])
    (name,) = {line.split('"')[1] for line in result.outlines if line.startswith('cluster "')}
    assert name not in clusters()


@pytest.mark.rare
@pytest.mark.slow
def test_a_cluster_that_cannot_be_mended_is_an_error_and_replaced(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        from emucluster.core.objects import replace

        KEEPERS = []

        def test_leaves_a_node_cordoned(emucluster):
            KEEPERS.append(emucluster.status().keeper_pid)
            node = emucluster.get("node/node-1", namespace="")
            emucluster.api.update(replace(node, spec=replace(node.spec, unschedulable=True)))

        def test_has_another_cluster(emucluster):
            assert emucluster.status().keeper_pid not in KEEPERS
            emucluster.wait_ready()
        """
    )
    result = pytester.runpytest_subprocess(*SMALL, timeout=RUN_DEADLINE_S)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "the test left a damaged cluster, a new one is started for the next test: cordoned: "
            "node-1"
        ]
    )


@pytest.mark.slow
def test_an_experiment_runs_in_the_tests_namespace_and_tells_its_verdicts(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        WEB
        + """
import emucluster as emu, pytest, yaml

def experiment(at_least):
    return emu.Experiment(
        name="silent-node",
        scaled=True,
        manifests=list(yaml.safe_load_all(WEB)),
        workload=[{"name": "users", "target": "service/web", "node": "node-2",
                   "connection": "per-call", "arrival": {"kind": "constant", "rate": 20}}],
        faults=[{"kind": "power-off", "target": "node/node-2"}],
        phases={"baseline": "20s", "inject": "40s", "recover": "40s", "verify": "20s"},
        hypotheses=[{"kind": "availability", "over": ["inject"], "atLeast": at_least}],
    )

def test_a_client_of_one_node_loses_calls(emucluster):
    result = emucluster.run(experiment("100%"))
    assert [trial.clean for trial in result.trials] == [True]
    assert [verdict.answer for verdict in result.trials[0].verdicts] == ["fail"]
    assert emucluster.get("pods") == []

def test_and_says_so_where_that_is_not_expected(emucluster):
    assert emucluster.run(experiment("100%")).overall == "pass"

def test_a_cluster_that_it_does_not_want_is_refused(emucluster):
    wanted = emu.Experiment(
        name="x", workload=[{"name": "users", "target": "service/web"}], cluster={"nodes": 5}
    )
    with pytest.raises(emu.errors.UsageError, match="nodes: wants 5, has"):
        emucluster.run(wanted)
"""
    )
    result = pytester.runpytest_subprocess(*SMALL, timeout=RUN_DEADLINE_S)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            # On a machine that others keep busy: invalid.
            "experiment silent-node: *, seed 0",
            "  fault power-off on node/node-2: *",
            "  fail: *calls lost*",
        ]
    )


@pytest.mark.slow
def test_each_worker_of_xdist_has_a_cluster_of_its_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", range(2))
        def test_where(emucluster, number):
            print(f"on {emucluster.name} in {emucluster.namespace}")
            emucluster.inject("freeze", "node/node-1")
            assert len(emucluster.faults()) == 1
        """
    )
    result = pytester.runpytest_subprocess(
        *SMALL, "-n", "2", "--dist", "each", "-rP", timeout=RUN_DEADLINE_S
    )
    result.assert_outcomes(passed=4)
    told = {line.split()[1] for line in result.outlines if line.startswith("on pytest-")}
    assert {name.split("-")[1] for name in told} == {"gw0", "gw1"}
    assert not told & clusters()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_session_that_is_ended_in_the_middle_leaves_no_cluster(
    tmp_path: Path, number: signal.Signals
) -> None:
    started = tmp_path / "started"
    (tmp_path / "test_waits.py").write_text(
        f"""
import pathlib, time

def test_waits(emucluster):
    emucluster.inject("power-off", "node/node-1")
    pathlib.Path({str(started)!r}).write_text(emucluster.name)
    time.sleep(600)
"""
    )
    command = [sys.executable, "-m", "pytest", "-q", *SMALL, str(tmp_path)]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=os.environ, stdout=subprocess.PIPE, text=True
    )
    try:
        _until(lambda: started.exists() and started.read_text() != "")
        name = started.read_text()
        assert name in clusters()
        process.send_signal(number)
        process.communicate(timeout=60)
    finally:
        process.kill()
    _until(lambda: name not in clusters())


def _until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline_s, "still not so after 60 s"
        time.sleep(0.1)
