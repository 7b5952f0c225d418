"""Clusters on virtual time for the tests of this folder."""

from __future__ import annotations

from typing import Any

from emucluster.sim.runtime import SimRuntime
from tests.contract.observe import NODES, WEB, healthy, wait_for_web


def web_cluster(manifest: str = WEB, **options: Any) -> SimRuntime:
    """Three nodes with WEB in service; with a cloud, every target is healthy."""
    runtime = SimRuntime(**options)
    runtime.sleep(1.0)
    runtime.apply(manifest)
    wait_for_web(runtime)
    if options.get("cloud", "aws-nlb") is not None:
        runtime.wait_until(
            lambda: healthy(runtime) == set(NODES), timeout_s=120.0, what="targets healthy"
        )
    return runtime
