"""Which address belongs to whom, on one machine.

Linux lets any process bind any address of 127.0.0.0/8 without privileges, so every node, pod,
load balancer and outside client has one of its own. Clusters on one machine take different
slices. ClusterIPs are virtual: nobody binds them.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

SLICES = 8
NODES_MAX = 1000
CONTROL_PLANES = 126 * 254
"""Addresses of a slice that its control plane may have."""

SERVICE_CIDR = "10.96.0.0/12"
KUBERNETES_SERVICE_IP = "10.96.0.1"
DNS_SERVICE_IP = "10.96.0.10"
POD_RANGE = "127.32.0.0/11"
"""All slices' pods; EndpointSlices may hold these loopback addresses, and no others."""

KUBE_API_PORT = 6443
"""HTTPS: for kubectl and the clients of Kubernetes."""
API_PORT = 7444
"""gRPC: for nodes, our own command line and Python."""
LAB_PORT = 7443
DNS_PORT = 1053
AGENT_PORT = 10250
HEALTHZ_PORT = 10256
PROXY_METRICS_PORT = 10249
"""kube-proxy's metrics."""
KUBELET_READ_ONLY_PORT = 10255
METRICS_PORT = 9464
"""What the machine room tells of a machine, whatever state that is in."""
TUNNEL_PORT = 6081
GATEWAY_PORT = 15001

CLUSTER_DOMAIN = "cluster.local"


def node_gateway(address: str, pod_cidr: str) -> str:
    """Where the gateway of a node itself is served: at its address, unless others reach that.

    A node with a machine's own address serves it at the first address of its pod range, for a
    gateway asks nobody who he is: it is for processes of the same machine alone.
    """
    own = address.startswith("127.") or not pod_cidr
    return address if own else f"{pod_cidr.rsplit('.', 1)[0]}.1"


@dataclass(frozen=True, slots=True)
class Slice:
    """The addresses of one cluster; `index` is 0 to 7.

    Nodes 127.(16+i).0.0/16 from below, and in its upper half the control plane; pods
    127.(32+4i).0.0/14, outside clients 127.(224+i).0.0/16, load balancers 127.(240+i).0.0/16.
    """

    index: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < SLICES:
            raise ValueError(f"slice: must be between 0 and {SLICES - 1}, got {self.index}")

    def node(self, number: int) -> str:
        """Address of node-`number`, from 1: `127.16.0.1` is node-1 of slice 0."""
        return f"127.{16 + self.index}.{number >> 8}.{number & 255}"

    def pod_cidr(self, number: int) -> str:
        """The /24 of node-`number`'s pods."""
        base = int(IPv4Address(f"127.{32 + 4 * self.index}.0.0")) + (number << 8)
        return f"{IPv4Address(base)}/24"

    @property
    def pods(self) -> IPv4Network:
        return IPv4Network(f"127.{32 + 4 * self.index}.0.0/14")

    @property
    def nodes(self) -> IPv4Network:
        return IPv4Network(f"127.{16 + self.index}.0.0/16")

    @property
    def load_balancers(self) -> IPv4Network:
        return IPv4Network(f"127.{240 + self.index}.0.0/16")

    @property
    def outside_clients(self) -> IPv4Network:
        return IPv4Network(f"127.{224 + self.index}.0.0/16")

    def control_plane(self, number: int) -> str:
        """The control plane of a cluster whose draw is `number`, from 0 to CONTROL_PLANES - 1.

        Clients of Kubernetes keep for hours what they learned of a server, by its address and
        port, so that a cluster must not be where another one was. Nodes' addresses end at
        127.x.3.232; the last 256 are for `keeper`.
        """
        if not 0 <= number < CONTROL_PLANES:
            raise ValueError(f"control plane: must be between 0 and {CONTROL_PLANES - 1}")
        return f"127.{16 + self.index}.{128 + number // 254}.{1 + number % 254}"

    @property
    def keeper(self) -> str:
        return f"127.{16 + self.index}.255.2"

    def load_balancer(self, number: int) -> str:
        return str(self.load_balancers[number])

    def outside_client(self, number: int) -> str:
        return str(self.outside_clients[number])
