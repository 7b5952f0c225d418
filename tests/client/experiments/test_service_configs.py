"""gRPC refuses a service config before anything starts, in its own words."""

from __future__ import annotations

import time
from typing import Any

import pytest

from emucluster.client.experiments.service_configs import check_service_configs
from emucluster.core.errors import UsageError
from emucluster.experiment.reading import from_tree
from emucluster.experiment.spec import Experiment

RETRIES = {
    "maxAttempts": 4,
    "initialBackoff": "0.1s",
    "maxBackoff": "1s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}


def experiment(*configs: dict[str, Any]) -> Experiment:
    groups = [
        {"name": f"g{number}", "target": "service/web", "serviceConfig": config}
        for number, config in enumerate(configs)
    ]
    return from_tree({"name": "test", "workload": groups})


def methods(**fields: Any) -> dict[str, Any]:
    return {"methodConfig": [{"name": [{}], **fields}]}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (methods(retryPolicy={**RETRIES, "maxAttempts": 1}), "maxAttempts error:must be at least"),
        (methods(retryPolicy={**RETRIES, "backoffMultiplier": ".nan"}), "backoffMultiplier"),
        (methods(timeout="soon"), "timeout"),
        ({"loadBalancingConfig": [{"foo": {}}]}, "No known policies in list: foo"),
        ({"methodConfig": "2020-01-01"}, "methodConfig error:is not an array"),
    ],
)
def test_what_grpc_refuses_is_refused_in_its_words(config: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=rf"^x: workload\[1\]\.serviceConfig: .*{words}") as found:
        check_service_configs("x", experiment({}, config))
    assert "/dev/null" not in str(found.value)


def test_what_grpc_takes_is_taken_without_waiting_for_anybody() -> None:
    began_s = time.monotonic()
    check_service_configs(
        "x",
        experiment(
            methods(retryPolicy=RETRIES, waitForReady=True, timeout="9s"),
            {"loadBalancingConfig": [{"round_robin": {}}]},
            {"loadBalancingConfig": [{"weighted_round_robin": {}}]},
            {"unknownToGrpc": 1},
        ),
    )
    assert time.monotonic() - began_s < 1.0
