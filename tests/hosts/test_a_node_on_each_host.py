"""A cluster over three hosts, each of them a node: the node's address is the machine's."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.hosts import TAG, Cluster, Hosts, cluster, script, until

pytestmark = [pytest.mark.live, pytest.mark.hosts, pytest.mark.slow]


@pytest.fixture(scope="module")
def web(hosts: Hosts) -> Iterator[Cluster]:
    with cluster(hosts, "hosts-test", nodes=3) as found:
        yield found


def pod_range(web: Cluster, node: str) -> str:
    """The first three bytes of a node's pod addresses, with the dot."""
    return str(web.json("get", "node", node)["spec"]["podCIDR"]).removesuffix("0/24")


def test_making_the_hosts_again_changes_nothing(hosts: Hosts) -> None:
    before = hosts.processes()
    assert script("up").stdout == script("env").stdout
    assert hosts.processes() >= before


@pytest.mark.rare
@pytest.mark.usefixtures("hosts")
def test_hosts_whose_ray_was_killed_are_made_anew() -> None:
    settings = {"EMU_TAG": "v", "EMU_NET": "10.76.0", "EMU_HOSTS": "1"}
    try:
        assert script("up", **settings).returncode == 0
        listed = subprocess.run(["ip", "netns", "pids", "emuv1"], capture_output=True, text=True)
        for pid in listed.stdout.split():
            os.kill(int(pid), signal.SIGKILL)
        again = script("up", **settings)
        assert again.returncode == 0, again.stderr
        reach = "import socket; socket.create_connection(('10.76.0.11', 6399), 5)"
        run = ["ip", "netns", "exec", "emuv1", sys.executable, "-c", reach]
        subprocess.run(run, check=True)
    finally:
        assert script("down", **settings).returncode == 0


def test_nodes_take_the_addresses_of_their_machines_and_zones_follow(web: Cluster) -> None:
    nodes = {name: each for name, each in web.machines().items() if each["kind"] == "node"}
    addresses = [web.hosts.address(host) for host in (1, 2, 3)]
    assert [each["address"] for each in nodes.values()] == addresses
    assert [each["host"] for each in nodes.values()] == addresses
    assert [each["zone"] for each in nodes.values()] == ["zone-a", "zone-b", "zone-c"]
    assert web.json("status")["several_hosts"] is True


def test_pods_run_on_the_host_of_their_node(web: Cluster) -> None:
    on_host = {
        int(pid)
        for pid in subprocess.run(
            ["ip", "netns", "pids", f"emu{TAG}2"], capture_output=True, text=True
        ).stdout.split()
    }
    calls = web.calls("service/web-lb", "-n", "12")
    assert {call["node"] for call in calls} == {"node-1", "node-2", "node-3"}
    assert {call["node"] for call in calls if call["pid"] in on_host} == {"node-2"}


def test_the_load_balancer_reaches_pods_on_every_host(web: Cluster) -> None:
    calls = web.calls("service/web-lb", "-n", "24")
    assert [call["error"] for call in calls if not call["ok"]] == []
    assert {call["node"] for call in calls} == {"node-1", "node-2", "node-3"}


@pytest.mark.parametrize("node", ["node-1", "node-2", "node-3"])
def test_a_nodeport_answers_at_each_nodes_address(web: Cluster, node: str) -> None:
    calls = web.calls("service/web-nodeport", "--node", node, "-n", "3")
    assert [call["ok"] for call in calls] == [True] * 3
    assert {call["path"][1] for call in calls} == {f"{node}:30080"}
    assert {call["node"] for call in calls} == {"node-1", "node-2", "node-3"}


def test_a_pod_reaches_a_clusterip_across_hosts_wherever_it_runs(web: Cluster) -> None:
    pods = web.pods()
    for node in ("node-1", "node-3"):
        pod = next(name for name, at in pods.items() if at == node)
        calls = web.calls("service/web", "--from", f"pod/{pod}", "-n", "3")
        assert {call["node"] for call in calls} == {"node-1", "node-2", "node-3"}, calls
        assert {call["path"][0] for call in calls} == {f"cluster-ip@{node}"}


def test_a_trace_joins_the_hops_of_all_hosts(web: Cluster) -> None:
    def crossing() -> list[dict[str, str]]:
        hops: list[dict[str, str]] = web.json("trace", "service/web-lb")["hops"]
        return hops if len(hops) == 4 else []

    hops = until(crossing, "a call that crossed hosts")
    assert [hop["hop"] for hop in hops] == ["edge", "load-balancer", "node-port", "tunnel"]
    assert hops[2]["host"] != hops[3]["host"]


