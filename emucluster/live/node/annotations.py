"""What a node says about itself where its own addresses mean nothing: on other machines.

Every address of 127.0.0.0/8 is each machine's own. A node that has such an address therefore binds
ports of its machine's address too, which the kernel chooses, and writes them into its Node. They
are the ground under the cluster, as a cloud's fabric is, and no part of what Kubernetes emulates.
"""

from collections.abc import Mapping

from emucluster.live.network.sockets import Address

TUNNEL = "emucluster.dev/tunnel"
"""`host:port` of a node's tunnel where that is not its InternalIP at 6081."""
GATEWAYS = "emucluster.dev/gateways"
"""`host:port` at which the keeper's machine reaches the gateways of this node and its pods."""
PUBLISHED = "emucluster.dev/published"
"""`30080=host:port,...`: where the ports of the node's address are reached from other machines."""


def encode_ports(ports: Mapping[int, Address]) -> str:
    """The text of PUBLISHED, by port."""
    return ",".join(f"{port}={ip}:{at}" for port, (ip, at) in sorted(ports.items()))


def decode_ports(text: str) -> dict[int, Address]:
    """The inverse of `encode_ports`; whatever is no such entry is left out."""
    found: dict[int, Address] = {}
    for entry in text.split(","):
        port, _, place = entry.partition("=")
        at = decode_address(place)
        if at is not None and port.isdigit():
            found[int(port)] = at
    return found


def decode_address(text: str) -> Address | None:
    """`host:port`; None for anything else."""
    host, _, port = text.rpartition(":")
    return (host, int(port)) if host and port.isdigit() else None
