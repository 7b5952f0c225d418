import random
from collections import Counter
from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emucluster.core.cloudlb.commands import (
    NoTarget,
    ResetFlows,
    SendProbe,
    Target,
    TargetBecame,
    TargetGone,
)
from emucluster.core.cloudlb.load_balancer import LoadBalancer, Machine
from emucluster.core.cloudlb.settings import resolve

from .world import NODE_PORT, PORT, World


def silence(world: World, *names: str) -> None:
    world.run_until(200)
    world.silent.update(names)
    world.run_until(400)


def names(world: World, calls: int = 300) -> Counter[str]:
    chosen = [world.call() for _ in range(calls)]
    return Counter(t.name if isinstance(t, Target) else t.how for t in chosen)


def test_flows_of_an_unhealthy_nlb_target_are_reset() -> None:
    world = World(resolve("aws-nlb"))
    silence(world, "node-2")
    assert world.resets() == [(240, "node-2")]  # answered at 200; silent at 210, 220 and 230


@pytest.mark.parametrize("preset", ["aws-clb", "gcp", "azure", "haproxy", "envoy"])
def test_flows_of_an_unhealthy_target_stay_elsewhere(preset: str) -> None:
    world = World(resolve(preset))
    world.run_until(100)
    silence(world, "node-2")
    assert world.times_of("node-2", "unhealthy")
    assert world.resets() == []


@pytest.mark.parametrize("preset", ["aws-nlb", "gcp", "envoy"])
def test_without_a_healthy_target_new_flows_go_to_all(preset: str) -> None:
    world = World(resolve(preset))
    silence(world, "node-1", "node-2", "node-3")
    assert set(names(world)) == {"node-1", "node-2", "node-3"}


@pytest.mark.parametrize(("preset", "how"), [("azure", "drop"), ("aws-clb", "close")])
def test_without_a_healthy_target_there_is_no_new_flow(preset: str, how: str) -> None:
    world = World(resolve(preset))
    silence(world, "node-1", "node-2", "node-3")
    assert names(world) == {how: 300}


def test_the_target_that_makes_nlb_fail_open_keeps_its_flows() -> None:
    world = World(resolve("aws-nlb"))
    silence(world, "node-1", "node-2")
    world.silent.add("node-3")
    world.run_until(600)
    assert {name for _, name in world.resets()} == {"node-1", "node-2"}


def test_envoy_panics_below_half_of_its_targets() -> None:
    world = World(resolve("envoy"), machines=4)
    world.call()
    silence(world, "node-1", "node-2")
    assert set(names(world)) == {"node-3", "node-4"}
    world.silent.add("node-3")
    world.run_until(500)
    assert set(names(world)) == {"node-1", "node-2", "node-3", "node-4"}


def test_a_new_balancer_has_no_target_until_one_passes_its_check() -> None:
    world = World(resolve("aws-nlb"))
    assert world.call() == NoTarget("no target has passed its initial health checks", "drop")
    world.run_until(0)
    assert isinstance(world.call(), Target)


def test_a_removed_target_drains_and_comes_back_as_new() -> None:
    world = World(resolve("aws-nlb", settings={"connection_termination": "true"}))
    world.run_until(20)
    gone = world.machines.pop("node-2")
    world.configure()
    assert "node-2" not in names(world)
    target = Target("node-2", gone.address, NODE_PORT)
    assert world.balancer.states()[PORT][target] == "draining"
    world.run_until(320)
    assert [(at_s, c) for at_s, c in world.log if isinstance(c, ResetFlows | TargetGone)] == [
        (320, ResetFlows(target, "deregistration delay is over")),
        (320, TargetGone(target)),
    ]
    world.machines["node-2"] = gone
    world.configure()
    assert world.balancer.states()[PORT][target] == "initial"
    world.run_until(320)
    assert world.balancer.states()[PORT][target] == "healthy"


def test_a_late_answer_about_a_target_that_left_is_ignored() -> None:
    world = World(resolve("aws-nlb"))
    probes = [c for c in world.balancer.wake(now_s=0) if isinstance(c, SendProbe)]
    world.machines = {}
    world.configure()
    assert [world.balancer.handle_probe(p.probe, "passed", now_s=1) for p in probes] == [[]] * 3


def test_one_check_on_10256_speaks_for_every_port() -> None:
    balancer = LoadBalancer(resolve("gcp"), rng=random.Random(1))
    balancer.configure(
        ports={80: 30080, 443: 30443}, machines={"node-1": Machine("127.16.0.1")}, now_s=0
    )
    (probe,) = balancer.wake(now_s=0)
    assert isinstance(probe, SendProbe)
    assert (probe.port, probe.protocol, probe.path) == (10256, "http", "/healthz")
    became = balancer.handle_probe(probe.probe, "passed", now_s=0)
    assert [c.target.port for c in became if isinstance(c, TargetBecame)] == [30080, 30443]


