"""Random histories: the table kept by difference equals one built afresh."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from emucluster.core import objects as k8s
from emucluster.core.kubeproxy.choose import NodeProxy
from emucluster.core.kubeproxy.service_ports import ServicePortName
from emucluster.core.kubeproxy.table import RouteTable
from emucluster.core.kubeproxy.verdict import Chosen

from .objects import NODE_PORT, PORT, VIP, endpoint, node, service, slice_of

NAME = ServicePortName("default", "web", "http")
NODES = ("node-1", "node-2", "node-3")
ZONES = ("zone-a", "zone-b")

endpoints = st.builds(
    endpoint,
    st.integers(2, 9).map(lambda n: f"127.32.1.{n}"),
    st.sampled_from(NODES),
    st.sampled_from(["ready", "terminating", "down", "unready"]),
    st.sampled_from([(), ("zone-a",), ("zone-b",), ("zone-a", "zone-b")]),
)
slices = st.builds(
    lambda items, name: slice_of(*items, name=name),
    st.lists(endpoints, max_size=5, unique_by=lambda e: e.addresses),
    st.sampled_from(["web-1", "web-2", "web-3"]),
)
services = st.builds(
    service,
    internal_traffic_policy=st.sampled_from(["Cluster", "Local", None]),
    external_traffic_policy=st.sampled_from(["Cluster", "Local"]),
    traffic_distribution=st.sampled_from([None, "PreferSameZone", "PreferSameNode"]),
    type=st.sampled_from(["NodePort", "LoadBalancer", "ExternalName"]),
    health_check_node_port=st.sampled_from([None, 32000]),
    session_affinity=st.sampled_from(["None", "ClientIP"]),
)
nodes = st.builds(node, st.sampled_from(NODES), st.sampled_from(ZONES))
histories = st.lists(
    st.tuples(st.sampled_from(["ADDED", "MODIFIED", "DELETED"]), services | slices | nodes),
    max_size=25,
)


def tables_after(history: list[Any]) -> tuple[RouteTable, RouteTable]:
    """The table after a history, and one that saw only what is left at its end."""
    kept, left = RouteTable(), dict[tuple[str, str], k8s.Object]()
    for event_type, obj in history:
        kept.handle(event_type, obj)
        left[obj.kind, obj.metadata.name] = obj
        if event_type == "DELETED":
            del left[obj.kind, obj.metadata.name]
    fresh = RouteTable()
    for obj in left.values():
        fresh.handle("ADDED", obj)
    return kept, fresh


def picture(table: RouteTable) -> Any:
    """Everything that choices depend on, order apart."""
    found = table.endpoints(NAME)
    zones = {n: table.nodes[n].zone for n in NODES if n in table.nodes}
    lists = {
        (n, prefer): sorted(
            e.address for e in found.usable(n, zones.get(n, ""), prefer_same_node=prefer)
        )
        for n in NODES
        for prefer in (True, False)
    }
    local = {n: sorted(e.address for e in found.usable_locally(n)) for n in NODES}
    indexes = (table.cluster_ips, table.node_ports, table.ports, table.health_check_node_ports)
    return sorted(found.all(), key=repr), lists, local, found.has_any, indexes


@given(histories)
def test_a_table_kept_by_difference_equals_one_built_afresh(history: list[Any]) -> None:
    kept, fresh = tables_after(history)
    leaving = {name for name, info in kept.nodes.items() if info.is_leaving}
    for name in leaving:
        kept.nodes.pop(name)
    assert picture(kept) == picture(fresh)
    assert picture(kept.snapshot()) == picture(fresh)


def expected(table: RouteTable, on: str, *, local: bool) -> set[str]:
    """pkg/proxy/topology.go in its own words: filter all endpoints at the time of choice."""
    every = table.endpoints(NAME).all()
    if local:
        every = [e for e in every if e.node == on]
        ready = [e for e in every if e.ready]
        return {e.ip for e in ready or [e for e in every if e.serving and e.terminating]}
    ready = [e for e in every if e.ready]
    if not ready:
        return {e.ip for e in every if e.serving and e.terminating}
    port = table.ports[NAME]
    zone = table.nodes[on].zone if on in table.nodes else ""
    if port.prefer_same_node and any(e.node == on for e in ready):
        return {e.ip for e in ready if e.node == on}
    if all(e.zones for e in ready) and any(zone in e.zones for e in ready):
        return {e.ip for e in ready if zone in e.zones}
    return {e.ip for e in ready}


@given(histories, st.sampled_from(NODES), st.sampled_from(["rr", "random"]))
def test_a_round_visits_exactly_the_usable_endpoints(
    history: list[Any], on: str, mode: Any
) -> None:
    table, _ = tables_after([*history, ("MODIFIED", service(external_traffic_policy="Local"))])
    proxy = NodeProxy(on, table, mode=mode, rng=random.Random(3))
    for local in (False, True):
        chosen = []
        for _ in range(24):
            if local:
                verdict = proxy.choose_node_port(NODE_PORT, "127.224.0.1", 0.0)
            else:
                verdict = proxy.choose_cluster_ip(VIP, PORT, "127.32.9.9", 0.0)
            chosen += [verdict.ip] if isinstance(verdict, Chosen) else []
        wanted = expected(table, on, local=local)
        assert set(chosen) <= wanted
        assert bool(chosen) == bool(wanted)
        if mode == "rr" and wanted:
            counts = [chosen.count(ip) for ip in wanted]
            assert max(counts) - min(counts) <= 1


@given(histories, st.integers(0, 24))
def test_listeners_told_by_changes_equal_those_of_the_whole_table(
    history: list[Any], look_after: int
) -> None:
    table = RouteTable()
    proxy = NodeProxy("node-1", table, rng=random.Random(1))
    known: dict[int, Any] = {}
    for at, (event_type, obj) in enumerate(history):
        table.handle(event_type, obj)
        if at >= look_after or at == len(history) - 1:
            for port, listen in proxy.take_listener_changes():
                known[port] = listen
    assert {listen for listen in known.values() if listen} == proxy.listeners()
    assert proxy.take_listener_changes() == []


@given(histories, histories)
def test_a_list_played_over_an_old_state_leaves_only_what_it_has(
    before: list[Any], after: list[Any]
) -> None:
    table, _ = tables_after(before)
    _, fresh = tables_after(after)
    table.sync(fresh._objects.values())
    for name in [n for n in table.nodes if n not in fresh.nodes]:
        assert table.nodes.pop(name).is_leaving
    assert picture(table) == picture(fresh)


def test_an_endpoint_more_does_not_touch_the_others() -> None:
    many = [endpoint(f"127.32.{n >> 8}.{n & 255}") for n in range(1000)]
    table = RouteTable()
    table.handle("ADDED", service())
    table.handle("ADDED", slice_of(*many))
    before = list(table.endpoints(NAME).usable("node-1", "").items)
    table.handle("MODIFIED", slice_of(*many, endpoint("127.33.0.1")))
    after = table.endpoints(NAME).usable("node-1", "").items
    assert all(a is b for a, b in zip(before, after, strict=False))
    assert after[-1].ip == "127.33.0.1"


def test_an_address_in_two_slices_counts_once_and_outlives_one_of_them() -> None:
    table = RouteTable()
    table.handle("ADDED", slice_of(endpoint("127.32.1.2", conditions="terminating"), name="web-1"))
    table.handle("ADDED", slice_of(endpoint("127.32.1.2"), name="web-2"))
    assert [e.ready for e in table.endpoints(NAME).usable("node-1", "")] == [True]
    table.handle("DELETED", slice_of(name="web-2"))
    assert [e.terminating for e in table.endpoints(NAME).usable("node-1", "")] == [True]


def test_a_node_port_taken_over_by_another_service_survives_the_late_delete() -> None:
    table = RouteTable()
    old, new = service(), k8s.replace(service(), metadata=k8s.ObjectMeta(name="b", namespace="x"))
    table.handle("ADDED", old)
    table.handle("ADDED", new)
    table.handle("DELETED", old)
    assert table.node_ports[NODE_PORT].name.name == "b"
    assert table.is_cluster_ip(VIP)
