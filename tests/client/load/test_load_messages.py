"""A workload in the words of load generators: who stands where and dials what, when and how."""

from __future__ import annotations

from typing import Any

import pytest

from emucluster.client.experiments.load.messages import check_hosts, group_message, resolved
from emucluster.client.experiments.load.plan import Portion
from emucluster.client.lab import Machine
from emucluster.core.errors import UsageError
from emucluster.live.load.settings import read_settings
from emucluster.live.rpc.pb import load_pb2
from tests.client.load.workload import ZONES, group


def message(*, own: tuple[int, ...] = (0,), duration_s: float = 40.0, **tree: Any) -> Any:
    """What a generator is told; that it takes it is checked here too."""
    asked = group(**tree)
    (found,) = resolved([asked], ZONES)
    gateways = [
        seat.gateway or f"127.0.0.1:{number + 1}" for number, seat in enumerate(found.seats)
    ]
    made = group_message(asked, found, Portion(0, own, 100), gateways, duration_s=duration_s)
    read_settings(load_pb2.LoadSpec(run="r", groups=[made]))
    return made


def refusal(**tree: Any) -> str:
    with pytest.raises(UsageError) as refused:
        resolved([group(), group(**tree)], ZONES)
    return str(refused.value)


# --- where to -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tree", "addresses"),
    [
        ({"target": "service/lb"}, ["127.240.0.1:8080"]),
        ({"target": "service/np"}, ["127.16.0.1:30080"]),
        ({"target": "service/np", "node": "b-1"}, ["127.16.0.2:30080"]),
        ({"target": "127.16.0.2:30080"}, ["127.16.0.2:30080"]),
        ({"target": "service/web", "source": "pod/caller"}, ["10.96.7.7:80"]),
        ({"target": "service/lb", "source": "node/a-1", "node": "b-1"}, ["127.16.0.2:31000"]),
        ({"target": "pod/caller:50051", "source": "zone/zone-a"}, ["127.32.1.9:50051"]),
    ],
)
def test_numeric_targets_are_dialled_as_they_are(
    tree: dict[str, Any], addresses: list[str]
) -> None:
    assert list(message(**tree).target.addresses) == addresses


def test_a_headless_service_is_resolved_by_grpc_at_the_dns_of_each_clients_node() -> None:
    made = message(
        target="service/headless",
        source="zone/zone-a",
        clients=2,
        own=(0, 1),
        lbPolicy="round_robin",
    )
    name = "headless.default.svc.cluster.local:50051"
    assert [c.uri for c in made.clients] == [
        f"dns://127.16.0.1:1053/{name}",
        f"dns://127.16.0.10:1053/{name}",
    ]
    assert made.target.round_robin
    assert not made.target.addresses


def test_without_a_policy_a_headless_service_sticks_to_one_pod_as_grpc_does() -> None:
    assert not message(target="service/headless", source="pod/caller").target.round_robin


def test_names_that_only_the_cluster_knows_are_left_to_the_gateway() -> None:
    made = message(target="service/ext:80", source="pod/caller")
    assert made.target.name == "ext.default.svc.cluster.local:80"


# --- where from -----------------------------------------------------------------------------------


def test_clients_of_a_zone_go_round_its_nodes_in_their_natural_order() -> None:
    made = message(target="service/web", source="zone/zone-a", clients=3, own=(0, 1, 2))
    assert [c.gateway for c in made.clients] == [
        "127.16.0.1:15001",
        "127.16.0.10:15001",
        "127.16.0.1:15001",
    ]


def test_clients_with_a_pod_share_its_gateway_and_those_outside_have_their_own() -> None:
    inside = message(target="service/web", source="pod/caller", clients=2, own=(0, 1))
    assert {c.gateway for c in inside.clients} == {"127.32.1.9:15001"}
    outside = message(clients=3, own=(0, 2))
    assert [(c.number, c.gateway) for c in outside.clients] == [
        (0, "127.0.0.1:1"),
        (2, "127.0.0.1:3"),
    ]
    assert outside.clients_in_all == 3


# --- when and how ---------------------------------------------------------------------------------


