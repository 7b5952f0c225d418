"""Client groups as a file would have them, and a small cluster to resolve them against."""

from __future__ import annotations

from typing import Any

import msgspec

from emucluster.core.quantities import decode_quantity
from emucluster.experiment.spec import ClientGroup
from tests.client.test_calls_targets import CLUSTER, Table, obj


def group(**tree: Any) -> ClientGroup:
    """A group `web` that calls `service/lb`, where nothing else is said."""
    full = {"name": "web", "target": "service/lb", **tree}
    return msgspec.convert(full, ClientGroup, dec_hook=decode_quantity)


def zoned(name: str, zone: str, last: int) -> Any:
    labels = {"topology.kubernetes.io/zone": zone}
    addresses = [{"type": "InternalIP", "address": f"127.16.0.{last}"}]
    return obj("Node", name, metadata={"labels": labels}, status={"addresses": addresses})


def _client_pod() -> Any:
    status = {"phase": "Running", "podIP": "127.32.1.9"}
    spec = {"nodeName": "a-1", "containers": [{"name": "c", "ports": [{"containerPort": 50051}]}]}
    return obj("Pod", "caller", spec=spec, status=status)


ZONES = Table(
    [
        *(found for found in CLUSTER.objects if found.kind != "Node"),
        zoned("a-10", "zone-a", 10),
        zoned("a-1", "zone-a", 1),
        zoned("b-1", "zone-b", 2),
        _client_pod(),
    ]
)
