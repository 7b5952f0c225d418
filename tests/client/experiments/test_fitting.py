"""Whether a running cluster is the one that an experiment wants."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from emucluster.client.experiments.fitting import check_fit, options
from emucluster.core.errors import UsageError
from emucluster.experiment.spec import Cluster

from .build import status

FITTING = {"nodes": 3, "zones": 2, "cloud": "aws-nlb", "packing": "pod", "speed": 10}


def cluster(**fields: Any) -> Cluster:
    return msgspec.convert({**FITTING, **fields}, Cluster)


def test_a_cluster_of_the_same_shape_fits() -> None:
    check_fit("x.yaml", cluster(name="other", pods=9), status())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"nodes": 4}, "cluster.nodes: the experiment wants 4"),
        ({"zones": 1}, "cluster.zones: the experiment wants zone-a, and"),
        ({"cloud": "gcp"}, 'wants gcp, and cluster "lab" has aws-nlb'),
        ({"packing": "node"}, "cluster.packing"),
        ({"speed": 20}, "cluster.speed: the experiment wants 20"),
        ({"outside": {"db.example": "127.0.0.1:1"}}, "cluster.outside.db.example"),
    ],
)
def test_the_first_difference_is_named_with_both_values(fields: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_fit("x.yaml", cluster(**fields), status())


def test_zones_that_no_node_is_in_do_not_count() -> None:
    check_fit("x.yaml", cluster(nodes=1, zones=3), status(machines=status().machines[:1]))


def test_every_field_of_a_cluster_is_started_with() -> None:
    asked = cluster(kubeProxyMode="random", standIn="echo", outside={"a.example": "127.0.0.1:1"})
    started = options(asked)

    assert (started.kube_proxy_mode, started.stand_in) == ("random", "echo")
    assert started.outside == {"a.example": "127.0.0.1:1"}
