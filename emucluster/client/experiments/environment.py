"""Where and how a run took place."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

from emucluster import __version__
from emucluster.client.lab import Status
from emucluster.experiment.rig import Environment

_PACKAGES = ("ray", "grpcio", "protobuf", "uvloop")


def local_cores() -> float:
    """Processors that this process, and so those of a cluster of its own, may use."""
    return float(len(os.sched_getaffinity(0)))


def environment_of(status: Status, *, cores: float) -> Environment:
    """What is known before a trial; what is measured is added by each."""
    hosts = {machine.host for machine in status.machines if machine.kind == "node"}
    return Environment(
        versions={
            "emucluster": __version__,
            "python": platform.python_version(),
            "kernel": platform.release(),
            **{package: version(package) for package in _PACKAGES},
        },
        cores=cores,
        hosts=max(1, len(hosts)),
        packing=status.packing,
        cloud=status.cloud,
        speed=status.speed,
        failure_mode=status.failure_mode,
        data_path=_data_path(status, len(hosts)),
    )


def _data_path(status: Status, hosts: int) -> str:
    pods = (
        "each pod a process of its own"
        if status.packing == "pod"
        else "pods inside their node's process"
    )
    between = f"; tunnels between {hosts} hosts" if hosts > 1 else ""
    return (
        "gRPC over TCP: client, edge or gateway, load balancer where the Service has one, and the "
        f"kube-proxy of each node it passes, all forwarders in user space; {pods}{between}"
    )
