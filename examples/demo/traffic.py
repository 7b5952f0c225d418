"""The demo's clients: real gRPC calls, each on a connection of its own, kept as records."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import dns.message
import dns.query
import dns.rdatatype

import emucluster as emu
from emucluster.client.calls import Joiner, call_once, flow_id, new_id
from emucluster.client.dial import dial
from emucluster.client.path import Address
from emucluster.client.targets import Destination

TIMEOUT_S = 1.0
"""Of each call, connecting included. It is the client's own, so `--speed` does not shorten it."""
_OPTIONS = (
    ("grpc.enable_retries", 0),  # a retry by the channel would hide a loss
    # grpc goes on connecting for 20 s after its caller has given up, unless told otherwise.
    ("grpc.min_reconnect_backoff_ms", int(TIMEOUT_S * 1000) + 100),
)
ENTRIES = ("node-port", "cluster-ip", "pod-ip")


@dataclass(frozen=True, slots=True)
class Group:
    """Clients that do the same.

    Attributes:
        column: the Service kind whose column they fill.
        source: `outside` or `pod/NAME`.
        target: `service/NAME`, or a DNS name where `asks_dns`.
        node: through this node's NodePort.
        address: dial this, instead of what the target resolves to.
        asks_dns: look the name up before every connection, and take its addresses in turn.
        lanes: how many clients, each with one call at a time.
    """

    column: str
    name: str
    source: str
    target: str
    node: str = ""
    address: Address | None = None
    asks_dns: bool = False
    lanes: int = 1


@dataclass(frozen=True, slots=True)
class Made:
    """A call that ended, before flow records tell its path."""

    call: emu.Call
    group: Group
    phase: str
    gateway: Address
    dialled: str


class Traffic:
    """Makes calls for groups of clients and turns them into the records of demo.json."""

    def __init__(self, session: emu.Session) -> None:
        self.session = session
        ip, _, port = session.status().dns.rpartition(":")
        self._dns = (ip, int(port))

    def burst(self, group: Group, phase: str, count: int) -> list[dict[str, Any]]:
        """`count` calls one after the other, with their paths."""
        made = []
        with self.session.client(group.source) as client:
            for number in range(count):
                made.append(self.one(client, group, phase, number))
        return self.records(made)

    def one(self, client: emu.Client, group: Group, phase: str, number: int) -> Made:
        """One call over a connection of its own; what cannot be dialled fails with the reason."""
        try:
            destination = self._destination(client, group, number)
        except emu.EmuclusterError as error:
            now_s = time.time()
            status = type(error).__name__
            call = emu.Call(new_id(), False, status, 0.0, now_s, now_s, error=str(error))
            return Made(call, group, phase, client.gateway, "")
        id = new_id()
        channel = dial(
            destination, client.gateway, number=number, flow_id=flow_id(id), options=_OPTIONS
        )
        try:
            call = call_once(channel, timeout_s=TIMEOUT_S, id=id)
        finally:
            channel.close()
        return Made(call, group, phase, client.gateway, destination.words())

    def _destination(self, client: emu.Client, group: Group, number: int) -> Destination:
        if group.asks_dns:
            name, _, port = group.target.rpartition(":")
            found = sorted(self.lookup(name, "A"))
            if not found:
                raise emu.errors.NoRoute(name, "DNS knows no address: no ready pod is behind it")
            return Destination(group.target, ((found[number % len(found)], int(port)),))
        if group.address is not None:
            return Destination(group.target, (group.address,))
        return client.resolve(group.target, node=group.node)

    def lookup(self, name: str, kind: str) -> list[str]:
        """What the cluster's DNS server answers, in the order of its answer."""
        question = dns.message.make_query(name, kind)
        reply = dns.query.udp(question, self._dns[0], port=self._dns[1], timeout=2)
        return [str(item) for answer in reply.answer for item in answer]

    def records(self, made: Iterable[Made]) -> list[dict[str, Any]]:
        """The calls with their paths, joined from the flow records of all hosts."""
        every = list(made)
        if not every:
            return []
        flows = self.session.flows(since_s=min(m.call.started_s for m in every) - 1.0)
        by_gateway: dict[Address, list[Made]] = {}
        for one in every:
            by_gateway.setdefault(one.gateway, []).append(one)
        joined: dict[str, emu.Call] = {}
        for gateway, calls in by_gateway.items():
            joiner = Joiner(gateway, lambda _since_s: flows, shared=False)
            joined.update((c.id, c) for c in joiner.join([m.call for m in calls if m.dialled]))
        return [record(m, joined.get(m.call.id, m.call)) for m in every]


def record(made: Made, call: emu.Call) -> dict[str, Any]:
    """What demo.json keeps of a call."""
    entry = next((hop.host for hop in call.hops if hop.kind in ENTRIES), None)
    return {
        **call.to_json(),
        "column": made.group.column,
        "group": made.group.name,
        "phase": made.phase,
        "source": made.group.source.partition("/")[0],
        "dialled": made.dialled,
        "entry_node": entry,
        "last_hop": _last_hop(call),
    }


def _last_hop(call: emu.Call) -> dict[str, Any] | None:
    if not call.hops:
        return None
    last = call.hops[-1]
    return {"kind": last.kind, "host": last.host, "to": last.endpoint, "how": last.how}


@dataclass
class Steady:
    """All lanes of all groups call at once, with a pause after each call, until stopped."""

    traffic: Traffic
    groups: Sequence[Group]
    on_call: Callable[[Made], None]
    pause_s: float = 0.2
    made: list[Made] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Steady:
        for group in self.groups:
            for lane in range(group.lanes):
                wait_s = self.pause_s * lane / group.lanes
                thread = threading.Thread(target=self._lane, args=(group, wait_s), daemon=True)
                thread.start()
                self._threads.append(thread)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=5 * TIMEOUT_S)

    def _lane(self, group: Group, wait_s: float) -> None:
        self._stop.wait(wait_s)
        with self.traffic.session.client(group.source) as client:
            number = 0
            while not self._stop.is_set():
                made = self.traffic.one(client, group, "failure", number)
                self.made.append(made)
                self.on_call(made)
                number += 1
                self._stop.wait(self.pause_s)
