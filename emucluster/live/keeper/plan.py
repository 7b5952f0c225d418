"""What each actor is told: names, addresses, zones and hosts. Pure: no Ray, no sockets.

On one machine everybody has an address of his own in 127.0.0.0/8, and the control plane one that
clusters before had not (see `Slice.control_plane`). On several, what others must
reach is at machines' addresses: Lab, Api and DNS at `--bind`; a node that has its machine to itself
at its machine's address, as in a real cluster. Nodes that share a machine, and load balancers, keep
their addresses in 127.0.0.0/8, by which the cluster knows them; the former publish what others need
(see `live.node.annotations`), the latter are beside the edge, which publishes what
outsiders may reach.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emucluster.core.addresses import API_PORT, DNS_PORT, LAB_PORT, Slice
from emucluster.live.keeper.ray_head import Host
from emucluster.live.keeper.settings import KeeperSettings

HOST_DNS_PORT = 10053
"""The control plane's DNS at `--bind`, where a node that has the machine to itself has 1053."""


def lab_bind(settings: KeeperSettings, *, several_hosts: bool) -> tuple[str, int]:
    """Where the keeper serves `Lab`: an address of its own on one machine, `--bind` on several."""
    if several_hosts:
        return settings.bind or "127.0.0.1", LAB_PORT
    return Slice(settings.slice).keeper, LAB_PORT


def control_plane(settings: KeeperSettings, *, lab: str, several_hosts: bool) -> dict[str, Any]:
    """The control plane's config; it always runs on the keeper's host, beside its database."""
    address = settings.bind if several_hosts else None
    return {
        **_shared(settings, several_hosts=several_hosts),
        "directory": str(Path(settings.directory) / "control-plane"),
        "lab": lab,
        "inner": settings.control_plane,
        "address": address or settings.control_plane,
        "api_port": API_PORT,
        "dns_port": HOST_DNS_PORT if several_hosts else DNS_PORT,
        "fsync": settings.fsync,
        "cloud": settings.cloud,
        "zones": settings.zones,
        "nodes": settings.nodes,
        "crowd": settings.nodes,
        "ray_address": settings.ray_address,
    }


def nodes(
    settings: KeeperSettings, hosts: Sequence[Host], *, lab: str
) -> list[tuple[Host, dict[str, Any]]]:
    """One config per node with the host it runs on; `api` is added once it is known.

    Nodes go round the hosts. On several hosts zones follow hosts, and a node that has its host to
    itself takes the host's address; else a node has an address of its own in 127.0.0.0/8.
    """
    places = [hosts[(number - 1) % len(hosts)] for number in range(1, settings.nodes + 1)]
    crowd = Counter(host.ray_id for host in places)
    return [
        (host, _node(settings, number, host, hosts, lab, crowd=crowd[host.ray_id]))
        for number, host in enumerate(places, start=1)
    ]


def _node(
    settings: KeeperSettings,
    number: int,
    host: Host,
    hosts: Sequence[Host],
    lab: str,
    *,
    crowd: int,
) -> dict[str, Any]:
    addresses = Slice(settings.slice)
    several = len(hosts) > 1
    alone = several and crowd == 1
    name = f"node-{number}"
    machine_address = (settings.bind or host.address) if host.here else host.address
    zone_index = hosts.index(host) if several else number - 1
    return {
        **_shared(settings, several_hosts=several),
        "number": number,
        "name": name,
        "zone": settings.zones[zone_index % len(settings.zones)],
        "address": machine_address if alone else addresses.node(number),
        "machine_address": machine_address if several else "",
        "publish": several and not alone,
        **({"tunnel": f"{machine_address}:0"} if several and not alone else {}),
        "pod_cidr": addresses.pod_cidr(number),
        "directory": _directory(settings, name, host),
        "remove_directory": not host.here,
        "lab": lab,
        "host": host.address,
        "crowd": crowd,
        "stand_in": settings.stand_in,
        "kube_proxy_mode": settings.kube_proxy_mode,
    }


def load_balancer(
    settings: KeeperSettings, *, namespace: str, service: str, address: str, several_hosts: bool
) -> dict[str, Any]:
    """A load balancer's config, without its spec, which follows by `ConfigureLoadBalancer`."""
    return {
        **_shared(settings, several_hosts=several_hosts),
        "namespace": namespace,
        "service": service,
        "address": address,
        "directory": str(Path(settings.directory) / "lb" / f"{namespace}.{service}"),
        "preset": settings.cloud,
        "machine_address": settings.bind if several_hosts else "",
    }


def _directory(settings: KeeperSettings, name: str, host: Host) -> str:
    """Other hosts do not have the instance's directory, so nodes there bring and remove one."""
    if host.here:
        return str(Path(settings.directory) / "nodes" / name)
    mark = hashlib.sha256(settings.token.encode()).hexdigest()[:8]
    return f"/tmp/emu-{settings.name}-{mark}-{name}"


def _shared(settings: KeeperSettings, *, several_hosts: bool) -> dict[str, Any]:
    return {
        "cluster": settings.name,
        "slice": settings.slice,
        "token": settings.token,
        "speed": settings.speed,
        "packing": settings.packing,
        "outside": settings.outside,
        "several_hosts": several_hosts,
    }
