"""The checks of a load balancer, as they come to its targets: by TCP or by HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from emucluster.core.faults import compared
from emucluster.live.keeper.machines import Machine
from emucluster.live.keeper.samples import Samples
from emucluster.live.network import healthz
from emucluster.live.network.check_log import KEPT, SENDERS_KEPT, CheckLog
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.healthz import Answer
from emucluster.live.rpc.pb import lab_pb2

NODE, BALANCER = "127.62.6.1", "127.62.6.9"


class Agents:
    """What nodes answer: the flows that they recorded, and what they describe."""

    def __init__(self, flows: list[Any], checks: dict[str, Any]) -> None:
        self._told = {
            "Flows": lab_pb2.FlowList(flows=flows),
            "Describe": lab_pb2.AgentInfo(json=json.dumps({"health_checks": checks}).encode()),
        }

    async def gather(self, machines: Any, method: str, request: Any) -> tuple[list[Any], list[str]]:
        return [self._told[method]], []


class Machines(dict[str, Machine]):
    def of_kind(self, kind: str) -> list[Machine]:
        return [machine for machine in self.values() if machine.kind == kind]

    def __iter__(self) -> Any:
        return iter(self.values())


def machine(name: str, kind: Any, address: str) -> Machine:
    return Machine(name, kind, "", {}, address, state="running", agent="a:1")


def seen(flows: list[Any], checks: dict[str, Any], since_s: float = 0.0) -> list[float]:
    machines: Any = Machines(
        {
            "node-1": machine("node-1", "node", NODE),
            "lb/default/web": machine("lb/default/web", "load-balancer", BALANCER),
        }
    )
    agents: Any = Agents(flows, checks)
    samples = Samples(machines, agents, None, None)  # type: ignore[arg-type]
    return asyncio.run(samples.checks_s("lb/default/web", since_s))


def test_checks_by_tcp_are_flows_without_a_byte_and_checks_by_http_are_noted_by_their_sender() -> (
    None
):
    flows = [lab_pb2.Flow(start_s=at_s) for at_s in (3.0, 1.0)]
    traffic = [lab_pb2.Flow(start_s=at_s, bytes_in=9) for at_s in (1.0, 1.5, 2.0, 2.5)]
    assert seen(flows + traffic, {}) == [1.0, 3.0]
    assert seen([], {BALANCER: [5.0, 6.0, 7.0], "127.0.0.1": [1.0] * 9}) == [5.0, 6.0, 7.0]
    assert seen([], {BALANCER: [5.0, 6.0, 7.0]}, since_s=6.0) == [6.0, 7.0]
    assert compared.blind(seen([], {BALANCER: [5.0, 6.0, 7.0]}), now_s=10.0).seen


def test_a_check_by_http_is_noted_when_it_comes() -> None:
    async def scenario() -> None:
        host = Forwarding("node-1")
        listener = healthz.listen(host, NODE, 0, lambda path: Answer(200, {}, b""))
        port = listener.address[1]
        for _ in range(2):
            reader, writer = await asyncio.open_connection(NODE, port, local_addr=(BALANCER, 0))
            writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
            writer.close()
        times_s = host.checked.times()[BALANCER]
        await host.aclose()
        assert len(times_s) == 2
        assert times_s[0] <= times_s[1]

    asyncio.run(scenario())


def test_only_the_last_checks_are_kept() -> None:
    now = iter(range(10_000))
    log = CheckLog(clock=lambda: float(next(now)))
    for sender in range(SENDERS_KEPT + 5):
        for _ in range(KEPT + 3):
            log.note(f"10.0.0.{sender}")
    times = log.times()
    assert len(times) == SENDERS_KEPT
    assert "10.0.0.0" not in times
    assert {len(each) for each in times.values()} == {KEPT}
