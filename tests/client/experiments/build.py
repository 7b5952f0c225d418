"""Short ways to say what a test is about."""

from __future__ import annotations

from typing import Any

from emucluster.client.lab import Machine, Status
from emucluster.core.objects import Object
from emucluster.core.objects.codec import decode_tree
from emucluster.experiment.plan import Plan, expand
from emucluster.experiment.reading import from_tree
from emucluster.experiment.topology import NodeInfo, PodInfo, Topology

TOPOLOGY = Topology(
    nodes=tuple(NodeInfo(name=f"node-{n}", zone="zone-a", host="h") for n in (1, 2, 3)),
    pods=tuple(PodInfo(name=f"web-{n}", node=f"node-{n}") for n in (1, 2, 3)),
)


def plan(*faults: dict[str, Any], seconds: float = 0.6) -> Plan:
    """Of one experiment, with an inject phase of so many seconds after 0.1 s."""
    tree = {
        "name": "test",
        "workload": [{"name": "users", "target": "service/web"}],
        "phases": {"baseline": 0.1, "inject": seconds, "recover": 0.1, "verify": 0.1},
        "limits": {"nodes": "100%", "pods": "100%", "zones": 10},
        "faults": list(faults),
    }
    return expand(from_tree(tree), TOPOLOGY, 1)


def status(**fields: Any) -> Status:
    """A running cluster `lab` of three nodes in two zones."""
    nodes = [_machine(f"node-{n}", "node", zone) for n, zone in ((1, "a"), (2, "b"), (3, "a"))]
    values: dict[str, Any] = {
        "name": "lab",
        "version": "1",
        "packing": "pod",
        "cloud": "aws-nlb",
        "speed": 10.0,
        "api": "",
        "kubernetes": "",
        "dns": "",
        "lab": "",
        "started_s": 0.0,
        "keeper_pid": 1,
        "failure_mode": "imitated",
        "ray_address": "",
        "directory": "",
        "several_hosts": False,
        "machines": tuple(nodes),
        "faults": (),
        "outside": {},
        "published": {},
    }
    return Status(**{**values, **fields})


def _machine(name: str, kind: str, zone: str) -> Machine:
    values: dict[str, Any] = dict.fromkeys(Machine.__dataclass_fields__, "")
    values |= {"name": name, "kind": kind, "zone": f"zone-{zone}", "state": "running", "pid": 1}
    return Machine(**values)


def obj(kind: str, name: str, api_version: str = "v1", **fields: Any) -> Any:
    """An object of the API; `metadata` may add to its name."""
    metadata = {"name": name, "namespace": "default", **fields.pop("metadata", {})}
    found: Object = decode_tree(
        {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}
    )
    return found