def test_any_client_on_another_machine_calls_what_the_edge_publishes(web: Cluster) -> None:
    published = web.published()
    names = ["lb/default/web-lb:8080", "node-1:30080", "node-2:30080", "node-3:30080"]
    assert set(names) <= set(published)
    assert {at.rpartition(":")[0] for at in published.values()} == {web.hosts.bind}
    node_itself = f"{web.hosts.address(2)}:30080"
    replies = web.hosts.python(3, "plain_client", *(published[n] for n in names), node_itself)
    assert [reply["status"] for reply in replies] == ["OK"] * 5


def test_what_is_published_comes_and_goes_with_its_service(web: Cluster, tmp_path: Path) -> None:
    manifest = tmp_path / "short.yaml"
    manifest.write_text(
        "apiVersion: v1\nkind: Service\nmetadata: {name: short}\nspec:\n  type: NodePort\n"
        "  selector: {app: web}\n  ports: [{port: 80, targetPort: grpc, nodePort: 31999}]\n"
    )
    web.cli("apply", "-f", str(manifest))
    place = until(lambda: web.published().get("node-3:31999"), "published")
    assert place is not None

    def call() -> str:
        return str(web.hosts.python(2, "plain_client", place)[0]["status"])

    until(lambda: call() == "OK", "answered")
    web.cli("delete", "service", "short")
    until(lambda: "node-3:31999" not in web.published(), "published no longer")
    assert call() == "UNAVAILABLE"


def test_a_pod_sees_clients_of_other_machines_as_its_nodes_gateway(
    web: Cluster, tmp_path: Path
) -> None:
    """Even where Kubernetes keeps their addresses: these cannot be a source on this machine."""
    manifest = tmp_path / "local.yaml"
    manifest.write_text(
        "apiVersion: v1\nkind: Service\nmetadata: {name: local}\nspec:\n  type: NodePort\n"
        "  externalTrafficPolicy: Local\n  selector: {app: web}\n"
        "  ports: [{port: 80, targetPort: grpc, nodePort: 31998}]\n"
    )
    web.cli("apply", "-f", str(manifest))
    place = f"{web.hosts.address(2)}:31998"

    def answered() -> dict[str, str] | None:
        reply: dict[str, str] = web.hosts.python(3, "plain_client", place)[0]
        return reply if reply["status"] == "OK" else None

    reply = until(answered, "answered")
    assert reply is not None
    gateway = pod_range(web, "node-2") + "1"
    assert (reply["node"], reply["client"].rpartition(":")[0]) == ("node-2", gateway)
    web.cli("delete", "service", "local")


def test_agents_answer_nobody_without_the_clusters_token(web: Cluster) -> None:
    agent = web.machines()["node-2"]["agent"]
    assert agent == f"{web.hosts.address(2)}:10250"
    assert web.hosts.python(3, "agent_client", agent) == "UNAUTHENTICATED"


def test_the_tunnel_answers_nobody_without_the_clusters_token(web: Cluster) -> None:
    token = Path(web.json("status")["directory"], "token").read_text()
    pods = web.json("get", "pods")["items"]
    ip = next(p["status"]["podIP"] for p in pods if p["spec"]["nodeName"] == "node-2")
    wrong, right, replayed = web.hosts.python(
        3, "tunnel_client", web.hosts.address(2), "6081", ip, text=token
    )
    assert (wrong, right, replayed) == ("", "00", "")


def test_gateways_are_for_processes_of_the_same_machine_alone(web: Cluster) -> None:
    """A gateway asks nobody who he is, so none listens at a machine's address."""
    found = web.hosts.listeners()
    assert [each for each in found if each.endswith(":15001") and " 127." not in each] == []
    theirs = f"2 {pod_range(web, 'node-2')}"
    assert any(each.startswith(theirs) for each in found)


def test_down_leaves_nothing_on_any_host(hosts: Hosts, web: Cluster) -> None:
    """The last test of this module, since it takes the cluster away."""
    mine = {each["pid"] for each in web.machines().values()}
    assert mine <= hosts.processes()
    web.cli("down")
    until(lambda: not any("ray::Pod" in text for text in titles(hosts)), "pods have ended")
    until(lambda: not mine & hosts.processes(), "machines have ended")
    until(lambda: not list(Path("/tmp").glob("emu-hosts-test*")), "no files")
    ours = (
        "7443",
        "7444",
        "6443",
        "6081",
        "10250",
        "10256",
        "30080",
        "8080",
        "15001",
        "1053",
        "10053",
    )
    assert [each for each in hosts.listeners() if each.rpartition(":")[2] in ours] == []


def titles(hosts: Hosts) -> list[str]:
    """The command lines of all processes of the hosts."""
    found = []
    for pid in hosts.processes():
        try:
            found.append(Path(f"/proc/{pid}/cmdline").read_text())
        except OSError:
            continue
    return found
