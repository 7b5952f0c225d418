"""The machine room, typed: what really exists, faults, flows, and the world outside."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from emucluster.client.connection import Connection
from emucluster.client.fault_request import FaultRequest
from emucluster.client.observations import Observations
from emucluster.client.path import Address, Hop
from emucluster.client.rig import Rig, rig_of
from emucluster.core.errors import Unreachable
from emucluster.core.faults.witness import End
from emucluster.live.rpc.pb import lab_pb2, lab_pb2_grpc


@dataclass(frozen=True, slots=True)
class Machine:
    """A process of the cluster as it really is, which nobody in the cluster is told.

    Attributes:
        kind: node, load-balancer, control-plane, keeper, or load-generator, which no fault hits.
        agent: host:port of its Agent; Api of the control plane, Load of a load generator.
        host: the Ray host that it runs on.
        state: running, starting, stopped (by SIGSTOP; seen on the keeper's host only) or gone.
        metrics: host:port of its Prometheus metrics, by component (`emucluster`, `kubelet`, ...).
        started: when its process started, in clock ticks since boot; 0: not known.
        ends: how often a process of it ended that no fault had ended.
    """

    name: str
    kind: str
    address: str
    agent: str
    pid: int
    zone: str
    host: str
    state: str
    metrics: Mapping[str, str] = field(default_factory=dict)
    started: int = 0
    ends: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure put upon one target; the target ends it by itself.

    Attributes:
        injected_s, ends_s: wall clock, seconds since the epoch; ends_s None: until cleared.
        mechanism: how it is done: `kernel filter`, `imitated`, `SIGKILL`, `SIGSTOP`, ...
        state: `in force` or `ended`.
        params: of its kind, defaults filled in, durations in seconds.
        peers: of a link: whose packets are hit as they arrive at the target.
        follow: a target that restarts has it again (`identity`), or is rid of it (`instance`).
        ended_by: `expiry`, `clear` or `target-gone`; empty while in force.
        error: why it is still in force though it should be over; empty: it should not.
    """

    id: str
    kind: str
    target: str
    injected_s: float
    ends_s: float | None
    mechanism: str
    state: str
    params: Mapping[str, Any] = field(default_factory=dict)
    peers: tuple[str, ...] = ()
    follow: str = "identity"
    ended_by: str = ""
    error: str = ""


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
    kubernetes: str
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


@dataclass(frozen=True, slots=True)
class Witnessed:
    """Somebody other than its target sees a fault.

    Attributes:
        by: as a target, e.g. `node/node-1`.
        what: what it saw, in words.
        at_s: wall clock.
        seen: False: nobody sees it, and `what` says what they see instead, or why nobody can look.
    """

    by: str
    what: str
    at_s: float
    seen: bool = True


@dataclass(frozen=True, slots=True)
class Ending:
    """What others than its target see of a fault that should be over.

    Attributes:
        end: `gone`, `there`, or `unknown`: nobody could tell.
        by: as a target; empty where nobody looked.
        what: in words.
        at_s: wall clock.
    """

    end: End
    by: str
    what: str
    at_s: float


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

    def inject(self, wanted: FaultRequest) -> Fault:
        """Put a fault upon its target; in force when this returns, or `ended` if over at once."""
        request = lab_pb2.FaultRequest(
            kind=wanted.kind,
            target=wanted.target,
            id=wanted.fault_id or "",
            params=json.dumps(dict(wanted.params)).encode(),
            peers=wanted.peers,
            follow=wanted.follow,
        )
        if wanted.for_s is not None:
            request.duration_s = wanted.for_s
        if wanted.until_s is not None:
            request.until_s = wanted.until_s
        return _fault(self._connection.call(self._stub.InjectFault, request))

    def faults(self) -> list[Fault]:
        """All faults that are in force, and those that ended lately."""
        return self.held_faults()[0]

    def held_faults(self) -> tuple[list[Fault], frozenset[str]]:
        """As `faults`, and the names of the machines that did not tell theirs."""
        reply = self._connection.call(self._stub.ListFaults, lab_pb2.ListFaultsRequest())
        return [_fault(fault) for fault in reply.faults], frozenset(reply.silent)

    def clear_faults(self, id: str | None = None) -> list[Fault]:
        """End the fault `id`, or all; returns those that it ended.

        One that could not be lifted is among them as it is: in force, with its `error`.
        """
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

    def observe(self) -> Observations:
        """What is so and what everybody believes: as it is now, then each change, until closed."""
        return Observations(self._connection.watch(self._stub.Observe, lab_pb2.ObserveRequest()))

    def witness(self, fault_id: str, *, timeout_s: float = 3.0) -> Witnessed | None:
        """Who else than its target sees this fault now; None: nobody."""
        found = self.looked_for(fault_id, timeout_s=timeout_s)
        return found if found.seen else None

    def looked_for(self, fault_id: str, *, timeout_s: float = 3.0) -> Witnessed:
        """As `witness`; where nobody sees it, what they see instead."""
        request = lab_pb2.WitnessRequest(fault_id=fault_id, timeout_s=timeout_s)
        reply = self._connection.call(self._stub.Witness, request)
        return Witnessed(reply.by, reply.what, reply.at_s, reply.seen)

    def is_over(self, fault_id: str) -> Ending:
        """Whether a fault that should be over is gone, as others than its target see it now."""
        request = lab_pb2.WitnessRequest(fault_id=fault_id, over=True)
        reply = self._connection.call(self._stub.Witness, request)
        return Ending(reply.end, reply.by, reply.what, reply.at_s)

    def rig(self, since_s: float = 0.0) -> Rig:
        """What the processes took since then (wall clock), as far back as they remember."""
        return rig_of(self._connection.call(self._stub.Rig, lab_pb2.RigRequest(since_s=since_s)))

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
        kubernetes=reply.kubernetes,
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
        metrics=dict(sorted(machine.metrics.items())),
        started=machine.started,
        ends=machine.ends,
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
        params=json.loads(fault.params or b"{}"),
        peers=tuple(fault.peers),
        follow=fault.follow or "identity",
        ended_by=fault.ended_by,
        error=fault.error,
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
