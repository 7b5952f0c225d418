"""What is refused before anything is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emucluster.client.experiments.jobs import Overrides, check, overridden
from emucluster.client.experiments.source import from_fields, shipped
from emucluster.core.errors import UsageError

WEB = Path(__file__).parents[2] / "live" / "experiments" / "dead-node-web.yaml"
FIELDS: dict[str, Any] = {
    "name": "test",
    "cluster": {"nodes": 3, "zones": 2},
    "manifests": [str(WEB)],
    "workload": [{"name": "users", "target": "service/web"}],
}


def checked(**fields: Any) -> None:
    check(from_fields({**FIELDS, **fields}), own_cluster=True)


LINK = {"kind": "link", "from": "node/node-1"}


def test_an_experiment_about_its_own_manifests_is_in_order() -> None:
    checked(faults=[{"kind": "crash", "target": {"kind": "pod", "labels": {"app": "web"}}}])
    checked(faults=[{"kind": "partition", "target": {**LINK, "to": "lb/web"}}])


def test_every_experiment_that_ships_is_in_order() -> None:
    found = shipped()

    assert len(found) >= 15
    for source in found:
        check(overridden(source, Overrides()), own_cluster=True)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"workload": [{"name": "users", "target": "service/wbe"}]},
            r"workload\[0\]\.target: no manifest makes service/wbe in namespace default",
        ),
        (
            {"workload": [{"name": "u", "target": "service/web", "source": "pod/client"}]},
            r"workload\[0\]\.source: no manifest makes pod/client",
        ),
        (
            {"faults": [{"kind": "power-off", "target": "node/node-4"}]},
            r'faults\[0\]: .* no node fits its target "node-4"; there are: node-1, node-2, node-3',
        ),
        (
            {"faults": [{"kind": "power-off", "target": {"kind": "node", "select": "all"}}]},
            r"faults\[0\]: .*limits.nodes is 50%, which allows 1",
        ),
        (
            {"faults": [{"kind": "partition", "target": {**LINK, "to": "node/node-1"}}]},
            r"faults\[0\]: .*node/node-1 is at both ends of the link",
        ),
        (
            {"faults": [{"kind": "partition", "target": {**LINK, "to": "zone/zone-z"}}]},
            r'faults\[0\]: .*no zone fits its target "zone-z"',
        ),
        ({"faults": [{"kind": "crash", "target": "lb/wbe"}]}, 'no lb fits its target "wbe"'),
        (
            {"hypotheses": [{"kind": "endpoints-match", "within": "1s", "service": "wbe"}]},
            r"hypotheses\[0\]\.service: no manifest makes service/wbe in namespace default",
        ),
        ({"cluster": {"zones": 99}}, "cluster.zones: must be a whole number from 1 to 26"),
        (
            {
                "cluster": {"packing": "node"},
                "faults": [{"kind": "cpu-hog", "target": "node/node-1"}],
            },
            r"faults\[0\] .*cpu-hog with packing node would slow the process",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_the_field(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        checked(**fields)


def test_a_running_cluster_may_hold_more_than_the_manifests() -> None:
    fields = {**FIELDS, "workload": [{"name": "users", "target": "service/other"}]}

    check(from_fields(fields), own_cluster=False)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (Overrides(speed=0.5), "--speed: must be from 1 to 1000"),
        (Overrides(trials=0), "--trials: must be from 1 to 10000"),
    ],
)
def test_what_takes_a_files_place_is_checked_too(overrides: Overrides, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        overridden(from_fields(FIELDS), overrides)


def test_manifests_become_part_of_the_experiment_that_is_kept() -> None:
    source = overridden(from_fields(FIELDS), Overrides(seed=5, trials=2, speed=4))
    experiment = source.experiment

    assert [document["kind"] for document in experiment.manifests] == ["Deployment", "Service"]  # type: ignore[index, call-overload]
    assert (experiment.seed, experiment.trials, experiment.cluster.speed) == (5, 2, 4)
