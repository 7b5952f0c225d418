"""The machine room, typed: what really exists, faults, flows, and the world outside."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from emucluster.client.connection import Connection
from emucluster.client.path import Address, Hop
from emucluster.core.errors import Unreachable
from emucluster.live.rpc.pb import lab_pb2, lab_pb2_grpc


@dataclass(frozen=True, slots=True)
class Machine:
    """A process of the cluster as it really is, which nobody in the cluster is told.

    Attributes:
        kind: node, load-balancer, control-plane or keeper.
        agent: host:port of its Agent; of the Api for the control plane.
        host: the Ray host that it runs on.
        state: running, starting, stopped (by SIGSTOP; seen on the keeper's host only) or gone.
    """

    name: str
    kind: str
    address: str
    agent: str
    pid: int
    zone: str
    host: str
    state: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure put upon one target; the target ends it by itself.

    Attributes:
        injected_s, ends_s: wall clock, seconds since the epoch; ends_s None: until cleared.
        mechanism: how it is done: `kernel filter`, `imitated`, `SIGKILL`, `SIGSTOP`, ...
        state: `in force` or `ended`.
    """

    id: str
    kind: str
    target: str
    injected_s: float
    ends_s: float | None
    mechanism: str
    state: str


@dataclass(frozen=True, slots=True)
class Status:
    """The cluster as the keeper knows it.

    Attributes:
        outside: declared outside names and the ADDR:PORT they are at.
        published: with `--bind`, what other machines reach (`node-1:30080`, `lb/default/web:80`)
            and the host:port at which they do.
    """

    name: str
    version: str
    packing: str
    cloud: str
    speed: float
    api: str
    dns: str
    lab: str
    started_s: float
    keeper_pid: int
    failure_mode: str
    ray_address: str
    directory: str
    several_hosts: bool
    machines: tuple[Machine, ...]
    faults: tuple[Fault, ...]
    outside: Mapping[str, str]
    published: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Flows:
    """Flow records, and the hosts that did not answer when asked for theirs."""

    hops: tuple[Hop, ...]
    silent: tuple[str, ...]


class OutsideAddress:
    """An outside client's address and gateway, held as long as this is open."""

    def __init__(self, replies: Iterator[Any]) -> None:
        self._replies = replies
        try:
            first = next(replies)
        except StopIteration:
            raise Unreachable("the edge gave no address for an outside client") from None
        self.address: str = first.address
        self.gateway: str = first.gateway

    def close(self) -> None:
        """Give the address back."""
        close = getattr(self._replies, "close", None)
        if close is not None:
            close()


class LabClient:
    """Talks to the keeper. Every method raises Unreachable when it does not answer."""

    def __init__(self, address: str, token: str) -> None:
        self._connection = Connection("the cluster's keeper", address, token)
        self._stub = self._connection.stub(lab_pb2_grpc.LabStub)

    def close(self) -> None:
        self._connection.close()

    def status(self) -> Status:
        """What exists now."""
        return _status(self._connection.call(self._stub.Status, lab_pb2.StatusRequest()))

    def inject(self, kind: str, target: str, for_s: float | None = None) -> Fault:
        """Put a fault upon `target` for `for_s` seconds, or until cleared.

        It is in force when this returns, or `ended` if it is over at once.
        """
        request = lab_pb2.FaultRequest(kind=kind, target=target)
        if for_s is not None:
            request.duration_s = for_s
        return _fault(self._connection.call(self._stub.InjectFault, request))

    def faults(self) -> list[Fault]:
        """All faults that are in force."""
        reply = self._connection.call(self._stub.ListFaults, lab_pb2.ListFaultsRequest())
        return [_fault(fault) for fault in reply.faults]

    def clear_faults(self, id: str | None = None) -> list[Fault]:
        """End the fault `id`, or all; returns those that it ended."""
        request = lab_pb2.ClearFaultsRequest(id=id or "", all=id is None)
        reply = self._connection.call(self._stub.ClearFaults, request)
        return [_fault(fault) for fault in reply.faults]

    def flows(self, *, since_s: float = 0.0, address: str = "", limit: int = 0) -> Flows:
        """Flow records of all hosts.

        Args:
            since_s: wall clock; only flows that were open at or after it.
            address: an IP or IP:port; only flows of which it is an end. Empty: all.
            limit: at most so many of each host, the newest; 0: all that are kept.
        """
        request = lab_pb2.FlowsRequest(since_s=since_s, address=address, limit=limit)
        reply = self._connection.call(self._stub.Flows, request)
        return Flows(tuple(hop_of(flow) for flow in reply.flows), tuple(reply.silent))

    def logs(
        self,
        pod: str,
        *,
        namespace: str = "default",
        container: str = "",
        node: str = "",
        tail: int | None = None,
        previous: bool = False,
        follow: bool = False,
    ) -> Generator[bytes, None, None]:
        """Standard output and error of a pod, in pieces; `follow` goes on until closed."""
        request = lab_pb2.LogsRequest(
            namespace=namespace,
            pod=pod,
            container=container,
            node=node,
            tail=-1 if tail is None else tail,
            previous=previous,
            follow=follow,
        )
        timeout_s = None if follow else 60.0
        for chunk in self._connection.stream(self._stub.Logs, request, timeout_s=timeout_s):
            yield chunk.data

    def open_client(self, label: str = "") -> OutsideAddress:
        """A new outside client: an address of its own, until closed."""
        request = lab_pb2.OpenClientRequest(label=label)
        return OutsideAddress(self._connection.stream(self._stub.OpenClient, request))


class AgentClient:
    """Asks one node or load balancer about itself."""

    def __init__(self, machine: Machine, token: str) -> None:
        self._connection = Connection(machine.name, machine.agent, token)
        self._stub = self._connection.stub(lab_pb2_grpc.AgentStub)

    def close(self) -> None:
        self._connection.close()

    def describe(self, *, timeout_s: float = 2.0) -> bytes:
        """The JSON of what it believes: versions seen, targets and their health."""
        request = lab_pb2.DescribeRequest()
        reply = self._connection.call(self._stub.Describe, request, timeout_s=timeout_s)
        return bytes(reply.json)


def _status(reply: Any) -> Status:
    return Status(
        name=reply.name,
        version=reply.version,
        packing=reply.packing,
        cloud=reply.cloud,
        speed=reply.speed,
        api=reply.api,
        dns=reply.dns,
        lab=reply.lab,
        started_s=reply.started_wall_s,
        keeper_pid=reply.keeper_pid,
        failure_mode=reply.failure_mode,
        ray_address=reply.ray_address,
        directory=reply.directory,
        several_hosts=reply.several_hosts,
        machines=tuple(_machine(m) for m in reply.machines),
        published=dict(sorted(reply.published.items())),
        faults=tuple(_fault(fault) for fault in reply.faults),
        outside=dict(reply.outside),
    )


def _machine(machine: Any) -> Machine:
    return Machine(
        name=machine.name,
        kind=machine.kind,
        address=machine.address,
        agent=machine.agent,
        pid=machine.pid,
        zone=machine.zone,
        host=machine.host,
        state=machine.state,
    )


def _fault(fault: Any) -> Fault:
    return Fault(
        id=fault.id,
        kind=fault.kind,
        target=fault.target,
        injected_s=fault.injected_wall_s,
        ends_s=fault.ends_wall_s if fault.HasField("ends_wall_s") else None,
        mechanism=fault.mechanism,
        state=fault.state,
    )


def hop_of(flow: Any) -> Hop:
    """The record of one hop, from the message that crosses processes."""
    return Hop(
        id=flow.id,
        kind=flow.hop,
        host=flow.host,
        service=flow.service,
        endpoint=flow.endpoint,
        in_peer=(flow.in_peer.ip, flow.in_peer.port),
        in_local=(flow.in_local.ip, flow.in_local.port),
        out_local=_end(flow, "out_local"),
        out_peer=_end(flow, "out_peer"),
        start_s=flow.start_s,
        end_s=flow.end_s if flow.HasField("end_s") else None,
        bytes_in=flow.bytes_in,
        bytes_out=flow.bytes_out,
        closed_by=flow.closed_by,
        how=flow.how,
        reason=flow.reason,
        asked=flow.asked,
        cluster_ip=flow.cluster_ip,
    )


def _end(flow: Any, field: str) -> Address | None:
    if not flow.HasField(field):
        return None
    endpoint = getattr(flow, field)
    return (endpoint.ip, endpoint.port) if endpoint.ip else None
