"""Whether a running cluster is the one that an experiment wants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from emucluster.client.experiments.fitting import fitted, options
from emucluster.client.experiments.jobs import Job, Overrides, check, in_cluster, overridden
from emucluster.client.experiments.source import from_fields, parse
from emucluster.client.lab import Status
from emucluster.core.errors import UsageError
from emucluster.experiment.spec import Cluster

from .build import status

FITTING = {"nodes": 3, "zones": 2, "cloud": "aws-nlb", "packing": "pod", "speed": 10}
CONSTANT = {"kind": "constant", "rate": 2000}


def fit(fields: dict[str, Any], running: Status) -> Cluster:
    """Of an experiment that states these fields of its cluster, and no others."""
    return fitted("x.yaml", msgspec.convert(fields, Cluster), fields, running)


def test_a_cluster_of_the_same_shape_fits() -> None:
    fit({**FITTING, "name": "other", "pods": 9}, status())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"nodes": 4}, "cluster.nodes: wants 4, has 3"),
        ({"zones": 1}, "cluster.zones: wants zone-a, has zone-a, zone-b"),
        ({"cloud": "gcp"}, "cluster.cloud: wants gcp, has aws-nlb"),
        ({"packing": "node"}, "cluster.packing"),
        ({"speed": 20}, "cluster.speed: wants 20, has 10"),
        ({"outside": {"db.example": "127.0.0.1:1"}}, "cluster.outside.db.example"),
    ],
)
def test_a_difference_is_named_with_both_values(fields: Any, words: str) -> None:
    with pytest.raises(UsageError, match=rf'cluster "lab" is not .*: {words}'):
        fit({**FITTING, **fields}, status())


def test_all_differences_are_told_at_once() -> None:
    with pytest.raises(
        UsageError, match=r"zones: .*; cluster.packing: .*; cluster.speed: "
    ) as told:
        fit({"zones": 1, "packing": "node", "speed": 2}, status())
    assert "cluster.nodes" not in str(told.value)


@pytest.mark.parametrize("fields", [{}, {"packing": "pod"}, {"zones": 2}])
def test_what_is_not_stated_is_as_the_running_cluster_has_it(fields: Any) -> None:
    found = fit(fields, status(packing="pod", cloud="gcp", outside={"a": "127.0.0.1:1"}))

    assert (found.nodes, found.cloud, found.speed) == (3, "gcp", 10.0)
    assert options(found).zone_names == ["zone-a", "zone-b"]
    assert found.outside == {"a": "127.0.0.1:1"}


def test_zones_that_no_node_is_in_do_not_count() -> None:
    fit({**FITTING, "nodes": 1, "zones": 3}, status(machines=status().machines[:1]))


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("", set()),
        ("cluster: {}", set()),
        ("cluster: {nodes: 3, speed: 1}", {"nodes", "speed"}),
    ],
)
def test_a_file_states_what_it_says_also_where_it_is_the_default(
    text: str, stated: set[str]
) -> None:
    workload = "workload: [{name: a, target: service/web}]"
    source = parse(f"name: x\n{workload}\n{text}", label="x.yaml", directory=Path())

    assert source.stated == stated
    assert overridden(source, Overrides(speed=2)).stated == {*stated, "speed"}


def test_a_programs_cluster_states_what_is_not_the_default() -> None:
    group = {"name": "a", "target": "service/web"}
    made = from_fields({"name": "x", "workload": [group], "cluster": Cluster(nodes=5)})

    assert (made.stated, made.experiment.cluster.nodes) == ({"nodes"}, 5)


def test_calls_of_a_scaled_experiment_are_counted_by_the_speed_of_the_cluster_that_runs() -> None:
    group = {"name": "a", "target": "service/web", "clients": 9, "arrival": {**CONSTANT}}
    phases = {"baseline": "1h"}
    source = from_fields({"name": "x", "workload": [group], "scaled": True, "phases": phases})
    check(source, own_cluster=False)

    assert in_cluster(Job(source, None), status()).source.experiment.cluster.speed == 10.0
    with pytest.raises(UsageError, match="calls in all trials"):
        in_cluster(Job(source, None), status(speed=1.0))


def test_every_field_of_a_cluster_is_started_with() -> None:
    outside = {"a.example": "127.0.0.1:1"}
    fields = {"kubeProxyMode": "random", "standIn": "echo", "outside": outside}
    asked = msgspec.convert(fields, Cluster)
    started = options(asked)

    assert (started.kube_proxy_mode, started.stand_in) == ("random", "echo")
    assert started.outside == outside
