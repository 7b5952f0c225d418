"""Faults of whole machines on a running cluster: several at once, and what ends them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import emucluster as emu
from emucluster.client.fault_request import FaultRequest
from emucluster.client.lab import AgentClient
from emucluster.core.errors import BadRequest, EmuclusterError, NotFound, UsageError
from tests.live.watching import alive, nodes, pid_of, pod, pod_on, pods, restarts, until

pytestmark = [pytest.mark.live, pytest.mark.slow]

HOG_S = 1.0


@pytest.fixture
def node(web: emu.Cluster) -> str:
    """A node with a pod of the web Deployment, and not with the client."""
    away = pod(web, "client").spec.node_name
    return next(p.spec.node_name for p in pods(web) if p.spec.node_name != away)


def power(cluster: emu.Cluster, node: str) -> str:
    machine = next(m for m in cluster.machines() if m.name == node)
    agent = AgentClient(machine, cluster.record.token)
    try:
        return str(json.loads(agent.describe())["state"])
    finally:
        agent.close()


def in_force(cluster: emu.Cluster) -> dict[str, str]:
    return {fault.id: fault.kind for fault in cluster.faults()}


def ended_by(cluster: emu.Cluster, fault_id: str) -> str:
    return next((f.ended_by for f in cluster.lab.faults() if f.id == fault_id), "")


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def process_state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def test_a_reboot_takes_the_pods_along_and_is_over_when_the_machine_is_up(
    web: emu.Cluster, node: str
) -> None:
    struck = pod_on(web, node).metadata.name
    counted = restarts(web, struck)
    fault = web.inject("reboot", f"node/{node}", params={"down": "500ms"})
    assert (fault.state, fault.params) == ("in force", {"down": 0.5})
    assert fault.ends_s is not None
    assert fault.ends_s - fault.injected_s == pytest.approx(0.5)
    until(lambda: ended_by(web, fault.id) == "expiry", "it is over by itself")
    assert power(web, node) == "running"
    until(lambda: restarts(web, struck) == counted + 1, "its pod was restarted")


def test_a_flapping_node_goes_and_comes_until_cleared(web: emu.Cluster, node: str) -> None:
    flap = {"as": "freeze", "down": 0.3, "up": 0.3}
    fault = web.inject("flap", f"node/{node}", 600, params=flap)
    assert (fault.params, fault.mechanism) == (flap, "process stopped serving")
    for state in ("running", "frozen", "running"):
        until(lambda state=state: power(web, node) == state, state)
    assert in_force(web) == {fault.id: "flap"}
    web.clear_faults(fault.id)
    assert power(web, node) == "running"
    assert ended_by(web, fault.id) == "clear"


def test_two_faults_at_once_are_listed_and_those_that_exclude_each_other_refused(
    web: emu.Cluster, node: str
) -> None:
    hog = web.inject("cpu-hog", f"node/{node}", 600, params={"share": "50%"})
    freeze = web.inject("freeze", f"node/{node}", 600)
    assert in_force(web) == {hog.id: "cpu-hog", freeze.id: "freeze"}
    with pytest.raises(EmuclusterError, match=f"already has the fault freeze .{freeze.id}."):
        web.inject("power-off", f"node/{node}")
    web.clear_faults(freeze.id)
    assert in_force(web) == {hog.id: "cpu-hog"}
    until(lambda: power(web, node) == "running", "it goes on")


def test_a_hogged_node_does_little_and_none_of_it_once_cleared(web: emu.Cluster, node: str) -> None:
    pid = pid_of(web, node)
    before_s = cpu_s(pid)
    web.inject("cpu-hog", f"node/{node}", 600, params={"share": 0.9})
    until(lambda: cpu_s(pid) > before_s + HOG_S, "the processor is used")
    with web.client() as client:
        assert client.call("service/web-nodeport", node=node).ok, "and the node still works"
    [ended] = web.clear_faults()
    assert (ended.kind, ended.ended_by) == ("cpu-hog", "clear")


def test_a_hog_is_refused_where_pods_share_the_nodes_process(small: emu.Cluster) -> None:
    with pytest.raises(EmuclusterError, match="cpu-hog needs packing pod: with packing node"):
        small.inject("cpu-hog", "node/node-1", 5)
    assert small.faults() == []


def test_a_pod_frozen_by_itself_stays_so_when_its_frozen_node_goes_on(
    web: emu.Cluster, node: str
) -> None:
    struck = pod_on(web, node).metadata
    agent = AgentClient(next(m for m in web.machines() if m.name == node), web.record.token)
    known: list[dict[str, Any]] = json.loads(agent.describe())["pods"]
    agent.close()
    pid = next(p["pid"] for p in known if p["name"] == struck.name)
    own = web.inject("freeze", f"pod/{struck.name}", 600)
    whole = web.inject("freeze", f"node/{node}", 600)
    web.clear_faults(whole.id)
    assert in_force(web) == {own.id: "freeze"}
    assert process_state(pid) == "T"
    web.clear_faults(own.id)
    until(lambda: process_state(pid) != "T", "it goes on")


def test_what_is_asked_for_while_the_machine_is_down_waits_for_it(
    web: emu.Cluster, node: str
) -> None:
    struck = pod_on(web, node).metadata.name
    off = web.inject("power-off", f"node/{node}", 600)
    with pytest.raises(EmuclusterError, match=f"{node} is silent"):
        web.inject("crash", f"pod/{struck}")
    waits = web.inject("freeze", f"pod/{struck}", 600)
    assert waits.mechanism == f"waits: {node} is silent"
    web.clear_faults(off.id)

    def applied() -> bool:
        return [f.mechanism for f in web.faults() if f.id == waits.id] == ["SIGSTOP"]

    until(applied, "the pod is frozen once it runs again")


def test_a_fault_ends_by_itself_when_whoever_asked_is_killed(web: emu.Cluster, node: str) -> None:
    script = (
        "import os, signal, emucluster as emu\n"
        f"with emu.connect({web.name!r}) as cluster:\n"
        f"    cluster.inject('freeze', 'node/{node}', 1.0, fault_id='orphan')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    until(lambda: ended_by(web, "orphan") == "expiry", "it is over")
    assert power(web, node) == "running"


def test_a_repeated_ask_and_one_after_its_clearing_do_nothing(web: emu.Cluster, node: str) -> None:
    def ask() -> str:
        return web.inject("cpu-hog", f"node/{node}", 600, fault_id="twice").state

    assert [ask(), ask()] == ["in force", "in force"]
    assert len(web.clear_faults()) == 1
    assert ask() == "ended"
    assert web.faults() == []
    with pytest.raises(NotFound):
        web.clear_faults("overtaken")
    late = web.inject("cpu-hog", f"node/{node}", 600, fault_id="overtaken")
    assert (late.state, late.ended_by) == ("ended", "clear")


def test_a_machine_whose_process_is_replaced_has_its_leases_again_unless_they_follow_the_instance(
    web: emu.Cluster, node: str
) -> None:
    pid = pid_of(web, node)
    same = web.inject("cpu-hog", f"node/{node}", 600, params={"share": 0.1})
    web.inject("cpu-hog", f"node/{node}", 600, params={"share": 0.1}, follow="instance")
    os.kill(pid, signal.SIGKILL)
    until(lambda: list(in_force(web)) == [f"gone-{node}"], "it is told as a crash")
    web.clear_faults(f"gone-{node}")
    until(lambda: list(in_force(web)) == [same.id], "it has the one again")
    assert not alive(pid)
    [again] = web.faults()
    assert again.ends_s == pytest.approx(same.ends_s, abs=0.5), "for the rest of its time"


def test_a_pod_is_found_while_the_control_plane_is_frozen(web: emu.Cluster, node: str) -> None:
    struck = pod_on(web, node)
    web.inject("freeze", "control-plane", 600)
    assert web.inject("freeze", f"pod/{struck.metadata.name}", 600).mechanism == "SIGSTOP"
    with pytest.raises(EmuclusterError, match="the control plane does not answer, and no node has"):
        web.inject("freeze", "pod/nobody", 600)
    cleared = {(fault.target, fault.ended_by) for fault in web.clear_faults()}
    assert cleared == {("control-plane", "clear"), (f"pod/{struck.metadata.name}", "clear")}


def test_a_zone_is_hit_as_a_whole_or_not_at_all(web: emu.Cluster) -> None:
    zone = {m.name: m.zone for m in web.machines() if m.kind == "node"}
    both = [name for name in nodes(web) if zone[name] == "zone-a"]
    assert len(both) == 2
    made = web.inject_all(FaultRequest("freeze", "zone/zone-a", 600))
    assert [fault.target for fault in made] == [f"node/{name}" for name in both]
    web.clear_faults(made[0].id)
    with pytest.raises(EmuclusterError, match="already has the fault freeze"):
        web.inject_all(FaultRequest("power-off", "zone/zone-a", 600))
    assert in_force(web) == {made[1].id: "freeze"}, "the first was taken back"
    with pytest.raises(UsageError, match="there are: zone-a, zone-b"):
        web.inject_all(FaultRequest("freeze", "zone/zone-x"))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda web: web.lab.inject(FaultRequest("drain", "node/node-1")),
        lambda web: web.lab.inject(FaultRequest("slow", "node/node-1", params={"dealy": 1})),
        lambda web: web.lab.inject(FaultRequest("latency", "node/node-1")),
        lambda web: web.lab.inject(FaultRequest("freeze", "node/node-1", follow="nobody")),
    ],
)
def test_the_cluster_itself_refuses_what_is_wrong(
    web: emu.Cluster, wrong: Callable[[emu.Cluster], object]
) -> None:
    with pytest.raises(BadRequest):
        wrong(web)
    assert web.faults() == []
