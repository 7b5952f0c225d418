"""What is so of one machine: its state, its faults, its connections."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from emucluster.live.network.flows import FlowLog

STATES = ("running", "silent", "frozen", "crashed")


class StateCollector(Collector):
    """A machine's name and the state that it is really in.

    `state` is the one of `STATES` (others are told too), asked for at each scrape; None for those
    that answer in no other state than running.
    """

    def __init__(
        self, name: str, kind: str, zone: str = "", *, state: Callable[[], str] | None = None
    ) -> None:
        self._labels = [name, kind, zone]
        self._state = state

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily(
            "emucluster_machine_info", "Which machine this is.", labels=["machine", "kind", "zone"]
        )
        info.add_metric(self._labels, 1)
        yield info
        if self._state is None:
            return
        now = self._state()
        states = GaugeMetricFamily(
            "emucluster_machine_state", "1 for the state that the machine is in.", labels=["state"]
        )
        for state in dict.fromkeys((*STATES, now)):
            states.add_metric([state], state == now)
        yield states


class FaultCollector(Collector):
    """The faults in force, from what a FaultBoard lists."""

    def __init__(self, faults: Callable[[], Iterable[Any]]) -> None:
        self._faults = faults

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "emucluster_faults_in_force",
            "Faults that are in force at this machine or at what it holds.",
            labels=["kind", "target"],
        )
        held = Counter((f.kind, f.target) for f in self._faults() if f.state == "in force")
        for labels, count in held.items():
            family.add_metric(labels, count)
        yield family


class FlowCollector(Collector):
    """Connections that a machine forwards: a flow is one connection at one hop."""

    def __init__(self, flows: FlowLog) -> None:
        self._flows = flows

    def collect(self) -> Iterator[Metric]:
        still_open = self._flows.still_open()
        ended = self._flows.ended
        yield CounterMetricFamily(
            "emucluster_flows_opened",
            "Flows that began.",
            value=sum(each.flows for each in ended.values()) + len(still_open),
        )
        family = CounterMetricFamily(
            "emucluster_flows_ended",
            "Flows that ended, by hop, how and who closed (client, server or us, the hop).",
            labels=["hop", "how", "closed_by"],
        )
        for labels, each in ended.items():
            family.add_metric(labels, each.flows)
        yield family
        now = GaugeMetricFamily("emucluster_flows_open", "Flows that are open.", labels=["hop"])
        for hop, count in Counter(flow.hop for flow in still_open).items():
            now.add_metric([hop], count)
        yield now
        yield self._bytes()

    def _bytes(self) -> Metric:
        carried: Counter[tuple[str, str]] = Counter()
        for (hop, _how, _by), each in self._flows.ended.items():
            carried[hop, "in"] += each.bytes_in
            carried[hop, "out"] += each.bytes_out
        for flow in self._flows.still_open():
            carried[flow.hop, "in"] += flow.bytes_in
            carried[flow.hop, "out"] += flow.bytes_out
        family = CounterMetricFamily(
            "emucluster_flow_bytes",
            "Payload forwarded: in came from clients, out from servers.",
            labels=["hop", "direction"],
        )
        for labels, count in carried.items():
            family.add_metric(labels, count)
        return family
