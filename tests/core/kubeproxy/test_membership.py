"""Whom a proxy would choose: told by difference, it equals what choosing itself would find."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given

from emucluster.core.kubeproxy.choose import NodeProxy
from emucluster.core.kubeproxy.membership import Membership
from emucluster.core.kubeproxy.service_ports import ServicePortName
from emucluster.core.kubeproxy.table import RouteTable
from emucluster.core.kubeproxy.topology import Address
from emucluster.core.objects import Node

from .objects import endpoint, node, service, slice_of
from .test_table import histories

NAME = ServicePortName("default", "web", "http")


class Watched:
    """A proxy of node-1, and what its membership told."""

    def __init__(self) -> None:
        self.table = RouteTable()
        self.proxy = NodeProxy("node-1", self.table, rng=random.Random(1))
        self.told: list[tuple[Address, bool]] = []
        self.members: set[Address] = set()
        self.membership = Membership(self.proxy, self._take)
        self.table.on_change = self.membership.handle

    def _take(self, name: ServicePortName, address: Address, is_chosen: bool) -> None:
        assert name == NAME
        assert is_chosen != (address in self.members)
        (self.members.add if is_chosen else self.members.remove)(address)
        self.told.append((address, is_chosen))

    def handle(self, *objects: Any) -> None:
        for obj in objects:
            self.table.handle("MODIFIED", obj)

    def chosen(self) -> set[Address]:
        return {e.address for each in self.proxy.usable(NAME) for e in each}


@given(histories)
def test_after_any_history_it_has_told_exactly_whom_the_proxy_would_choose(
    history: list[Any],
) -> None:
    watched = Watched()
    for event_type, obj in history:
        watched.table.handle(event_type, obj)
        if isinstance(obj, Node):
            watched.membership.refresh()
        assert watched.members == watched.chosen()


def test_only_what_changed_is_told() -> None:
    watched = Watched()
    some = [endpoint(f"127.32.1.{n}") for n in range(2, 7)]
    watched.handle(service(), slice_of(*some))
    assert len(watched.told) == 5
    watched.handle(slice_of(*some[:-1]))
    assert watched.told[5:] == [(("127.32.1.6", 8080), False)]


def test_endpoints_that_stand_in_are_told_when_the_last_ready_one_goes() -> None:
    watched = Watched()
    watched.handle(service(), slice_of(endpoint("127.32.1.2"), endpoint("127.32.1.3", "node-2")))
    watched.handle(
        slice_of(
            endpoint("127.32.1.2", conditions="terminating"),
            endpoint("127.32.1.3", "node-2", conditions="unready"),
        )
    )
    assert watched.members == {("127.32.1.2", 8080)}
    assert watched.told[2:] == [(("127.32.1.3", 8080), False)]


def test_under_policy_local_both_ways_in_count() -> None:
    watched = Watched()
    local = service(external_traffic_policy="Local")
    ends = [
        endpoint("127.32.1.2", "node-1", conditions="terminating"),
        endpoint("127.32.2.2", "node-2"),
    ]
    watched.handle(node("node-1"), local, slice_of(*ends))
    assert watched.members == {("127.32.1.2", 8080), ("127.32.2.2", 8080)}


def test_a_service_that_is_not_proxied_any_more_has_no_members() -> None:
    watched = Watched()
    watched.handle(service(), slice_of(endpoint("127.32.1.2")), service(type="ExternalName"))
    assert watched.members == set()
