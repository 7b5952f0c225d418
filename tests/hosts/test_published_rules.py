"""The rules behind several machines, without any: what is announced, dialled, let in and joined."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.client.path import Hop
from emucluster.core.addresses import node_gateway
from emucluster.core.errors import UsageError
from emucluster.live.keeper.__main__ import check_bind
from emucluster.live.keeper.edge import outside_route
from emucluster.live.network.routes import Deny, Route
from emucluster.live.node.annotations import decode_address, decode_ports, encode_ports

PORTS = st.integers(1, 65535)
PLACES = st.tuples(st.ip_addresses(v=4).map(str), PORTS)


@given(st.dictionaries(PORTS, PLACES))
def test_announced_ports_are_read_as_they_were_written(ports: dict[int, tuple[str, int]]) -> None:
    assert decode_ports(encode_ports(ports)) == ports


@given(st.text())
def test_an_annotation_that_somebody_else_wrote_is_no_error(text: str) -> None:
    assert all(isinstance(port, int) for port in decode_ports(text))
    decode_address(text)


def test_the_gateway_of_a_node_is_never_at_an_address_that_other_machines_reach() -> None:
    assert node_gateway("127.16.0.2", "127.32.2.0/24") == "127.16.0.2"
    assert node_gateway("192.0.2.7", "127.32.2.0/24") == "127.32.2.1"


def route(host: str, port: int, real: tuple[str, int]) -> Any:
    return outside_route(
        host,
        port,
        "127.224.0.1",
        nodes={"127.16.0.2", "192.0.2.7"},
        load_balancers={"127.240.0.1"},
        real=lambda _address: real,
        bind="192.0.2.1",
    )


def test_what_is_on_this_machine_sees_the_outside_clients_own_address() -> None:
    near = ("127.16.0.2", 30080)
    assert route(*near, real=near) == Route(near, source="127.224.0.1", hop="edge")
    assert route("127.240.0.1", 80, near).source == "127.224.0.1"


def test_what_is_on_another_machine_is_dialled_where_it_is_published_from_bind() -> None:
    far = ("192.0.2.7", 40000)
    assert route("127.16.0.2", 30080, real=far) == Route(far, source="192.0.2.1", hop="edge")


@pytest.mark.parametrize("target", [("192.0.2.7", 22), ("192.0.2.7", 10250), ("192.0.2.9", 30080)])
def test_nothing_else_of_other_machines_is_let_in(target: tuple[str, int]) -> None:
    assert isinstance(route(*target, real=target), Deny)


@pytest.mark.parametrize("bind", ["0.0.0.0", "192.0.2.1", "here", "127.0.0.1"])
def test_bind_must_be_one_address_of_this_machine_that_others_can_dial(bind: str) -> None:
    with pytest.raises(UsageError, match=f"--bind {bind}"):
        check_bind(bind, several_hosts=True)


def hop(**changes: Any) -> Hop:
    fields: dict[str, Any] = {
        "id": "",
        "kind": "node-port",
        "host": "node-5",
        "service": "default/web",
        "endpoint": "127.32.1.3:50051",
        "in_peer": ("192.0.2.1", 50000),
        "in_local": ("192.0.2.7", 41000),
        "out_local": ("192.0.2.7", 50001),
        "out_peer": ("192.0.2.1", 42000),
        "start_s": 1.0,
        "end_s": 2.0,
    }
    return Hop(**{**fields, **changes})


def test_a_hop_into_a_tunnel_at_any_port_leads_on_and_one_into_a_pod_does_not() -> None:
    assert hop().leads_on
    assert not hop(out_peer=("127.32.1.3", 43595)).leads_on


def test_a_published_nodeport_is_called_by_the_port_that_it_stands_for() -> None:
    assert hop(asked="127.16.0.5:30080").label() == "node-5:30080"
