"""Every cell of the demo's table follows from the call records."""

from __future__ import annotations

from typing import Any

from examples.demo.table import causes, explain_causes, outage_s, render, table

NODES = {f"node-{n}": {"zone": "zone-a", "address": f"127.16.0.{n}"} for n in (1, 2, 3)}
LOST_AT_S = 1000.0
Record = dict[str, Any]


def call(column: str, phase: str, ok: bool = True, **more: Any) -> Record:
    return {
        "column": column,
        "phase": phase,
        "ok": ok,
        "group": column,
        "source": "outside",
        "dialled": "127.16.0.1:30080",
        "pod": "web-1-aaaaa" if ok else None,
        "entry_node": "node-1" if ok else None,
        "path": [],
        "last_hop": None,
        "status": "OK" if ok else "DEADLINE_EXCEEDED",
        "error": None if ok else "Deadline Exceeded",
        "started_s": LOST_AT_S,
        **more,
    }


def data(*calls: Record, speed: float = 10.0, fault: bool = True) -> Record:
    dead = {"node": "node-2", "injected_s": LOST_AT_S, "for_s": 9.0, "pods": ["web-1-bbbbb"]}
    return {
        "cluster": {"speed": speed, "nodes": NODES},
        "fault": dead if fault else None,
        "calls": list(calls),
    }


def cell(document: Record, row: str, column: str) -> str:
    rows = table(document)
    found = next(line for line in rows if line[0].strip() == row)
    return found[rows[0].index(column)]


def stuck(kind: str, host: str, to: str = "", how: str = "timeout") -> Record:
    hop = {"kind": kind, "host": host, "to": to, "how": how}
    return call("LoadBalancer", "failure", ok=False, last_hop=hop)


def test_what_answered_was_reached_and_what_did_not_says_why() -> None:
    refused = call("ClusterIP", "reach", ok=False, error="refused by edge: no route from outside")
    document = data(refused, refused, call("NodePort", "reach"))
    assert cell(document, "reached from outside", "ClusterIP") == "no: no route"
    assert cell(document, "reached from outside", "NodePort") == "yes, 1 of 1"
    assert cell(document, "reached from outside", "Headless") == "not tried"


def test_a_service_that_answers_some_calls_is_reached_partly() -> None:
    document = data(call("NodePort", "reach"), call("NodePort", "reach", ok=False))
    assert cell(document, "reached from outside", "NodePort") == "partly, 1 of 2"


def test_addresses_are_those_at_which_calls_were_answered() -> None:
    addresses = [f"127.16.0.{n}:30080" for n in (1, 2)]
    calls = [call("NodePort", "reach", dialled=address) for address in addresses]
    silent = call("NodePort", "reach", ok=False, dialled="127.16.0.3:30080")
    assert table(data(*calls, silent))[2][2] == "\n".join(addresses)


def test_pods_and_entry_nodes_are_counted_with_as_many_replicas_as_answered() -> None:
    names = ["web-1-aaaaa", "web-1-bbbbb", "web-1-aaaaa"]
    calls = [call("LoadBalancer", "spread", pod=pod, entry_node=f"node-{1 + i % 2}")
             for i, pod in enumerate(names)]  # fmt: skip
    assert cell(data(*calls), "calls by pod", "LoadBalancer") == "aaaaa: 2\nbbbbb: 1"
    assert cell(data(*calls), "calls by entry node", "LoadBalancer") == "node-1: 2\nnode-2: 1"
    assert cell(data(calls[0]), "calls by pod", "LoadBalancer") == "aaaaa: 1"


def test_a_cell_of_many_pods_stays_short() -> None:
    calls = [call("ClusterIP", "spread", source="pod", pod=f"web-1-{n:05}") for n in range(9)]
    assert cell(data(*calls), "calls by pod", "ClusterIP").endswith("and 6 more")


