"""A cluster without hurry, for load balancers whose time-outs are near the floor."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import emucluster as emu
from tests.lab.setting import own_name


@pytest.fixture(scope="package")
def real_time() -> Iterator[emu.Cluster]:
    """Three nodes, and load balancers with time-outs of half a second."""
    with emu.Cluster(
        nodes=3, zones=3, cloud="haproxy", packing="node", speed=1, name=own_name("real-time")
    ) as found:
        yield found
