"""The outside world: clients with addresses of their own, and what they may reach."""

from collections.abc import Callable, Collection
from typing import Any

from emucluster.core.addresses import GATEWAY_PORT, Slice
from emucluster.core.errors import ServiceUnavailable
from emucluster.live.agent import flow_message
from emucluster.live.keeper.belief import Belief, Entrance
from emucluster.live.keeper.machines import Machines
from emucluster.live.keeper.ways_in import FarGateways, PublishedEntrances
from emucluster.live.network import gateway
from emucluster.live.network.flows import FlowLog
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.listener import Listener
from emucluster.live.network.routes import Deny, GatewayDecision, Route
from emucluster.live.network.sockets import Address

NODE_PORTS = range(30000, 32768)
_CLIENTS = 65_000


def outside_route(
    host: str,
    port: int,
    source: str,
    *,
    nodes: Collection[str],
    load_balancers: Collection[str],
    real: Callable[[Address], Address] = lambda address: address,
    bind: str | None = None,
) -> GatewayDecision:
    """What somebody outside the cluster may reach: NodePorts and load balancers, nothing else.

    `real` tells where an address of the cluster is dialled; on other machines, which cannot answer
    to `source`, that happens from `bind`.
    """
    if host in load_balancers:
        return Route((host, port), source=source, hop="edge")
    if host in nodes:
        if port in NODE_PORTS:
            at = real((host, port))
            near = at[0].startswith("127.") or bind is None
            return Route(at, source=source if near else bind, hop="edge")
        return Deny(f"no route from outside: {host}:{port} is not a NodePort (30000-32767)")
    return Deny(
        f"no route from outside to {host}:{port}: only NodePorts and load balancers are reachable"
    )


class OutsideClient:
    """An address outside the cluster, and the gateway that speaks for it."""

    def __init__(self, edge: "Edge", address: str, listener: Listener, label: str) -> None:
        self.address = address
        self.gateway = f"{listener.address[0]}:{listener.address[1]}"
        self.label = label
        self._edge = edge
        self._listener = listener

    def close(self) -> None:
        """Give the address back; what is connected stays so."""
        self._edge.forget(self, self._listener)


class Edge:
    """The outside's way in: one gateway per client, all of whose flows are recorded.

    Addresses go round, so that one that has just been given back is the last to be used again.
    Needs a running event loop.
    """

    def __init__(self, addresses: Slice, machines: Machines, *, bind: str | None = None) -> None:
        self._addresses = addresses
        self._machines = machines
        self._bind = bind
        self._belief: Belief | None = None
        self._published: PublishedEntrances | None = None
        self._far: FarGateways | None = None
        self._forwarding = Forwarding("edge")
        self._clients: dict[str, OutsideClient] = {}
        self._cursor = 0

    def serve_others(self, belief: Belief, bind: str, token: str) -> None:
        """Serve other machines too, at `bind`; `refresh` follows what `belief` says."""
        self._belief = belief
        self._published = PublishedEntrances(self._forwarding, bind, belief.real)
        self._far = FarGateways(self._forwarding, bind, token.encode())

    @property
    def flow_log(self) -> FlowLog:
        """The connections that came in here."""
        return self._forwarding.flows

    @property
    def clients(self) -> int:
        """How many outside clients have an address now."""
        return len(self._clients)

    def refresh(self) -> None:
        """Open and close what nodes, Services and pods have come and gone."""
        if self._belief is None or self._published is None or self._far is None:
            return
        self._published.sync(list(self._belief.entrances()))
        self._far.sync(self._belief.gateways(self._is_far))

    def published(self) -> list[tuple[Entrance, Address]]:
        """What outsiders reach at `--bind`, and where; by name."""
        return sorted(self._published.shown()) if self._published is not None else []

    def _is_far(self, node: str) -> bool:
        machine = self._machines.get(node)
        return machine is not None and not machine.here

    def _real(self, address: Address) -> Address:
        return address if self._belief is None else self._belief.real(address)

    def open(self, label: str) -> OutsideClient:
        """A new client. Raises `ServiceUnavailable` when no address or port is to be had."""
        address = self._next_address()

        def decide(host: str, port: int, _client: Address) -> GatewayDecision:
            return outside_route(
                host,
                port,
                address,
                nodes={machine.address for machine in self._machines.of_kind("node")},
                load_balancers=self._load_balancers(),
                real=self._real,
                bind=self._bind,
            )

        try:
            listener = gateway.listen(self._forwarding, address, GATEWAY_PORT, decide, hop="edge")
        except OSError as error:
            raise ServiceUnavailable(f"outside client: {error}") from error
        client = self._clients[address] = OutsideClient(self, address, listener, label)
        return client

    def _load_balancers(self) -> set[str]:
        found: set[str] = set()
        for machine in self._machines.of_kind("load-balancer"):
            found.update((machine.address, *machine.told.get("addresses", ())))
        return found

    def forget(self, client: OutsideClient, listener: Listener) -> None:
        if self._clients.pop(client.address, None) is not None:
            self._forwarding.close_listener(listener)

    def flows(self, *, since_s: float, address: str | None) -> list[Any]:
        """The edge's flow records, as messages."""
        recent = self._forwarding.flows.recent(since_s=since_s, address=address)
        return [flow_message(flow) for flow in recent]

    async def close(self) -> None:
        """End all clients and their connections."""
        for client in list(self._clients.values()):
            client.close()
        await self._forwarding.aclose()

    def _next_address(self) -> str:
        for _ in range(_CLIENTS):
            self._cursor = self._cursor % _CLIENTS + 1
            address = self._addresses.outside_client(self._cursor)
            if address not in self._clients:
                return address
        raise ServiceUnavailable(f"all {_CLIENTS} addresses of outside clients are in use")