def test_without_a_cloud_the_load_balancer_is_pending_and_nothing_was_lost_behind_it() -> None:
    pending = call("LoadBalancer", "reach", ok=False, error="EXTERNAL-IP is <pending>: no cloud")
    document = data(pending, {**pending, "phase": "no-cloud"}, call("NodePort", "no-cloud"))
    assert cell(document, "reached from outside", "LoadBalancer") == "no: <pending>"
    assert cell(document, "needs a cloud", "LoadBalancer") == "yes, else <pending>"
    assert cell(document, "needs a cloud", "NodePort") == "no"
    assert cell(document, "lost when node died", "LoadBalancer") == "not tried"
    assert explain_causes(document) == [
        "No calls went through a load balancer while the node was dead: there is none."
    ]


def test_a_service_whose_calls_pass_a_load_balancer_needs_a_cloud() -> None:
    through = call("NodePort", "no-cloud", path=["outside", "lb/default/web-lb:8080", "node-1"])
    assert cell(data(through), "needs a cloud", "NodePort") == "yes"


def test_counts_of_lost_calls_are_never_scaled_and_seconds_are_told_both_ways() -> None:
    calls = [
        call("ClusterIP", "failure", ok=False, started_s=LOST_AT_S + 4.1),
        call("ClusterIP", "failure", started_s=LOST_AT_S + 4.3),
    ]
    document = data(*calls, speed=10)
    assert cell(document, "lost when node died", "ClusterIP") == "1 of 2"
    assert cell(document, "for how long", "ClusterIP") == "4.1 s"
    assert cell(document, "x 10", "ClusterIP") == "41 s"
    assert "x 1" not in [row[0].strip() for row in table(data(*calls, speed=1))]


def test_groups_of_clients_are_told_apart() -> None:
    dead = call("NodePort", "failure", ok=False, group="node-2")
    document = data(dead, call("NodePort", "failure", group="node-1"))
    assert cell(document, "lost when node died", "NodePort") == "node-2: 1 of 1\nnode-1: 0 of 1"
    assert cell(document, "for how long", "NodePort") == "node-2: to the end\nnode-1: 0.0 s"


def test_a_call_under_way_when_the_power_went_was_lost_at_that_moment() -> None:
    calls = [
        call("ClusterIP", "failure", ok=False, started_s=LOST_AT_S - 0.01),
        call("ClusterIP", "failure", started_s=LOST_AT_S + 1),
    ]
    assert outage_s(data(*calls), calls) == 0.0


def test_the_causes_of_loss_are_told_by_the_last_hop_that_saw_the_call() -> None:
    document = data(
        stuck("load-balancer", "lb/default/web-lb", to="127.16.0.2:31000"),
        stuck("load-balancer", "lb/default/web-lb", to="127.16.0.3:31000", how="refused"),
        stuck("node-port", "node-3"),
        stuck("node-port", "node-3"),
        stuck("tunnel", "node-2") | {"path": ["outside", "node-3:31000", "node-2"]},
        stuck("tunnel", "node-3") | {"path": ["outside", "node-2:31000", "node-3"]},
        stuck("load-balancer", "lb/default/web-lb", to="127.16.0.2:31000")
        | {"started_s": LOST_AT_S + 9.1},
        call("LoadBalancer", "failure", ok=False),
        call("LoadBalancer", "failure"),
    )
    counted = {cause: len(calls) for cause, calls in causes(document).items()}
    assert counted == {
        "detection": 1,
        "endpoints": 2,
        "no pod left": 1,
        "on the node": 2,
        "boot": 1,
        "unknown": 1,
    }


def test_an_address_that_only_begins_alike_is_another_node() -> None:
    document = data(stuck("load-balancer", "lb/default/web-lb", to="127.16.0.22:31000"))
    assert not causes(document)["detection"]


def test_a_dead_node_without_pods_explains_why_no_endpoint_was_to_blame() -> None:
    document = data(stuck("load-balancer", "lb/default/web-lb", to="127.16.0.2:31000"))
    document["fault"]["pods"] = []
    assert any("None of the Service's pods" in line for line in explain_causes(document))


def test_the_printed_table_is_a_grid_with_every_line_of_every_cell() -> None:
    lines = render([["", "A"], ["row", "1\n2"], ["  sub", "3"]]).split("\n")
    assert lines == ["      | A", "------+--", "row   | 1", "      | 2", "  sub | 3"]
