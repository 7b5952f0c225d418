"""Faults of answers and of components in a running cluster, each seen by a client of it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import dns.message
import dns.query
import dns.rcode
import pytest

import emucluster as emu
from emucluster.client.balancers import ask_balancers
from emucluster.core.addresses import DNS_PORT
from emucluster.core.errors import EmuclusterError
from emucluster.core.objects import Node
from tests.live.watching import (
    cluster_ip,
    is_ready,
    nodes,
    ok,
    pid_of,
    pod,
    pods,
    statuses,
    until,
)

pytestmark = [pytest.mark.live, pytest.mark.slow]

HEADLESS = "web-headless.default.svc.cluster.local"


@pytest.fixture(params=["web", "small"], ids=["packing pod", "packing node"])
def cluster(request: pytest.FixtureRequest) -> Iterator[emu.Cluster]:
    """Either packing; nothing is left in force."""
    found: emu.Cluster = request.getfixturevalue(request.param)
    yield found
    found.clear_faults()


def struck(cluster: emu.Cluster) -> str:
    return min(found.metadata.name for found in pods(cluster))


def address_of(cluster: emu.Cluster, node: str) -> str:
    found = cluster.get("node", node)
    assert isinstance(found, Node)
    return next(a.address for a in found.status.addresses if a.type == "InternalIP")


def believed(cluster: emu.Cluster) -> dict[str, str]:
    """Each node's state as the load balancer of service/web-lb has it."""
    [view] = ask_balancers(cluster.machines(), cluster.record.token)
    return {target.node: target.state for target in view.targets}


def test_a_gray_pod_stays_ready_and_fails_each_call_in_the_faults_name(
    cluster: emu.Cluster,
) -> None:
    name = struck(cluster)
    gray = cluster.inject("gray", f"pod/{name}", params={"status": "DATA_LOSS"})
    with cluster.client("pod/client") as client:
        calls = list(client.run("service/web", emu.Plan(count=9)))
        failed = [call for call in calls if not call.ok]
        assert len(failed) == 3, "one of three pods, in turn"
        words = f"error injected by the fault {gray.id} at pod default/{name}"
        assert all(call.status == "DATA_LOSS" and words in call.error for call in failed)
        assert is_ready(pod(cluster, name))
        cluster.clear_faults(gray.id)
        ok(client.run("service/web", emu.Plan(count=9)))


def test_counted_faults_hit_the_calls_that_they_name_and_slow_ones_are_late(
    cluster: emu.Cluster,
) -> None:
    name = struck(cluster)
    with cluster.client("pod/client") as client:
        counted = {"after": 2, "every": 3, "times": 2}
        cluster.inject("error-rate", f"pod/{name}", params=counted)
        calls = list(client.run(f"pod/{name}", emu.Plan(count=12)))
        assert [n for n, call in enumerate(calls, 1) if not call.ok] == [3, 6]
        cluster.clear_faults()
        cluster.inject("slow", f"pod/{name}", params={"delay": "300ms", "times": 1})
        slow, *others = ok(client.run(f"pod/{name}", emu.Plan(count=4)))
        assert slow.latency_s >= 0.3 > min(other.latency_s for other in others)


def test_a_pod_that_crashes_is_gray_again(web: emu.Cluster, inside: emu.Client) -> None:
    name = struck(web)
    before = ok(inside.run(f"pod/{name}", emu.Plan()))[0].pid
    gray = web.inject("gray", f"pod/{name}")
    web.inject("crash", f"pod/{name}")
    until(lambda: inside.attempt(f"pod/{name}").status == "INTERNAL", "it fails again")
    web.clear_faults(gray.id)
    assert ok(inside.run(f"pod/{name}", emu.Plan()))[0].pid != before


def test_a_flapping_readiness_takes_the_pod_out_and_in(web: emu.Cluster) -> None:
    name = struck(web)
    web.inject("readiness-flap", f"pod/{name}", params={"down": "4s", "up": "4s"})
    for wanted in (False, True, False):
        until(lambda w=wanted: is_ready(pod(web, name)) is w, f"ready is {wanted}")


def test_a_zombie_is_gone_from_the_api_and_answers_who_still_reaches_it(
    web: emu.Cluster, inside: emu.Client
) -> None:
    name = struck(web)
    dead = pod(web, name)
    zombie = web.inject("zombie", f"pod/{name}")
    assert dead.metadata.uid not in {p.metadata.uid for p in pods(web)}
    again = web.inject("zombie", f"pod/{name}", fault_id=zombie.id)
    assert (again.id, again.state) == (zombie.id, "in force"), "as if the first answer was lost"
    web.wait_ready()
    assert name not in {call.pod for call in ok(inside.run("service/web", emu.Plan(count=6)))}
    [answered] = ok(inside.run(f"{dead.status.pod_ip}:50051", emu.Plan()))
    assert answered.pod == name
    web.clear_faults(zombie.id)
    until(
        lambda: not inside.attempt(f"{dead.status.pod_ip}:50051", timeout_s=1).ok,
        "the kubelet has ended it",
    )


