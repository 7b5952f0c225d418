"""A dead node is chosen no longer than the numbers of the load balancer's preset allow."""

from __future__ import annotations

from pathlib import Path

import pytest

import emucluster as emu
from emucluster.core.cloudlb.settings import resolve
from emucluster.experiment.stats import Interval
from tests.lab.ejections import held_to_their_windows
from tests.lab.windows import ejection


@pytest.mark.parametrize(
    ("preset", "fastest_s", "slowest_s"),
    [
        ("aws-nlb", 30, 40),
        ("gcp", 17, 25),
        ("azure", 10, 15),
        ("haproxy", 5, 6),
        ("envoy", 3.5, 4.5),
    ],
)
def test_the_window_is_that_of_the_products_documents(
    preset: str, fastest_s: float, slowest_s: float
) -> None:
    assert ejection(resolve(preset).health_check) == Interval(fastest_s, slowest_s)


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.measured
def test_aws_nlb(quick: emu.Cluster, tmp_path: Path) -> None:
    held_to_their_windows(quick, ["aws-nlb"], tmp_path)
