"""A replay must have the plan that was recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from emucluster.client.experiments.jobs import Job, Recorded, ReplayDiffers, check_replay
from emucluster.client.experiments.replay import recorded
from emucluster.client.experiments.source import from_fields
from emucluster.core.errors import UsageError
from emucluster.experiment.plan import Plan, expand
from emucluster.experiment.result import from_json, to_json
from emucluster.experiment.topology import NodeInfo, Topology
from emucluster.report import write
from tests.report import synthetic

from .build import TOPOLOGY

SOURCE = from_fields(
    {
        "name": "test",
        "workload": [{"name": "users", "target": "service/web"}],
        "faults": [{"kind": "power-off", "target": {"kind": "node"}}],
    }
)


def planned(topology: Topology = TOPOLOGY, seed: int = 1) -> Plan:
    return expand(SOURCE.experiment, topology, seed)


def job(*plans: Recorded) -> Job:
    return Job(SOURCE, Path("out"), plans)


def test_the_same_plan_is_a_replay_whatever_hosts_it_is_on() -> None:
    elsewhere = replace(TOPOLOGY, nodes=tuple(replace(n, host="other") for n in TOPOLOGY.nodes))
    once = Recorded(planned().digest, TOPOLOGY)

    check_replay(job(once), 0, planned(elsewhere), elsewhere)


def test_a_run_that_is_no_replay_may_have_any_plan() -> None:
    check_replay(job(), 0, planned(), TOPOLOGY)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"nodes": TOPOLOGY.nodes[:2]}, r"the nodes differ: \['node-3', 'zone-a', \[\]\] was"),
        ({"nodes": (*TOPOLOGY.nodes, NodeInfo(name="node-4"))}, r"\['node-4', '', \[\]\] is now"),
        ({"pods": TOPOLOGY.pods[1:]}, r"the pods differ: \['pod/default/web-1', 'node-1'\] was"),
    ],
)
def test_another_topology_is_told_by_its_first_difference(
    changed: dict[str, Any], words: str
) -> None:
    now = replace(TOPOLOGY, **changed)

    with pytest.raises(ReplayDiffers, match=words):
        check_replay(job(Recorded(planned().digest, TOPOLOGY)), 0, planned(now), now)


def test_another_plan_for_the_same_topology_is_told_as_such() -> None:
    once = Recorded(planned(seed=2).digest, TOPOLOGY)

    with pytest.raises(ReplayDiffers, match="the topology is the same"):
        check_replay(job(once), 0, planned(), TOPOLOGY)


def test_a_run_whose_trials_were_repeated_can_be_replayed_and_no_longer_one(tmp_path: Path) -> None:
    write(tmp_path, *synthetic.run(trials=3))
    saved = from_json((tmp_path / "results.json").read_bytes())
    asked = {**saved.experiment, "trials": 2}
    limited = replace(saved.trials[1], limited=True, overall="invalid")
    once = replace(saved, experiment=asked, trials=(saved.trials[0], limited, saved.trials[2]))
    (tmp_path / "results.json").write_bytes(to_json(once))
    source, plans = recorded(tmp_path)
    assert (source.experiment.trials, len(plans)) == (2, 3)

    (tmp_path / "results.json").write_bytes(to_json(replace(saved, experiment=asked)))
    with pytest.raises(UsageError, match="more trials than its experiment"):
        recorded(tmp_path)
