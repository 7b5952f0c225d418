"""Whether a running cluster is the one that an experiment wants."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from msgspec.structs import replace

from emucluster.client.lab import Machine, Status
from emucluster.client.options import StartOptions
from emucluster.core.errors import UsageError
from emucluster.experiment.spec import Cluster


def options(cluster: Cluster, *, name: str | None = None) -> StartOptions:
    """How the cluster of an experiment is started. Raises UsageError."""
    return StartOptions(
        name=name or cluster.name,
        nodes=cluster.nodes,
        zones=cluster.zones,
        cloud=cluster.cloud,
        packing=cluster.packing,
        speed=cluster.speed,
        outside=cluster.outside,
        stand_in=cluster.stand_in,
        kube_proxy_mode=cluster.kube_proxy_mode,
        fsync=cluster.fsync,
        pods=cluster.pods,
        ray_address=cluster.ray_address,
        bind=cluster.bind,
    )


def fitted(label: str, cluster: Cluster, stated: Collection[str], status: Status) -> Cluster:
    """The cluster that runs, in the words of an experiment that states these fields of its own.

    Raises UsageError naming every stated field in which the running cluster differs. `name`,
    `pods`, `standIn`, `kubeProxyMode`, `fsync`, `rayAddress` and `bind` are not compared: the
    running one has its own.
    """
    found = filled(cluster, stated, status)
    wrong = list(_differences(found, stated, status))
    if wrong:
        raise UsageError(
            f'{label}: cluster "{status.name}" is not the one that the experiment wants: '
            f"{'; '.join(wrong)}; run it without --cluster, or change one of them"
        )
    return found


def filled(cluster: Cluster, stated: Collection[str], status: Status) -> Cluster:
    """The cluster with what the running one has, wherever it states nothing."""
    nodes = _nodes(status)
    has = {
        "nodes": len(nodes),
        "zones": _zones(nodes),
        "cloud": status.cloud,
        "packing": status.packing,
        "speed": status.speed,
        "outside": dict(status.outside),
    }
    return replace(cluster, **{name: v for name, v in has.items() if name not in stated})


def _differences(wanted: Cluster, stated: Collection[str], status: Status) -> Iterator[str]:
    nodes = _nodes(status)
    zones = options(wanted).zone_names[: wanted.nodes]
    for field, asked, found in (
        ("nodes", f"{wanted.nodes}", f"{len(nodes)}"),
        ("zones", ", ".join(zones), ", ".join(_zones(nodes))),
        ("cloud", wanted.cloud, status.cloud),
        ("packing", wanted.packing, status.packing),
        ("speed", f"{wanted.speed:g}", f"{status.speed:g}"),
    ):
        if field in stated and asked != found:
            yield f"cluster.{field}: wants {asked}, has {found}"
    for name, address in wanted.outside.items():
        found = status.outside.get(name, "none")
        if address != found:
            yield f"cluster.outside.{name}: wants {address}, has {found}"


def _nodes(status: Status) -> list[Machine]:
    return [machine for machine in status.machines if machine.kind == "node"]


def _zones(nodes: Sequence[Machine]) -> list[str]:
    return sorted({node.zone for node in nodes})