def test_under_local_the_services_own_health_port_is_asked() -> None:
    balancer = LoadBalancer(resolve("aws-nlb", local=True), rng=random.Random(1))
    balancer.configure(
        ports={80: 30080},
        machines={"node-1": Machine("127.16.0.1")},
        health_check_node_port=32001,
        now_s=0,
    )
    (probe,) = balancer.wake(now_s=0)
    assert isinstance(probe, SendProbe)
    assert (probe.port, probe.protocol, probe.path, probe.timeout_s) == (
        32001,
        "http",
        "/healthz",
        6,
    )


def test_envoy_ejects_on_one_bad_status() -> None:
    balancer = LoadBalancer(resolve("envoy", local=True), rng=random.Random(1))
    balancer.configure(ports={80: 1}, machines={"node-1": Machine("127.16.0.1")}, now_s=0)
    (first,) = balancer.wake(now_s=0)
    assert isinstance(first, SendProbe)
    balancer.handle_probe(first.probe, "passed", now_s=0)
    (second,) = balancer.wake(now_s=60)
    assert isinstance(second, SendProbe)
    (became,) = balancer.handle_probe(second.probe, "bad-status", now_s=60)
    assert isinstance(became, TargetBecame)
    assert became.state == "unhealthy"


def test_sources_outside_the_ranges_get_no_answer() -> None:
    balancer = LoadBalancer(resolve("aws-nlb"), rng=random.Random(1))
    balancer.configure(
        ports={80: 30080},
        machines={"node-1": Machine("127.16.0.1")},
        source_ranges=["10.0.0.0/8"],
        now_s=0,
    )
    refused = balancer.choose("127.224.0.1", 5, 80)
    assert isinstance(refused, NoTarget)
    assert "loadBalancerSourceRanges" in refused.reason
    assert isinstance(balancer.choose("10.1.1.1", 5, 80), NoTarget)  # allowed, but none healthy yet


def test_client_affinity_sends_one_address_to_one_target() -> None:
    world = World(resolve("aws-nlb", settings={"client_affinity": True}))
    world.run_until(0)
    assert len(names(world)) == 1


def test_without_cross_zone_a_connection_stays_in_the_zone_of_its_address() -> None:
    policy = resolve("aws-nlb", settings={"cross_zone": "false"})
    balancer = LoadBalancer(policy, rng=random.Random(1), zones=("a", "b"))
    machines = {f"node-{z}": Machine(f"127.16.0.{n}", z) for n, z in enumerate("abc", start=1)}
    balancer.configure(ports={80: 30080}, machines=machines, now_s=0)
    for probe in balancer.wake(now_s=0):
        assert isinstance(probe, SendProbe)
        if probe.name != "node-b":
            balancer.handle_probe(probe.probe, "passed", now_s=0)
    chosen = balancer.choose("127.224.0.1", 5, 80, zone="a")
    assert isinstance(chosen, Target)
    assert chosen.name == "node-a"
    assert isinstance(balancer.choose("127.224.0.1", 5, 80, zone="b"), NoTarget)
    assert balancer.zones_in_service() == ("a",)
    states = {t.name: s for t, s in balancer.states()[80].items()}
    assert states == {"node-a": "healthy", "node-b": "initial", "node-c": "unused"}


def test_round_robin_is_even_to_within_one() -> None:
    world = World(resolve("haproxy"))
    world.run_until(5)
    assert sorted(names(world, 100).values()) == [33, 33, 34]


def test_flow_hash_is_even_to_a_few_per_cent_and_constant() -> None:
    world = World(resolve("aws-nlb"))
    world.run_until(0)
    spread = names(world, 6000)
    assert all(abs(count - 2000) < 200 for count in spread.values())
    assert {world.balancer.choose("1.2.3.4", 5, PORT) for _ in range(20)} == {
        world.balancer.choose("1.2.3.4", 5, PORT)
    }


@settings(max_examples=20)
@given(
    count=st.integers(2, 9),
    left=st.integers(0, 8),
    clients=st.lists(st.ip_addresses(v=4), min_size=1),
)
def test_when_a_target_leaves_most_other_flows_stay(
    count: int, left: int, clients: list[IPv4Address]
) -> None:
    world = World(resolve("aws-nlb"), machines=count)
    world.run_until(0)
    flows = [(str(c), p) for c in clients for p in range(40)]
    before = [world.balancer.choose(ip, p, PORT) for ip, p in flows]
    gone = f"node-{left % count + 1}"
    del world.machines[gone]
    world.configure()
    after = [world.balancer.choose(ip, p, PORT) for ip, p in flows]
    assert all(isinstance(t, Target) and t.name != gone for t in after)
    kept = [a == b for a, b in zip(after, before, strict=True) if b.name != gone]  # type: ignore[union-attr]
    assert sum(kept) >= 0.7 * len(kept)


def test_least_request_prefers_the_emptier_target() -> None:
    world = World(resolve("envoy", settings={"algorithm": "least-request"}), machines=2)
    world.run_until(0)
    full = next(t for t in world.balancer.states()[PORT] if t.name == "node-1")
    for _ in range(10):
        world.balancer.flow_opened(PORT, full)
    busy = names(world, 400)["node-1"]
    assert 50 < busy < 150  # drawn twice in a quarter of the cases
    for _ in range(10):
        world.balancer.flow_closed(PORT, full)
    assert 150 < names(world, 400)["node-1"] < 400