def test_a_stale_kube_proxy_sends_to_pods_that_are_gone_and_then_learns(
    web: emu.Cluster,
) -> None:
    here = nodes(web)[0]
    with web.client(f"node/{here}") as client:
        stale = web.inject("stale", f"kube-proxy/{here}")
        web.scale("deployment/web", 1)
        until(lambda: len(pods(web)) == 1, "one is left")
        until(
            lambda: (
                statuses(client.run(cluster_ip(web, "web"), emu.Plan(count=3, timeout_s=1)))
                > {"OK"}
            ),
            "the old pods are still tried",
        )
        web.clear_faults(stale.id)
        ok(client.run(cluster_ip(web, "web"), emu.Plan(count=6)))
    web.scale("deployment/web", 3)
    web.wait_ready()


def test_a_stopped_kube_proxy_forwards_nothing_new_and_the_load_balancer_notices(
    web: emu.Cluster, outside: emu.Client
) -> None:
    here, other = nodes(web)[:2]
    stop = web.inject("stop", f"kube-proxy/{here}")
    mute = outside.attempt("service/web-nodeport", node=here, timeout_s=1)
    assert mute.status in ("DEADLINE_EXCEEDED", "UNAVAILABLE")
    ok(outside.run("service/web-nodeport", emu.Plan(count=3), node=other))
    until(lambda: believed(web)[here] == "unhealthy", "the load balancer has noticed")
    ok(outside.run("service/web-lb", emu.Plan(count=6)))
    web.clear_faults(stop.id)
    ok(outside.run("service/web-nodeport", emu.Plan(count=3), node=here))
    until(lambda: believed(web)[here] == "healthy", "and notices that it is back")


def test_dns_of_a_node_fails_and_lags(web: emu.Cluster) -> None:
    here = nodes(web)[0]
    at = address_of(web, here)
    query = dns.message.make_query(HEADLESS, "A")
    with web.client(f"node/{here}") as client:
        error = web.inject("error", f"dns/{here}", params={"rcode": "SERVFAIL"})
        assert dns.query.udp(query, at, port=DNS_PORT, timeout=10).rcode() == dns.rcode.SERVFAIL
        failed = client.attempt("web.default.svc.cluster.local:80", timeout_s=3)
        assert not failed.ok
        ok(client.run(cluster_ip(web, "web"), emu.Plan(count=3)))
        web.clear_faults(error.id)
        web.inject("slow", f"dns/{here}", params={"delay": "400ms"})
        [late] = ok(client.run("web.default.svc.cluster.local:80", emu.Plan()))
        assert late.latency_s >= 0.4


def test_a_slow_control_plane_answers_late(web: emu.Cluster) -> None:
    web.inject("slow", "control-plane", params={"delay": "500ms"})
    began_s = time.monotonic()
    web.get("nodes")
    assert time.monotonic() - began_s >= 0.5


def test_a_control_plane_that_crashes_is_slow_again(web: emu.Cluster) -> None:
    def took_s() -> float:
        began_s = time.monotonic()
        web.get("nodes")
        return time.monotonic() - began_s

    before = pid_of(web, "control-plane")
    slow = web.inject("slow", "control-plane", params={"delay": "1500ms"})
    web.inject("crash", "control-plane")
    until(lambda: pid_of(web, "control-plane") not in (0, before), "there is another process")
    until(lambda: [found.id for found in web.faults()] == [slow.id], "which has the fault")
    assert took_s() >= 1.5


def test_health_checkers_lie_and_are_blind(web: emu.Cluster) -> None:
    lying = web.inject("lying", "lb/web-lb", params={"says": "unhealthy"})
    until(lambda: set(believed(web).values()) == {"unhealthy"}, "it believes its checks")
    web.clear_faults(lying.id)
    until(lambda: set(believed(web).values()) == {"healthy"}, "and the truth when it is told")
    blind = web.inject("blind", "lb/web-lb")
    web.inject("lying", "lb/web-lb", params={"says": "unhealthy"})
    assert set(believed(web).values()) == {"healthy"}, "there are no checks to lie about"
    web.clear_faults(blind.id)
    until(lambda: set(believed(web).values()) == {"unhealthy"}, "it checks again")


def test_what_a_target_cannot_have_is_refused_with_the_reason(web: emu.Cluster) -> None:
    with pytest.raises(EmuclusterError, match="no container of pod/client has a readinessProbe"):
        web.inject("readiness-flap", "pod/client")
    assert web.faults() == []
