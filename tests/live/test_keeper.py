"""The keeper on a real Ray: what it tells, whom it asks, how it follows processes."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from emucluster.client.options import StartOptions
from emucluster.live.keeper import warden
from emucluster.live.keeper.settings import ClusterRecord
from emucluster.live.rpc.pb import lab_pb2
from tests.live.keeper_cluster import LabCalls, cluster, listening, traces

pytestmark = pytest.mark.live

Wait = Callable[[Callable[[], object]], Any]


@pytest.fixture(scope="module")
def record() -> Iterator[ClusterRecord]:
    options = StartOptions(name="keeper-test", nodes=2, zones=2, outside={"db.example": "h:1"})
    with cluster(options) as found:
        yield found


@pytest.fixture
def lab(record: ClusterRecord) -> Iterator[LabCalls]:
    calls = LabCalls(record)
    yield calls
    calls.close()


def machines(lab: LabCalls) -> dict[str, Any]:
    status = lab.call("Status", lab_pb2.StatusRequest())
    return {machine.name: machine for machine in status.machines}


def until(condition: Callable[[], object], what: str) -> None:
    """Ask again and again, for at most a minute."""
    import time

    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, f"still not: {what}"
        time.sleep(0.02)


def load_balancer(service: str, *ports: int) -> Any:
    return lab_pb2.LoadBalancerSpec(
        namespace="default",
        service=service,
        preset="aws-nlb",
        ports=[lab_pb2.LoadBalancerPort(port=port, node_port=30080) for port in ports],
    )


def in_force(lab: LabCalls) -> list[Any]:
    listed = lab.call("ListFaults", lab_pb2.ListFaultsRequest()).faults
    return [fault for fault in listed if fault.state == "in force"]


def reference(service: str) -> Any:
    return lab_pb2.LoadBalancerRef(namespace="default", service=service)


def test_status_tells_the_machines_as_processes(lab: LabCalls, record: ClusterRecord) -> None:
    status = lab.call("Status", lab_pb2.StatusRequest())
    found = machines(lab)

    assert set(found) == {"keeper", "control-plane", "node-1", "node-2"}
    assert (found["node-1"].zone, found["node-2"].zone) == ("zone-a", "zone-b")
    assert {machine.state for machine in found.values()} == {"running"}
    assert all(warden.session_of(m.pid) == record.keeper_pid for m in found.values())
    assert len({machine.pid for machine in found.values()}) == 4
    assert (status.api, status.lab, status.dns) == (record.api, record.lab, record.dns)
    assert dict(status.outside) == {"db.example": "h:1"}
    assert status.failure_mode in ("kernel filter", "imitated")


def test_a_wrong_token_is_refused(record: ClusterRecord) -> None:
    stranger = LabCalls(record, token="wrong")
    code, _ = stranger.refusal("Status", lab_pb2.StatusRequest())
    stranger.close()

    assert code is grpc.StatusCode.UNAUTHENTICATED


def test_nothing_of_the_cluster_listens_beyond_loopback(record: ClusterRecord) -> None:
    inodes = set()
    for pid in warden.members(record.keeper_pid, record.keeper_started):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            try:
                inodes.add(os.readlink(entry.path))
            except FileNotFoundError:
                continue
    ours = [entry for entry in listening() if f"socket:[{entry.inode}]" in inodes]

    assert ours
    assert [str(entry) for entry in ours if not entry.address.startswith("127.")] == []


def test_a_fault_of_a_node_or_pod_is_told_to_that_node_alone(lab: LabCalls) -> None:
    on_node = lab.call("InjectFault", lab_pb2.FaultRequest(kind="power-off", target="node/node-1"))
    on_pod = lab.call("InjectFault", lab_pb2.FaultRequest(kind="crash", target="pod/web.node-2"))

    assert (on_node.target, on_pod.target) == ("node/node-1", "pod/web.node-2")
    assert [fault.id for fault in in_force(lab)] == [on_node.id, on_pod.id]
    cleared = lab.call("ClearFaults", lab_pb2.ClearFaultsRequest(id=on_pod.id)).faults
    assert [fault.target for fault in cleared] == ["pod/web.node-2"]
    lab.call("ClearFaults", lab_pb2.ClearFaultsRequest(all=True))
    assert in_force(lab) == []


@pytest.mark.parametrize(
    ("kind", "target", "words"),
    [
        ("freeze", "node/node-9", 'node "node-9" not found'),
        ("power-off", "pod/web.node-1", "a pod cannot have it"),
        ("melt", "node/node-1", "no such fault"),
        ("crash", "rack/1", "must be node/NAME"),
        ("crash", "lb/none", 'lb "none" not found'),
    ],
)
def test_a_fault_that_cannot_be_is_refused(
    lab: LabCalls, kind: str, target: str, words: str
) -> None:
    _, details = lab.refusal("InjectFault", lab_pb2.FaultRequest(kind=kind, target=target))

    assert words in details


def test_an_id_has_one_fault_on_whatever_machine(lab: LabCalls) -> None:
    def asked(target: str, fault_id: str = "mine") -> Any:
        return lab_pb2.FaultRequest(id=fault_id, kind="freeze", target=target)

    first = lab.call("InjectFault", asked("node/node-1"))
    assert lab.call("InjectFault", asked("node/node-1")).id == first.id == "mine"
    _, details = lab.refusal("InjectFault", asked("node/node-2"))
    assert details == 'id "mine" is that of another fault: freeze on node/node-1'
    for fault_id in ("gone-node-2", "a\x07b"):
        _, details = lab.refusal("InjectFault", asked("node/node-2", fault_id))
        assert details.startswith("id ")
    lab.call("ClearFaults", lab_pb2.ClearFaultsRequest(all=True))


def test_clearing_a_fault_that_nobody_has_is_an_error(lab: LabCalls) -> None:
    code, details = lab.refusal("ClearFaults", lab_pb2.ClearFaultsRequest(id="none"))

    assert (code, details) == (grpc.StatusCode.NOT_FOUND, 'fault "none" not found')


def test_logs_come_from_the_node_that_has_the_pod(lab: LabCalls) -> None:
    chunks = lab.stub.Logs(lab_pb2.LogsRequest(pod="web.node-2"), metadata=lab.metadata, timeout=10)

    assert b"".join(chunk.data for chunk in chunks) == b"node-2\nweb.node-2\n"


def test_flows_are_gathered_and_frozen_hosts_are_named(lab: LabCalls) -> None:
    pid = machines(lab)["node-2"].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        found = lab.call("Flows", lab_pb2.FlowsRequest())
    finally:
        os.kill(pid, signal.SIGCONT)

    assert [flow.host for flow in found.flows] == ["node-1"]
    assert list(found.silent) == ["node-2"]


def test_load_balancers_keep_their_address_and_others_get_another(lab: LabCalls) -> None:
    first = lab.call("EnsureLoadBalancer", load_balancer("web", 80))
    again = lab.call("EnsureLoadBalancer", load_balancer("web", 80, 443))
    other = lab.call("EnsureLoadBalancer", load_balancer("shop", 80))

    assert first.address == again.address != other.address
    assert again.json == b"[80, 443]"
    assert machines(lab)["lb/default/web"].address == first.address
    lab.call("DeleteLoadBalancer", reference("web"))
    lab.call("DeleteLoadBalancer", reference("shop"))
    lab.call("DeleteLoadBalancer", reference("shop"))
    assert not any(name.startswith("lb/") for name in machines(lab))
    fresh = lab.call("EnsureLoadBalancer", load_balancer("web", 80))
    assert fresh.address not in (first.address, other.address)
    lab.call("DeleteLoadBalancer", reference("web"))


def test_a_killed_load_balancer_stays_dead_until_its_fault_is_cleared(lab: LabCalls) -> None:
    before = lab.call("EnsureLoadBalancer", load_balancer("web", 80))
    os.kill(machines(lab)["lb/default/web"].pid, signal.SIGKILL)
    until(lambda: machines(lab)["lb/default/web"].state == "gone", "gone")

    dead = lab.call("EnsureLoadBalancer", load_balancer("web", 80))
    assert (dead.state, dead.address) == ("gone", before.address)

    [fault] = in_force(lab)
    assert (fault.kind, fault.target) == ("crash", "lb/web")
    lab.call("ClearFaults", lab_pb2.ClearFaultsRequest(id=fault.id))
    revived = machines(lab)["lb/default/web"]
    assert (revived.state, revived.address) == ("running", before.address)
    lab.call("DeleteLoadBalancer", reference("web"))


def test_a_killed_node_is_a_crash_that_clearing_ends(lab: LabCalls) -> None:
    before = machines(lab)["node-1"]
    os.kill(before.pid, signal.SIGKILL)
    until(lambda: machines(lab)["node-1"].state == "gone", "gone")

    _, details = lab.refusal(
        "InjectFault", lab_pb2.FaultRequest(kind="freeze", target="node/node-1")
    )
    assert "`fault clear gone-node-1` restarts it" in details
    cleared = lab.call("ClearFaults", lab_pb2.ClearFaultsRequest(all=True)).faults
    assert [(fault.kind, fault.target) for fault in cleared] == [("crash", "node/node-1")]

    after = machines(lab)["node-1"]
    assert (after.state, after.address, after.zone) == ("running", before.address, before.zone)
    assert after.pid != before.pid


def test_a_crashed_control_plane_comes_back_at_its_address(lab: LabCalls) -> None:
    before = machines(lab)["control-plane"]

    fault = lab.call("InjectFault", lab_pb2.FaultRequest(kind="crash", target="control-plane"))
    assert fault.state == "ended"

    def back() -> bool:
        now = machines(lab)["control-plane"]
        return now.state == "running" and now.pid != before.pid

    until(back, "the control plane has restarted")
    chunks = lab.stub.Logs(lab_pb2.LogsRequest(pod="web.node-2"), metadata=lab.metadata, timeout=10)
    assert b"".join(chunk.data for chunk in chunks) == b"node-2\nweb.node-2\n"


def process_state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def test_a_frozen_control_plane_is_thawed_when_its_time_is_up(lab: LabCalls) -> None:
    pid = machines(lab)["control-plane"].pid
    request = lab_pb2.FaultRequest(kind="freeze", target="control-plane", duration_s=2.0)

    lab.call("InjectFault", request)
    until(lambda: process_state(pid) == "T", "stopped")
    assert [fault.target for fault in in_force(lab)] == ["control-plane"]
    until(lambda: process_state(pid) != "T", "thawed")
    assert in_force(lab) == []


def test_a_process_that_somebody_stopped_is_told_as_stopped(lab: LabCalls) -> None:
    pid = machines(lab)["control-plane"].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: machines(lab)["control-plane"].state == "stopped", "stopped")
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: machines(lab)["control-plane"].state == "running", "running")


def connect(gateway: str, destination: str) -> bytes:
    """The first line of the answer to CONNECT."""
    host, _, port = gateway.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(f"CONNECT {destination} HTTP/1.1\r\nHost: {destination}\r\n\r\n".encode())
        return sock.recv(4096).split(b"\r\n")[0]


def test_outside_clients_reach_nodeports_and_load_balancers_only(lab: LabCalls) -> None:
    balancer = lab.call("EnsureLoadBalancer", load_balancer("web", 80))
    node = machines(lab)["node-1"].address
    stream = lab.stub.OpenClient(lab_pb2.OpenClientRequest(label="test"), metadata=lab.metadata)
    client = next(stream)

    with socket.create_server((node, 30080)) as server:
        assert connect(client.gateway, f"{node}:30080") == b"HTTP/1.1 200 Connection established"
        accepted, peer = server.accept()
        accepted.close()
        assert peer[0] == client.address
    assert connect(client.gateway, f"{balancer.address}:10250").startswith(b"HTTP/1.1 200")
    for refused in ("10.96.0.1:443", f"{node}:10250", "127.32.1.2:15001", "127.0.0.1:22"):
        assert connect(client.gateway, refused).startswith(b"HTTP/1.1 403"), refused
    flows = lab.call("Flows", lab_pb2.FlowsRequest(address=client.address)).flows
    assert {flow.hop for flow in flows if flow.host == "edge"} == {"edge"}
    stream.cancel()
    lab.call("DeleteLoadBalancer", reference("web"))

    def closed() -> bool:
        with socket.socket() as probe:
            host, _, port = client.gateway.rpartition(":")
            return probe.connect_ex((host, int(port))) != 0

    until(closed, "the client's gateway is closed")


def test_two_outside_clients_have_two_addresses(lab: LabCalls) -> None:
    streams = [
        lab.stub.OpenClient(lab_pb2.OpenClientRequest(), metadata=lab.metadata) for _ in range(2)
    ]

    assert len({next(stream).address for stream in streams}) == 2
    for stream in streams:
        stream.cancel()


def test_the_command_line_of_every_process_hides_the_token(record: ClusterRecord) -> None:
    shown = subprocess.run(["ps", "axwwe"], capture_output=True, text=True, check=True).stdout

    assert record.token not in shown


def test_down_by_request_leaves_nothing(lab: LabCalls, record: ClusterRecord) -> None:
    """The last test of this module, since it takes the cluster away."""
    lab.call("Down", lab_pb2.DownRequest())
    until(lambda: not traces(record), "nothing is left")
