"""Experiments in a running cluster: what they report, and that they leave it as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import emucluster as emu
from emucluster.cli import run as command
from emucluster.client import instances
from emucluster.client.cluster import connect
from emucluster.client.experiments.recovery import recover
from emucluster.client.experiments.run_lock import run_lock
from emucluster.core.errors import UsageError
from emucluster.experiment.result import from_json
from emucluster.report.files import JOURNAL, WORK
from tests.live.watching import until

pytestmark = pytest.mark.live

HERE = Path(__file__).parent
STARTED_S = 180.0
"""A machine that is busy takes its time to start a cluster."""
DEAD_NODE = HERE / "dead-node.yaml"
ATTEMPTS = 3
"""A run whose limit was this machine, with the tests beside this one, proves nothing either way."""


@pytest.fixture(scope="module")
def lab() -> Iterator[emu.Cluster]:
    """What dead-node.yaml wants of a cluster."""
    with emu.Cluster(nodes=3, zones=1, cloud="haproxy", packing="node", speed=20) as cluster:
        yield cluster


def objects(cluster: emu.Cluster) -> set[str]:
    return {
        f"{kind}/{obj.metadata.name}"
        for kind in ("Deployment", "ReplicaSet", "Pod", "Service", "ConfigMap")
        for obj in cluster.get(kind, namespace="*")
    }


def saturated(result: emu.RunResult) -> bool:
    """Whether all that makes it invalid is that this machine was too busy."""
    words = ("event loop of", "processors were", "were begun", "were never begun")
    reasons = [reason for trial in result.trials for reason in trial.invalid_reasons]
    return bool(reasons) and all(any(word in reason for word in words) for reason in reasons)


def of(directory: Path) -> emu.RunResult:
    return from_json((directory / "results.json").read_bytes())


@pytest.mark.measured  # beside other tests the machine would be the limit
def test_a_dead_node_is_reported_and_the_cluster_is_as_before(
    lab: emu.Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = objects(lab)
    for attempt in range(ATTEMPTS):
        out = tmp_path / f"out-{attempt}"
        code = command(["run", str(DEAD_NODE), "--cluster", lab.name, "--out", str(out), "-q"])
        result = of(out)
        if not saturated(result):
            break
    else:
        pytest.skip(f"the machine is too busy: {result.trials[0].invalid_reasons}")

    (trial,) = result.trials
    assert (code, result.overall) == (0, "pass"), (trial.invalid_reasons, result.verdicts)
    (fault,) = trial.faults
    assert fault.acknowledged_s is not None
    assert fault.observed_by not in ("", fault.target)
    assert fault.ended_by == "expiry"
    assert fault.clean_s is not None
    lost = {row.phase: row.calls.lost for row in trial.groups}
    assert lost["inject"] > 0
    assert lost["verify"] == 0
    assert {"report.html", "calls.parquet", "junit.xml", "experiment.yaml", JOURNAL} <= {
        path.name for path in out.iterdir()
    }
    assert "replay" in capsys.readouterr().out
    assert objects(lab) == before
    assert lab.faults() == []


@pytest.mark.rare
@pytest.mark.slow
def test_a_replay_has_the_same_plan_trial_by_trial(lab: emu.Cluster, tmp_path: Path) -> None:
    """Whatever came of it: the plan is made before the run."""
    first, again = tmp_path / "first", tmp_path / "again"
    flags = ["--cluster", lab.name, "-q"]
    command(["run", str(DEAD_NODE), "--trials", "2", "--seed", "11", "--out", str(first), *flags])
    command(["replay", str(first), "--out", str(again), *flags])

    # Where the machine was too slow for one, a third was run.
    digests = [[trial.digest for trial in of(path).trials[:2]] for path in (first, again)]
    assert digests[0] == digests[1]
    assert len(set(digests[0])) == 2


@pytest.mark.slow
def test_operations_are_seen_in_the_api_and_undone(lab: emu.Cluster) -> None:
    operations = emu.Experiment(
        name="operations",
        cluster={"nodes": 3, "cloud": "haproxy", "packing": "node", "speed": 20},
        manifests=[str(HERE / "dead-node-web.yaml")],
        workload=[{"name": "users", "target": "service/web", "connection": "per-call"}],
        phases={"baseline": "500ms", "inject": "6s", "recover": "1s", "verify": "500ms"},
        limits={"nodes": "100%", "pods": "100%"},
        faults=[
            {"kind": "scale", "target": "deployment/web", "for": "1s", "params": {"replicas": 1}},
            {"kind": "wrong-selector", "target": "service/web", "at": "1s", "for": "1s"},
            {"kind": "drain", "target": "node/node-1", "at": "2s", "for": "1s"},
            {"kind": "node-removal", "target": "node/node-3", "at": "3s", "for": "2s"},
        ],
        hypotheses=[{"kind": "no-fault-left"}],
    )
    result = operations.run(cluster=lab.name)

    (trial,) = result.trials
    assert [fault.observed_by for fault in trial.faults] == ["control-plane"] * 4
    assert all(fault.clean_s is not None for fault in trial.faults)
    until(lambda: len(lab.get("Node")) == 3, "the removed node registers anew")
    assert not any(node.spec.unschedulable for node in lab.get("Node"))  # type: ignore[attr-defined]


def test_an_experiment_for_another_cluster_is_refused(lab: emu.Cluster) -> None:
    with pytest.raises(UsageError, match=r"cluster\.speed: wants 5, has"):
        emu.Experiment.load(DEAD_NODE).run(cluster=lab.name, speed=5)


def started(lab: emu.Cluster, out: Path) -> subprocess.Popen[bytes]:
    """The command in a process of its own, once its fault is in force."""
    arguments = ["run", str(HERE / "long-faults.yaml"), "--cluster", lab.name, "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "emucluster", *arguments],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    until(lambda: any(fault.kind == "freeze" for fault in lab.faults()), "a node is frozen")
    until(lambda: _selector(lab) == {"app": "nobody"}, "the Service selects nobody")
    return process


def _selector(lab: emu.Cluster) -> object:
    service: Any = lab.api.find("Service", "web")
    return service.spec.selector if service is not None else None


@pytest.mark.slow
def test_ctrl_c_twice_lifts_everything_and_a_report_says_so(
    lab: emu.Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = objects(lab)
    process = started(lab, tmp_path / "out")
    assert command(["run", str(DEAD_NODE), "--cluster", lab.name, "-q"]) == 2
    told = capsys.readouterr().err
    assert f'"{lab.name}" is in use: process {process.pid} runs "long-faults"' in told, "at once"
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)

    assert process.wait(60) == 130
    assert lab.faults() == []
    assert objects(lab) == before
    (trial,) = from_json((tmp_path / "out" / "results.json").read_bytes()).trials
    assert trial.invalid_reasons[0].startswith("the run was interrupted before its end")
    assert trial.overall == "invalid"
    assert trial.groups, "what was measured until then is kept"


def test_a_cluster_in_which_something_is_broken_is_refused(
    lab: emu.Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = lab.inject("slow", "dns/node-1", 60, params={"delay": "1ms"})
    try:
        assert command(["run", str(DEAD_NODE), "--cluster", lab.name, "-q"]) == 2
    finally:
        lab.clear_faults(fault.id)
    told = capsys.readouterr().err
    assert f"not this run's: {fault.id} (slow on dns/node-1)" in told


@pytest.mark.slow
def test_what_others_do_to_the_cluster_meanwhile_makes_a_run_invalid(
    lab: emu.Cluster, tmp_path: Path
) -> None:
    process = started(lab, tmp_path / "out")
    (plane,) = [machine for machine in lab.machines() if machine.kind == "control-plane"]
    fault = lab.inject("slow", "dns/node-1", 60, params={"delay": "1ms"})
    lab.clear_faults(fault.id)
    lab.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "somebodys"}})
    os.kill(plane.pid, signal.SIGKILL)
    until(lambda: plane_pid(lab) not in (0, plane.pid), "the control plane is started again")
    process.send_signal(signal.SIGINT)

    assert process.wait(60) == 130
    lab.delete("configmap/somebodys")
    (trial,) = from_json((tmp_path / "out" / "results.json").read_bytes()).trials
    told = " | ".join(trial.invalid_reasons)
    assert f"somebody else injected the fault {fault.id} (slow on dns/node-1)" in told
    assert "somebody else created configmap/default/somebodys during the run" in told
    assert "the process of control-plane ended once during the run, which no fault" in told


def plane_pid(lab: emu.Cluster) -> int:
    found = [m for m in lab.machines() if m.kind == "control-plane" and m.state == "running"]
    return found[0].pid if found else 0


@pytest.mark.slow
def test_a_killed_run_leaves_nothing_in_a_running_cluster(lab: emu.Cluster, tmp_path: Path) -> None:
    before = objects(lab)
    process = started(lab, tmp_path / "out")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    until(lambda: lab.faults() == [], "faults are lifted")
    until(lambda: objects(lab) == before, "objects are gone", deadline_s=180.0)


@pytest.mark.rare
@pytest.mark.slow
def test_a_run_that_was_killed_with_its_guard_is_rolled_back_before_the_next(
    lab: emu.Cluster, tmp_path: Path
) -> None:
    before = objects(lab)
    process = started(lab, tmp_path / "out")
    children = Path("/proc", str(process.pid), "task", str(process.pid), "children").read_text()
    for pid in (process.pid, *(int(child) for child in children.split())):
        os.kill(pid, signal.SIGKILL)
    process.wait()

    told: list[str] = []
    with connect(lab.name) as session:
        put_back = partial(recover, session, told.append)
        with run_lock(session.record, "the next", recover=put_back):
            assert lab.faults() == []
    until(lambda: objects(lab) == before, "objects are gone", deadline_s=180.0)
    (line,) = told
    assert line.startswith("rolling back the run of ")


def own(tmp_path: Path, name: str) -> tuple[subprocess.Popen[bytes], Path]:
    """A run in a cluster of its own, once it has begun."""
    text = DEAD_NODE.read_text().replace("cluster: {", f"cluster: {{name: {name}, ")
    file = tmp_path / "own.yaml"
    file.write_text(text.replace("dead-node-web.yaml", str(HERE / "dead-node-web.yaml")))
    out = tmp_path / "out"
    said = tmp_path / "said"
    with said.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "emucluster", "run", str(file), "--out", str(out)],
            stderr=errors,
        )
    journal = out / WORK / JOURNAL

    def has_begun() -> bool:
        assert process.poll() is None, said.read_text()
        return journal.exists() and journal.stat().st_size > 0

    until(has_begun, "the run has begun", deadline_s=STARTED_S)
    return process, out


@pytest.mark.rare
@pytest.mark.slow
def test_a_cluster_of_its_own_ends_with_a_killed_run(tmp_path: Path) -> None:
    name = f"killed-{os.getpid()}"
    process, _ = own(tmp_path, name)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    until(lambda: name not in {i.name for i in instances.list_instances()}, "it is gone")


@pytest.mark.rare
@pytest.mark.slow
def test_a_run_whose_cluster_is_gone_ends_and_says_so(tmp_path: Path) -> None:
    name = f"headless-{os.getpid()}"
    process, out = own(tmp_path, name)
    keeper = instances.instance(name).keeper
    assert keeper is not None
    os.kill(keeper.pid, signal.SIGKILL)

    assert process.wait(40) == 2, "as soon as it notices, not at the end of all time-outs"
    (trial,) = from_json((out / "results.json").read_bytes()).trials
    gone = f'the cluster "{name}" is gone: its keeper (pid {keeper.pid}) has ended'
    assert trial.invalid_reasons[0] == gone, "and a busy machine may have been late besides"
    assert name not in {i.name for i in instances.list_instances()}
