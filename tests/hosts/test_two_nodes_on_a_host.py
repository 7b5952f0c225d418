"""Five nodes over three hosts: nodes that share a machine are reached at what they publish."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.hosts import Cluster, Hosts, cluster, until

pytestmark = [pytest.mark.live, pytest.mark.hosts, pytest.mark.slow]

ALL = {f"node-{number}" for number in range(1, 6)}


@pytest.fixture(scope="module")
def web(hosts: Hosts) -> Iterator[Cluster]:
    with cluster(hosts, "shared-test", nodes=5) as found:
        yield found


def test_only_a_node_alone_on_its_machine_has_the_machines_address(web: Cluster) -> None:
    found = web.machines()
    addresses = {name: found[name]["address"] for name in ALL}
    assert addresses.pop("node-3") == web.hosts.address(3)
    assert all(address.startswith("127.") for address in addresses.values())
    assert len(set(addresses.values())) == 4
    assert found["node-2"]["host"] == found["node-5"]["host"] == web.hosts.address(2)


def test_load_balancer_nodeports_and_pods_reach_every_node(web: Cluster) -> None:
    calls = web.calls("service/web-lb", "-n", "30")
    assert [call["error"] for call in calls if not call["ok"]] == []
    assert {call["node"] for call in calls} == ALL
    assert {call["path"][2].partition(":")[0] for call in calls} == ALL
    calls = web.calls("service/web-nodeport", "--node", "node-5", "-n", "5")
    assert {call["path"][1] for call in calls} == {"node-5:30080"}
    assert {call["node"] for call in calls} == ALL


def test_a_pod_stands_in_for_its_node_on_a_far_shared_machine(web: Cluster) -> None:
    pod = next(name for name, node in web.pods().items() if node == "node-5")
    calls = web.calls("service/web", "--from", f"pod/{pod}", "-n", "5")
    assert {call["node"] for call in calls} == ALL
    near = web.machines()["node-1"]["address"]
    assert web.calls(f"{near}:30080", "--from", f"pod/{pod}")[0]["ok"]


def test_other_machines_call_the_nodeport_of_a_node_that_shares_its_own(web: Cluster) -> None:
    published = web.published()
    names = sorted(f"{node}:30080" for node in ALL)
    replies = web.hosts.python(3, "plain_client", *(published[name] for name in names))
    assert [reply["status"] for reply in replies] == ["OK"] * 5


def test_the_loss_of_power_of_a_far_node_alone_on_its_machine_is_noticed_and_it_comes_back(
    web: Cluster,
) -> None:
    web.cli("fault", "inject", "power-off", "node/node-3")
    failed = web.calls("service/web-nodeport", "--node", "node-3", "--timeout", "1")[0]
    assert failed["status"] == "DEADLINE_EXCEEDED"

    def ready(node: str) -> bool:
        conditions = web.json("get", "node", node)["status"]["conditions"]
        return "True" in [c["status"] for c in conditions if c["type"] == "Ready"]

    until(lambda: not ready("node-3"), "NotReady", timeout_s=40)
    calls = web.calls("service/web-lb", "-n", "30", "--timeout", "2")
    assert {call["node"] for call in calls if call["ok"]} == ALL - {"node-3"}
    assert all(call["ok"] for call in calls), calls
    web.cli("fault", "clear", "--all")
    until(lambda: ready("node-3"), "Ready", timeout_s=40)
    web.wait_ready()
    assert web.calls("service/web-nodeport", "--node", "node-3")[0]["ok"]


def test_a_killed_node_on_a_far_machine_is_lost_and_comes_back_elsewhere_bound(
    web: Cluster,
) -> None:
    before = web.machines()["node-5"]
    os.kill(before["pid"], signal.SIGKILL)
    until(lambda: web.machines()["node-5"]["state"] == "gone", "gone")
    web.cli("fault", "clear", "--all")
    after = web.machines()["node-5"]
    assert (after["state"], after["address"]) == ("running", before["address"])
    assert after["agent"] != before["agent"]
    until(
        lambda: web.calls("service/web-nodeport", "--node", "node-5", "--timeout", "2")[0]["ok"],
        "its new ports are known",
    )


def test_a_killed_keeper_leaves_nothing_on_any_host(hosts: Hosts, web: Cluster) -> None:
    """The last test of this module, since it takes the cluster away."""
    mine = {each["pid"] for each in web.machines().values()}
    os.kill(web.json("status")["keeper_pid"], signal.SIGKILL)
    until(lambda: not mine & hosts.processes(), "machines have ended")
    until(lambda: not list(Path("/tmp").glob("emu-shared-test-*")), "no files")
