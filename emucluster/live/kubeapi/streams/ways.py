"""Ways from the API server to nodes, and through them to pods.

All go by a node's tunnel and by the links of the control plane, so that whatever befalls the node
or the link befalls them: a machine without power answers nobody, not even `kubectl logs`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc.aio

from emucluster.core.addresses import AGENT_PORT, TUNNEL_PORT
from emucluster.core.errors import ApiError, EmuclusterError, InternalError
from emucluster.core.objects import Node
from emucluster.core.routing.node_routing import internal_ip
from emucluster.live.network.dialer import DialError, Refused, TimedOut, Unreachable
from emucluster.live.network.flows import How
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.listener import Listener
from emucluster.live.network.pipe import Connection
from emucluster.live.network.routes import Route, Tunnel
from emucluster.live.network.sockets import Address, reset_on_close
from emucluster.live.node import annotations as node_notes
from emucluster.live.rpc.channel import connect_aio, credentials
from emucluster.live.rpc.errors import translate
from emucluster.live.rpc.pb import lab_pb2_grpc

DIAL_TIMEOUT_S = 5.0
"""For a node to answer; as kube-apiserver's --kubelet-timeout."""
PING_AFTER_S, PING_TIMEOUT_S = 10.0, 5.0
"""A node that falls silent in the midst of a stream is noticed after as long."""

Result = TypeVar("Result")