def segments(**tree: Any) -> list[tuple[float, float, float]]:
    made = message(**tree).open.segments
    return [(s.duration_s, s.from_per_s, s.to_per_s) for s in made]


def test_arrivals_are_those_of_the_whole_group() -> None:
    assert segments(arrival={"kind": "constant", "rate": 7}, clients=3) == [(0, 7, 7)]
    ramp = {"kind": "ramp", "from": 1, "to": 9}
    assert segments(arrival={**ramp, "over": "5s"}) == [(5, 1, 9), (0, 9, 9)]
    assert segments(arrival=ramp, duration_s=40.0) == [(40, 1, 9), (0, 9, 9)]
    assert segments(arrival={**ramp, "over": 0}) == [(0, 9, 9)]
    poisson = message(arrival={"kind": "poisson", "rate": 7})
    assert poisson.open.poisson
    closed = message(
        arrival={"kind": "closed", "concurrency": 6, "think": "10ms"}, clients=2
    ).closed
    assert (closed.concurrency, closed.think_s) == (3, 0.01)


def test_everything_else_of_a_group_is_passed_on() -> None:
    made = message(
        connection="pool:4",
        deadline="250ms",
        delay="5ms",
        requestBytes=10,
        replyBytes=20,
        waitForReady=True,
        method="chat",
        messages=3,
        keepalive={"time": "10s", "timeout": "2s", "withoutCalls": True},
        channelOptions={"grpc.dns_min_time_between_resolutions_ms": 500, "grpc.primary": "x"},
        serviceConfig={"methodConfig": []},
    )
    assert (made.connection, made.deadline_s, made.delay_s) == ("pool:4", 0.25, 0.005)
    assert (made.request_bytes, made.reply_bytes, made.messages) == (10, 20, 3)
    assert (made.wait_for_ready, made.method) == (True, "chat")
    keepalive = made.keepalive
    assert (keepalive.time_s, keepalive.timeout_s, keepalive.without_calls) == (10, 2, True)
    assert [(a.name, a.number, a.text) for a in made.arguments] == [
        ("grpc.dns_min_time_between_resolutions_ms", 500, ""),
        ("grpc.primary", 0, "x"),
    ]
    assert made.service_config == '{"methodConfig": []}'
    assert made.no_waiting
    assert made.max_in_flight == 100


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"target": "service/web"}, "target: service/web: is of type ClusterIP"),
        ({"target": "service/headless"}, "target: service/headless: is headless"),
        ({"target": "service/none"}, "target: services"),
        ({"target": "service/web:9", "source": "pod/caller"}, "target: service/web:9: the Service"),
        ({"target": "service/headless:9", "source": "pod/caller"}, "target: the Service has no"),
        ({"target": "pod/caller", "node": "a-1"}, "target: only a Service"),
        ({"source": "zone/mars"}, 'source: no node is in zone "mars"; zones: zone-a, zone-b'),
        ({"source": "pod/late"}, "source: a client at pod/late: pod late has no address"),
        ({"source": "node/none"}, "source: nodes"),
    ],
)
def test_what_cannot_be_is_one_error_with_the_fields_path(tree: dict[str, Any], words: str) -> None:
    assert refusal(**tree).startswith(f"workload[1].{words}")


def test_refusals_speak_of_fields_of_the_file_not_of_the_command_line() -> None:
    assert "use source: pod/NAME" in refusal(target="service/web")
    assert "--" not in refusal(target="service/pending")


def test_a_client_on_another_machines_node_is_refused() -> None:
    def machine(name: str, kind: str, host: str) -> Machine:
        return Machine(name, kind, "", "", 0, "", host, "running")

    machines = [
        machine("keeper", "keeper", "10.0.0.1"),
        machine("a-1", "node", "10.0.0.1"),
        machine("b-1", "node", "10.0.0.2"),
    ]
    near = resolved([group(target="service/web", source="node/a-1"), group()], ZONES)
    check_hosts(near, machines)
    far = resolved([group(target="service/web", source="node/b-1")], ZONES)
    with pytest.raises(UsageError, match=r"workload\[0\].source: node/b-1 is on the machine"):
        check_hosts(far, machines)
