"""A cluster that the lab's proofs share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import emucluster as emu
from tests.lab.setting import own_name

QUICK_SPEED = 10.0


@pytest.fixture(scope="package")
def quick() -> Iterator[emu.Cluster]:
    """Three nodes of a cloud whose load balancer has time-outs well above the floor at speed 10."""
    with emu.Cluster(
        nodes=3, zones=3, cloud="aws-nlb", packing="node", speed=QUICK_SPEED, name=own_name("quick")
    ) as found:
        yield found
