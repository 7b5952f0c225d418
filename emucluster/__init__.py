"""emucluster: the Service plane of a Kubernetes-style cluster on Ray.

import emucluster as emu

with emu.Cluster(nodes=3, cloud="aws-nlb", speed=10) as cluster:
    cluster.apply("examples/web.yaml")
    cluster.wait_ready()
    with cluster.client() as outside:
        print(outside.call("service/web-lb"))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emucluster.client.api import Applied as Applied
    from emucluster.client.caller import Client as Client
    from emucluster.client.calls import Call as Call
    from emucluster.client.cluster import Cluster as Cluster
    from emucluster.client.cluster import Session as Session
    from emucluster.client.cluster import connect as connect
    from emucluster.client.experiments.experiment import Experiment as Experiment
    from emucluster.client.lab import Fault as Fault
    from emucluster.client.lab import Machine as Machine
    from emucluster.client.lab import Status as Status
    from emucluster.client.load import Plan as Plan
    from emucluster.client.load import Summary as Summary
    from emucluster.client.load import summarize as summarize
    from emucluster.client.path import Hop as Hop
    from emucluster.client.ready import NotReady as NotReady
    from emucluster.core import errors as errors
    from emucluster.core.errors import EmuclusterError as EmuclusterError
    from emucluster.core.errors import RequestFailed as RequestFailed
    from emucluster.experiment.result import RunResult as RunResult

__version__ = "0.1.0"

_PLACES = {
    "Applied": "client.api",
    "Call": "client.calls",
    "Client": "client.caller",
    "Cluster": "client.cluster",
    "EmuclusterError": "core.errors",
    "Experiment": "client.experiments.experiment",
    "Fault": "client.lab",
    "Hop": "client.path",
    "Machine": "client.lab",
    "NotReady": "client.ready",
    "Plan": "client.load",
    "RequestFailed": "core.errors",
    "RunResult": "experiment.result",
    "Session": "client.cluster",
    "Status": "client.lab",
    "Summary": "client.load",
    "connect": "client.cluster",
    "summarize": "client.load",
}

__all__ = [*_PLACES, "__version__", "errors"]


def __getattr__(name: str) -> Any:
    """Public names are loaded on first use: actors import this package, and need none of them."""
    if name == "errors":
        return import_module("emucluster.core.errors")
    if name in _PLACES:
        return getattr(import_module(f"emucluster.{_PLACES[name]}"), name)
    raise AttributeError(f"module 'emucluster' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
