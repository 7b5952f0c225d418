"""Whether a running cluster is the one that an experiment wants."""

from __future__ import annotations

from emucluster.client.lab import Status
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


def check_fit(label: str, cluster: Cluster, status: Status) -> None:
    """Raise UsageError naming the first field in which a running cluster differs.

    `name`, `pods`, `standIn`, `kubeProxyMode`, `fsync`, `rayAddress` and `bind` are not compared:
    the running one has its own.
    """
    nodes = [machine for machine in status.machines if machine.kind == "node"]
    wanted_zones = options(cluster).zone_names[: cluster.nodes]
    for field, wanted, found in (
        ("nodes", cluster.nodes, len(nodes)),
        ("zones", ", ".join(wanted_zones), ", ".join(sorted({n.zone for n in nodes}))),
        ("cloud", cluster.cloud, status.cloud),
        ("packing", cluster.packing, status.packing),
        ("speed", f"{cluster.speed:g}", f"{status.speed:g}"),
    ):
        if wanted != found:
            raise UsageError(
                f"{label}: cluster.{field}: the experiment wants {wanted}, and cluster "
                f'"{status.name}" has {found}; run it without --cluster, or change one of them'
            )
    for name, address in cluster.outside.items():
        if status.outside.get(name) != address:
            raise UsageError(
                f"{label}: cluster.outside.{name}: the experiment wants {address}, and cluster "
                f'"{status.name}" has {status.outside.get(name, "none")}'
            )