class NotReached(Exception):
    """There is no way now. `refused`: somebody is there, and says so."""

    def __init__(self, why: str, *, refused: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.refused = refused


@dataclass(slots=True)
class _Way:
    """One connection that is about to be made. `outcome` is its end, once that is known."""

    address: Address
    outcome: asyncio.Future[DialError | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class AgentCalls:
    """The Agent of one node, over a connection of its own."""

    def __init__(self, channel: grpc.aio.Channel, token: str, way: _Way, node: Address) -> None:
        """`node`: its own address, and the port of its Agent."""
        self.stub: Any = lab_pb2_grpc.AgentStub(channel)
        self.metadata = credentials(token)
        self._way = way
        self._node = node

    async def ask(self, answer: Awaitable[Result]) -> Result:
        """What a call answers; errors are the Agent's own, or that it cannot be reached.

        Raises ApiError.
        """
        try:
            return await answer
        except grpc.aio.AioRpcError as error:
            raise self.error(error) from error

    def error(self, error: grpc.aio.AioRpcError, *, getting: str = "") -> EmuclusterError:
        """What went wrong, in the API server's words.

        Args:
            getting: path and query of what is got from the kubelet; empty: the connection is to be
                upgraded. When the kubelet cannot be reached, the words differ.
        """
        carried = translate(error)
        if carried is not None:
            return carried
        outcome = self._way.outcome
        failed = outcome.result() if outcome.done() else None
        why = dialled(self._node, failed) if failed is not None else ""
        why = why or error.details() or error.code().name
        if getting:  # as Go's net/http says it; upstream gives no reason then
            return ApiError(f'Get "https://{self._node[0]}:{self._node[1]}{getting}": {why}')
        return InternalError(f"error dialing backend: {why}")


def dialled(address: Address, error: DialError) -> str:
    """How a dial failed, as Go's net package says it."""
    target = f"dial tcp {address[0]}:{address[1]}"
    if isinstance(error, TimedOut):
        return f"{target}: i/o timeout"
    if isinstance(error, Refused):
        return f"{target}: connect: connection refused"
    return f"{target}: {error.reason}"


class Ways:
    """Opens them. `inner` is a loopback address of the control plane's own; `address` the one from
    which it dials nodes on this machine.
    """

    def __init__(self, forwarding: Forwarding, *, inner: str, address: str, token: str) -> None:
        self._forwarding = forwarding
        self._inner = inner
        self._address = address
        self._token = token

    @contextlib.asynccontextmanager
    async def agent(self, node: Node) -> AsyncIterator[AgentCalls]:
        """The Agent of a node; the connection is made by the first call. Raises InternalError."""
        ip, tunnel = self._whereabouts(node)
        with self._way(self._route((ip, AGENT_PORT), ip, tunnel)) as way:
            options = {
                "grpc.keepalive_time_ms": int(1000 * PING_AFTER_S),
                "grpc.keepalive_timeout_ms": int(1000 * PING_TIMEOUT_S),
                "grpc.http2.max_pings_without_data": 0,
                "grpc.http2.ping_timeout_ms": int(1000 * PING_TIMEOUT_S),
                "grpc.enable_retries": 0,
                # How long gRPC waits for a connection, too; the way itself gives up before.
                "grpc.min_reconnect_backoff_ms": int(4000 * DIAL_TIMEOUT_S),
            }
            channel = connect_aio(f"{way.address[0]}:{way.address[1]}", options)
            try:
                yield AgentCalls(channel, self._token, way, (ip, AGENT_PORT))
            finally:
                await channel.close(None)

    async def to_pod(
        self, node: Node, ip: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to a container port of a pod. Raises NotReached."""
        try:
            own_ip, tunnel = self._whereabouts(node)
        except InternalError as error:
            raise NotReached(error.message) from None
        with self._way(self._route((ip, port), own_ip, tunnel)) as way:
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            try:
                await asyncio.get_running_loop().sock_connect(sock, way.address)
                failed = await way.outcome
            except BaseException:
                sock.close()
                raise
        if failed is not None:
            sock.close()
            refused = isinstance(failed, Refused) and tunnel[0] not in failed.reason
            where = (ip, port) if refused else (own_ip, AGENT_PORT)
            raise NotReached(dialled(where, failed), refused=refused)
        return await asyncio.open_connection(sock=sock)

    def _whereabouts(self, node: Node) -> tuple[str, Address]:
        """A node's own address, and where its tunnel is. Raises InternalError."""
        ip = internal_ip(node)
        if ip is None:
            raise InternalError(f"no preferred addresses found for node {node.metadata.name}")
        notes = node.metadata.annotations or {}
        announced = node_notes.decode_address(notes.get(node_notes.TUNNEL, ""))
        return ip, announced or (ip, TUNNEL_PORT)

    def _route(self, destination: Address, node_ip: str, tunnel: Address) -> Route:
        """As the kubelet's own: what arrives in a pod comes from its node."""
        near = tunnel[0].startswith("127.") == self._address.startswith("127.")
        return Route(
            destination,
            source=node_ip,
            via=Tunnel(tunnel, self._token.encode(), source=self._address if near else None),
            hop="tunnel",
            dial_timeout_s=DIAL_TIMEOUT_S,
        )

    @contextlib.contextmanager
    def _way(self, route: Route) -> Any:
        """A listener for one connection, which goes where `route` says."""

        def accepted(sock: socket.socket, client: Address, local: Address) -> None:
            connection = self._forwarding.admit(sock, client, local, hop=route.hop, record=False)
            if connection is None:
                _tell(way.outcome, Unreachable("too many connections"))
                return
            connection.speaks_for(self._address)
            self._forwarding.run(connection, self._lead(connection, route, way))

        listener = Listener(self._inner, 0, accepted)
        self._forwarding.add_listener(listener, linked=False)
        way = _Way(listener.address)
        try:
            yield way
        finally:
            self._forwarding.close_listener(listener)

    async def _lead(self, connection: Connection, route: Route, way: _Way) -> None:
        try:
            server = await self._forwarding.open_far_side(connection, route)
        except DialError as error:
            _tell(way.outcome, error)
            how: How = "timeout" if isinstance(error, TimedOut) else "refused"
            connection.reset(how, "server", error.reason)
        else:
            _tell(way.outcome, None)
            await connection.pipe(server)
        finally:
            _tell(way.outcome, Unreachable("reset"))  # by a fault, before it was decided


def cut_off(writer: asyncio.StreamWriter) -> None:
    """End a connection by RST: nobody is there any more to whom the pod could talk."""
    reset_on_close(writer.get_extra_info("socket"))
    writer.transport.abort()


def _tell(outcome: asyncio.Future[DialError | None], error: DialError | None) -> None:
    if not outcome.done():
        outcome.set_result(error)
