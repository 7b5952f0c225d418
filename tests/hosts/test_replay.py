"""An experiment is the same on one, two and three hosts, down to the digest of its plan."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

import emucluster as emu
from emucluster.cli import run as command
from emucluster.experiment.result import RunResult, from_json
from emucluster.report import read
from tests.hosts.hosts import Cluster, Hosts, hosts_with_ray
from tests.lab.setting import pods_on, service

pytestmark = [pytest.mark.live, pytest.mark.hosts, pytest.mark.slow, pytest.mark.rare]

NODES = ("node-1", "node-2", "node-3")
CLUSTER = {"nodes": 3, "zones": 2, "cloud": "aws-nlb", "packing": "node", "speed": 10}
EXPERIMENT = {
    "name": "on-any-number-of-hosts",
    "seed": 7,
    "cluster": CLUSTER,
    "manifests": [*pods_on(*NODES), service("web"), service("web-inside", "ClusterIP")],
    "workload": [
        {"name": "outside", "target": "service/web", "connection": "per-call", "clients": 2},
        {"name": "inside", "target": "service/web-inside", "source": "node/node-1"},
    ],
    "faults": [
        {
            "kind": "power-off",
            "target": {"kind": "node", "select": "one"},
            "at": "3s",
            "within": "1s",
            "for": "2s",
        },
        {"kind": "slow", "target": {"kind": "pod", "service": "web", "select": "fixed:2"}},
        {
            "kind": "latency",
            "target": {"kind": "link", "from": "node/node-1", "to": "node/node-2"},
            "within": "500ms",
            "for": "2s",
        },
    ],
    "hypotheses": [{"kind": "no-fault-left"}],
    "phases": {"baseline": "2s", "inject": "6s", "recover": "4s", "verify": "2s"},
    "limits": {"nodes": 2, "pods": "100%"},
}


@contextmanager
def started(hosts: Hosts) -> Iterator[Cluster]:
    found = Cluster(hosts, f"replayed-on-{len(hosts.numbers)}")
    flags = [f"--{name}={value}" for name, value in CLUSTER.items()]
    found.cli("up", "--ray-address", hosts.ray_address, "--bind", hosts.bind, *flags)
    try:
        yield found
    finally:
        found.cli("down", check=False)


def result_of(directory: Path) -> RunResult:
    return from_json((directory / "results.json").read_bytes())


def test_a_run_on_one_host_is_replayed_on_two_and_on_three(hosts: Hosts, tmp_path: Path) -> None:
    file, first = tmp_path / "experiment.yaml", tmp_path / "one"
    file.write_text(yaml.safe_dump(EXPERIMENT))
    with emu.Cluster(**CLUSTER, name="replayed-on-1") as one:
        command(["run", str(file), "--cluster", one.name, "--out", str(first), "-q"])
    recorded = result_of(first)
    assert recorded.environment.hosts == 1

    replays = [on_several(hosts, first, tmp_path / "three")]
    with hosts_with_ray("u", "10.77.0", (1, 2)) as two_hosts:
        replays.append(on_several(two_hosts, first, tmp_path / "two"))
    assert [replay.environment.hosts for replay in replays] == [3, 2]
    digests = {trial.digest for replay in (recorded, *replays) for trial in replay.trials}
    assert len(digests) == 1


def on_several(hosts: Hosts, recorded: Path, out: Path) -> RunResult:
    """Replayed with its power-off, which is seen, felt by calls, and over in the end."""
    with started(hosts) as cluster:
        done = cluster.cli(
            "replay", str(recorded), "--out", str(out), "--cluster", cluster.name, check=False
        )
        assert (out / "results.json").exists(), done.stderr
        faults = cluster.json("status")["faults"]
        assert [fault for fault in faults if fault["state"] == "in force"] == []
    found = result_of(out)
    (trial,) = found.trials
    power_off = next(record for record in trial.faults if record.kind == "power-off")
    assert power_off.observed_by not in ("", power_off.target)
    assert power_off.ended_by == "expiry"
    assert trial.clean, trial.invalid_reasons
    lost = {(row.group, row.phase): row.calls.lost for row in trial.groups}
    assert lost["outside", "inject"] > 0
    assert lost["outside", "verify"] == 0
    (recording,) = read(out).recordings()
    hit = {call.node for call in recording.history.calls_in(["baseline"]) if call.ok}
    assert hit == set(NODES), "calls reach every host"
    return found
