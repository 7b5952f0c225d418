"""What the API server says of nodes, Services and pods, for the world outside the cluster.

The edge publishes by it, and load balancers learn where targets on other machines are reached. Who
is alive is nobody's business here: everybody learns that by his own sockets.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from emucluster.core.addresses import GATEWAY_PORT, node_gateway
from emucluster.core.objects import Node, Object, Pod, Service
from emucluster.live.network.sockets import Address
from emucluster.live.node import annotations
from emucluster.live.node.informer import Informer
from emucluster.live.rpc.channel import connect_aio

KINDS = ("Node", "Pod", "Service")


@dataclass(frozen=True, slots=True)
class NodePlace:
    """Where a node is: its address, and what it announced for other machines."""

    address: str
    gateway: str
    published: Mapping[int, Address]
    gateways: Address | None


@dataclass(frozen=True, slots=True, order=True)
class Entrance:
    """A nodePort of a node, or a port of a load balancer: what outsiders may reach."""

    name: str
    """`node-1:30080`, or `lb/default/web-lb:8080`."""
    address: Address


class Belief:
    """Follows the API server; `on_change` is called after each change, and once all is known."""

    def __init__(self, api: str, token: str, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._channel = connect_aio(api)
        self._nodes: dict[str, NodePlace] = {}
        self._services: dict[tuple[str, str], Service] = {}
        self._pods: dict[tuple[str, str], tuple[str, str]] = {}
        self._informer = Informer(
            self._channel,
            token,
            KINDS,
            node_name="",
            on_event=self._take,
            on_listed=on_change,
            rng=random.Random(),
        )

    def start(self) -> None:
        """Begin to follow."""
        self._informer.start()

    async def stop(self) -> None:
        """Follow no more."""
        await self._informer.stop()
        await self._channel.close()

    def node(self, name: str) -> NodePlace | None:
        return self._nodes.get(name)

    def real(self, address: Address) -> Address:
        """What to dial for an address of the cluster: itself, or where its node publishes it."""
        for place in self._nodes.values():
            if place.address == address[0]:
                return place.published.get(address[1], address)
        return address

    def entrances(self) -> Iterator[Entrance]:
        """Everything that outsiders may reach."""
        for (namespace, name), service in self._services.items():
            for port in service.spec.ports:
                for node, place in self._nodes.items() if port.node_port else ():
                    assert port.node_port is not None
                    at = (place.address, port.node_port)
                    yield Entrance(f"{node}:{port.node_port}", at)
                balancer = service.status.load_balancer
                for ingress in balancer.ingress if balancer is not None else ():
                    if ingress.ip:
                        at = (ingress.ip, port.port)
                        yield Entrance(f"lb/{namespace}/{name}:{port.port}", at)

    def gateways(self, far: Callable[[str], bool]) -> dict[Address, Address]:
        """Gateways of nodes that are `far`, and of their pods; and through where they are reached.

        Far: on another machine than the keeper's.
        """
        doors = {name: p.gateways for name, p in self._nodes.items() if p.gateways and far(name)}
        found = {(self._nodes[name].gateway, GATEWAY_PORT): door for name, door in doors.items()}
        for node, ip in self._pods.values():
            if node in doors:
                found[ip, GATEWAY_PORT] = doors[node]
        return found

    def _take(self, type_: str, obj: Object, _old: Object | None) -> None:
        gone = type_ == "DELETED"
        key = (obj.metadata.namespace, obj.metadata.name)
        if isinstance(obj, Node):
            self._nodes.pop(obj.metadata.name, None)
            place = None if gone else _place(obj)
            if place is not None:
                self._nodes[obj.metadata.name] = place
        elif isinstance(obj, Service):
            self._services.pop(key, None)
            if not gone:
                self._services[key] = obj
        elif isinstance(obj, Pod):
            self._pods.pop(key, None)
            if not gone and obj.spec.node_name and obj.status.pod_ip and not _is_over(obj):
                self._pods[key] = (obj.spec.node_name, obj.status.pod_ip)
        if self._informer.version is not None:
            self._on_change()


def _place(node: Node) -> NodePlace | None:
    addresses = node.status.addresses if node.status else ()
    address = next((a.address for a in addresses if a.type == "InternalIP"), None)
    if address is None:
        return None
    notes = node.metadata.annotations or {}
    cidr = node.spec.pod_cidr if node.spec and node.spec.pod_cidr else ""
    return NodePlace(
        address,
        node_gateway(address, cidr) if cidr else address,
        annotations.decode_ports(notes.get(annotations.PUBLISHED, "")),
        annotations.decode_address(notes.get(annotations.GATEWAYS, "")),
    )


def _is_over(pod: Pod) -> bool:
    return pod.status.phase in ("Succeeded", "Failed")
