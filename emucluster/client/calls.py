"""Real gRPC calls into the cluster, each told with its pod, its path and its latency."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import grpc

from emucluster.client.lab import Flows
from emucluster.client.path import (
    Address,
    EntryKey,
    FlowIndex,
    Hop,
    Path,
    entry_key,
)
from emucluster.core.errors import (
    ConnectionLost,
    ConnectionRefused,
    ConnectTimeout,
    DeadlineExceeded,
    Refused,
    RequestFailed,
    Unknown,
)
from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc

OK = "OK"
FLOW_MARGIN_S = 1.0
"""Flow records are asked for from so long before the first call: clocks of hosts differ."""

NOT_CONNECTED = "failed to connect"
"""In grpc's words for a connection that was never made: nothing was sent."""

_REFUSALS = ("RESOURCE_EXHAUSTED", "UNIMPLEMENTED", "PERMISSION_DENIED", "UNAUTHENTICATED")
_IDS = Random()


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as its client saw it.

    Attributes:
        ok: whether a reply came.
        pod, namespace, node, zone, pod_ip, pid: who answered; empty and 0 when nobody did.
        path: the hops in words, `?` where no record tells; `hops` has the records.
        latency_s: from the intended start to the reply or failure, connecting included.
        status: the gRPC status name.
        error: what went wrong and where; empty when ok.
        started_s: wall clock, seconds since the epoch, when the client began.
        ended_s: wall clock when it had the reply or the failure.
        client: the client's address as the pod saw it.
        executed: how often this id was executed at the pod, this time included.
    """

    id: str
    ok: bool
    status: str
    latency_s: float
    started_s: float
    ended_s: float
    pod: str = ""
    namespace: str = ""
    node: str = ""
    zone: str = ""
    pod_ip: str = ""
    pid: int = 0
    client: str = ""
    message: str = ""
    executed: int = 0
    path: tuple[str, ...] = ()
    hops: tuple[Hop, ...] = ()
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """The object that `-o json` prints."""
        return {
            "id": self.id,
            "ok": self.ok,
            "pod": self.pod or None,
            "node": self.node or None,
            "pid": self.pid or None,
            "path": list(self.path),
            "latency_s": round(self.latency_s, 6),
            "status": self.status,
            "error": self.error or None,
            "started_s": round(self.started_s, 6),
        }


def new_id() -> str:
    """A fresh call id in the form of a random uuid."""
    digits = f"{_IDS.getrandbits(128):032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def flow_id(call_id: str) -> str:
    """The id that the connection of a call bears in flow records."""
    return call_id.replace("-", "")


def call_once(
    channel: grpc.Channel,
    *,
    message: str = "",
    timeout_s: float,
    since_s: float | None = None,
    id: str = "",
) -> Call:
    """One unary echo call, without its path yet.

    `since_s` (time.monotonic) is when the call was meant to start; None means now. `id` is the
    call's; empty means a new one.
    """
    request = echo_pb2.EchoRequest(id=id or new_id(), message=message)
    started_s, begun_s = time.time(), time.monotonic()
    meant_s = begun_s if since_s is None else since_s
    try:
        reply = echo_pb2_grpc.EchoStub(channel).Call(request, timeout=timeout_s)
    except grpc.RpcError as error:
        ended_s = time.monotonic()
        return Call(
            id=request.id,
            ok=False,
            status=error.code().name,
            latency_s=ended_s - meant_s,
            started_s=started_s,
            ended_s=started_s + ended_s - begun_s,
            error=_details(error),
        )
    ended_s = time.monotonic()
    return Call(
        id=request.id,
        ok=True,
        status=OK,
        latency_s=ended_s - meant_s,
        started_s=started_s,
        ended_s=started_s + ended_s - begun_s,
        pod=reply.pod,
        namespace=reply.namespace,
        node=reply.node,
        zone=reply.zone,
        pod_ip=reply.pod_ip,
        pid=reply.pid,
        client=reply.client,
        message=reply.message,
        executed=reply.executed,
    )


class Joiner:
    """Gives calls their paths, from flow records that are asked for once for each batch.

    Args:
        gateway: the client's own gateway.
        flows: asks for the records since a moment of the wall clock.
        shared: whether calls share connections.
    """

    def __init__(self, gateway: Address, flows: Callable[[float], Flows], *, shared: bool) -> None:
        self._gateway = gateway
        self._flows = flows
        self._shared = shared
        self._answered: set[EntryKey] = set()

    def join(self, calls: Sequence[Call]) -> list[Call]:
        """The calls, in the same order, each with `path` and `hops`, failed ones with a reason."""
        if not calls:
            return []
        flows = self._flows(min(call.started_s for call in calls) - FLOW_MARGIN_S)
        index = FlowIndex(flows.hops)
        paths = {call.id: self._answer(index, call) for call in calls if call.ok}
        joined = []
        for call in calls:
            path = paths[call.id] if call.ok else self._failure(index, call)
            call = replace(call, path=tuple(path.labels()), hops=path.hops)
            joined.append(
                call if call.ok else replace(call, error=explain(call, path, flows.silent))
            )
        return joined

    def _answer(self, index: FlowIndex, call: Call) -> Path:
        path = index.answered(
            self._gateway,
            parse_address(call.client),
            call.pod_ip,
            start_s=call.started_s,
            end_s=call.ended_s,
        )
        if path.hops and not self._shared:
            self._answered.add(entry_key(path.hops[0]))
        return path

    def _failure(self, index: FlowIndex, call: Call) -> Path:
        span = {"start_s": call.started_s, "end_s": call.ended_s}
        if self._shared:
            return index.carried(self._gateway, **span)
        others = frozenset(self._answered)
        return index.entered(self._gateway, flow_id=flow_id(call.id), **span, others=others)


def explain(call: Call, path: Path, silent: Iterable[str] = ()) -> str:
    """Why a call failed: the last hop that saw it and what became of it there, as far as known."""
    if call.status == "UNIMPLEMENTED":  # no hop speaks HTTP/2: only a server answers so
        return "the server answered UNIMPLEMENTED: call speaks emucluster.v1.Echo only"
    last = path.last
    if last is None:
        return call.error
    where = f"{last.kind} at {last.host}"
    if last.how in ("refused", "dropped", "timeout"):
        why = f": {last.reason}" if last.reason else ""
        return f"{last.how} at {last.host}{why}"
    if not last.is_connected:
        return f"no answer beyond {where}" + (f": {last.reason}" if last.reason else "")
    if path.missing and silent:
        return f"{call.error}; last seen by {where}; no records from {', '.join(silent)}"
    return f"{call.error}; last seen by {where}"


def failure(call: Call, target: str, *, timeout_s: float, path_known: bool) -> RequestFailed:
    """The error to raise for a failed call: it says what its caller may conclude.

    Where the path is known and no pod took the connection, nothing ran. Else it may have.
    """
    last = call.hops[-1] if call.hops else None
    reached = last is None or not path_known or (last.is_connected and not last.leads_on)
    if call.status == "DEADLINE_EXCEEDED":
        if not reached:
            return ConnectTimeout(target, f"no connection within {timeout_s:g} s: {call.error}")
        return DeadlineExceeded(target, timeout_s=timeout_s)
    if call.status == "UNAVAILABLE":
        kind = ConnectionLost if reached and NOT_CONNECTED not in call.error else ConnectionRefused
        return kind(target, call.error)
    text = f"{call.status}: {call.error}"
    return Refused(target, text) if call.status in _REFUSALS else Unknown(target, text)


def parse_address(text: str) -> Address:
    """`127.224.0.1:40112`, also as gRPC's peer() writes it; ("", 0) for anything else."""
    host, _, port = text.removeprefix("ipv4:").rpartition(":")
    return (host, int(port)) if host and port.isdigit() else ("", 0)


def _details(error: Any) -> str:
    """gRPC's own words on one line, without its list of addresses and source locations."""
    text = str(error.details() or "").split("\n", 1)[0].strip()
    before, found, last = text.rpartition("last error: ")
    if not found:
        return text or str(error.code().name)
    last = last.removeprefix("UNKNOWN: ").removeprefix("UNAVAILABLE: ")
    return f"{NOT_CONNECTED}: {last}" if NOT_CONNECTED in before else last
