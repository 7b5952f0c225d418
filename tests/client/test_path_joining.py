"""A path is joined from both 5-tuples of each hop, and what the records do not say is `?`."""

from dataclasses import replace

import pytest

from emucluster.client.path import UNKNOWN, Address, FlowIndex, Hop, entry_key

GATEWAY: Address = ("127.224.0.1", 15001)
LB: Address = ("127.240.0.1", 8080)
NODE: Address = ("127.16.0.2", 30080)
TUNNEL: Address = ("127.16.0.1", 6081)
POD: Address = ("127.32.1.5", 41001)
CLIENT = "127.224.0.1"


def hop(
    kind: str,
    host: str,
    in_: tuple[Address, Address],
    out: tuple[Address, Address] | None,
    *,
    start_s: float = 100.0,
    end_s: float | None = None,
) -> Hop:
    return Hop(
        id=f"{kind}-{in_[0][1]}",
        kind=kind,
        host=host,
        service="default/web-lb",
        endpoint="",
        in_peer=in_[0],
        in_local=in_[1],
        out_local=out[0] if out else None,
        out_peer=out[1] if out else None,
        start_s=start_s,
        end_s=end_s,
    )


EDGE = hop("edge", "edge", (("127.0.0.1", 50001), GATEWAY), ((CLIENT, 1001), LB))
BALANCER = hop("load-balancer", "lb/default/web-lb", ((CLIENT, 1001), LB), ((CLIENT, 1002), NODE))
NODE_PORT = hop("node-port", "node-2", ((CLIENT, 1002), NODE), (("127.16.0.2", 1003), TUNNEL))
FAR_END = hop("tunnel", "node-1", (("127.16.0.2", 1003), TUNNEL), (("127.16.0.2", 1004), POD))
CHAIN = (EDGE, BALANCER, NODE_PORT, FAR_END)
NO_ID = "0" * 32
SEEN: Address = ("127.16.0.2", 1004)


def answered(hops: tuple[Hop, ...]) -> list[str]:
    index = FlowIndex(hops)
    return index.answered(GATEWAY, SEEN, POD[0], start_s=100, end_s=101).labels()


def test_an_answered_call_is_joined_backwards_from_the_address_that_the_pod_saw() -> None:
    expected = ["outside", "lb/default/web-lb:8080", "node-2:30080", "node-1"]
    assert answered(CHAIN) == expected
    assert answered(tuple(reversed(CHAIN))) == expected


def test_behind_a_node_port_the_cluster_ip_is_a_step_of_the_path() -> None:
    through = replace(NODE_PORT, cluster_ip="10.97.34.218:80")
    assert answered((EDGE, BALANCER, through, FAR_END))[2:] == [
        "node-2:30080",
        "10.97.34.218:80",
        "node-1",
    ]


@pytest.mark.parametrize("lost", range(4))
def test_a_path_with_a_record_missing_is_never_told_as_whole(lost: int) -> None:
    assert UNKNOWN in answered(tuple(h for i, h in enumerate(CHAIN) if i != lost))


def test_two_records_that_fit_alike_leave_the_path_unknown() -> None:
    assert answered((*CHAIN, replace(FAR_END, id="other"))) == [UNKNOWN]


def test_the_same_addresses_in_use_again_later_belong_to_another_connection() -> None:
    earlier = tuple(replace(h, start_s=10.0, end_s=20.0) for h in CHAIN)
    assert answered((*earlier, *CHAIN)) == answered(CHAIN)
    assert answered(earlier) == [UNKNOWN]


def test_a_failed_call_is_followed_from_its_gateway_to_the_last_hop_that_saw_it() -> None:
    stuck = replace(NODE_PORT, out_local=None, out_peer=None, how="timeout")
    path = FlowIndex((EDGE, BALANCER, stuck)).entered(
        GATEWAY, start_s=100, end_s=105, flow_id=NO_ID, others=frozenset()
    )
    assert path.labels() == ["outside", "lb/default/web-lb:8080", "node-2:30080"]
    assert not path.reached_pod


def test_a_hop_that_is_connected_to_another_one_without_a_record_is_not_the_end() -> None:
    path = FlowIndex((EDGE, BALANCER)).entered(
        GATEWAY, start_s=100, end_s=105, flow_id=NO_ID, others=frozenset()
    )
    assert path.labels() == ["outside", "lb/default/web-lb:8080", UNKNOWN]
    assert not path.reached_pod


def test_a_hop_that_began_after_its_caller_had_given_up_did_not_see_the_call() -> None:
    late = replace(FAR_END, start_s=108.0)  # its node was dead, booted, and answered an old SYN
    index = FlowIndex((EDGE, BALANCER, NODE_PORT, late))
    path = index.entered(GATEWAY, start_s=100, end_s=105, flow_id=NO_ID, others=frozenset())
    assert path.hops == (EDGE, BALANCER, NODE_PORT)
    assert UNKNOWN not in path.labels()


def test_connections_of_answered_calls_are_not_taken_for_those_of_failed_ones() -> None:
    other = replace(EDGE, in_peer=("127.0.0.1", 50002), out_local=None, out_peer=None)
    index = FlowIndex((*CHAIN, other))
    both = index.entered(GATEWAY, start_s=100, end_s=105, flow_id=NO_ID, others=frozenset())
    one = index.entered(
        GATEWAY, start_s=100, end_s=105, flow_id=NO_ID, others=frozenset({entry_key(EDGE)})
    )
    assert both.labels() == [UNKNOWN]
    assert one.hops == (other,)


def test_a_failed_call_on_a_shared_connection_is_followed_while_one_alone_is_open() -> None:
    ended = replace(EDGE, in_peer=("127.0.0.1", 49999), start_s=10.0, end_s=50.0)
    index = FlowIndex((ended, *CHAIN))
    assert index.carried(GATEWAY, start_s=120, end_s=125).hops == CHAIN
    assert index.carried(GATEWAY, start_s=40, end_s=125).labels() == [UNKNOWN]


def test_the_last_hop_before_a_pod_is_one_that_neither_balances_nor_tunnels() -> None:
    assert [h.leads_on for h in CHAIN] == [True, True, True, False]


def test_connections_that_bear_the_id_of_the_call_are_its_own_whoever_else_calls() -> None:
    first = replace(EDGE, id="a" * 32, out_local=None, out_peer=None)
    again = replace(first, in_peer=("127.0.0.1", 50009), start_s=101.5)
    path = FlowIndex((*CHAIN, again, first)).entered(
        GATEWAY, start_s=100, end_s=105, flow_id="a" * 32, others=frozenset()
    )
    assert path.hops == (again,)
