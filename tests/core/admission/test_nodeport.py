"""Rules of the nodePort allocator."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.admission.allocation import Full
from emucluster.core.admission.nodeport import (
    NodePorts,
    PortAllocated,
    PortNotInRange,
    static_band,
)


def allocator(ports: range = range(30000, 32768), seed: int = 0) -> NodePorts:
    return NodePorts(ports, rng=random.Random(seed))


@pytest.mark.parametrize(("ports", "band"), [(16, 0), (17, 16), (2768, 86), (60000, 128)])
def test_the_static_band_is_a_thirty_second_within_bounds(ports: int, band: int) -> None:
    assert static_band(ports) == band


def test_chosen_ports_come_from_the_dynamic_band_until_it_is_exhausted() -> None:
    ports = allocator()
    given_out = [ports.allocate_next() for _ in range(2768)]
    assert sorted(given_out[:2682]) == list(range(30086, 32768))
    assert sorted(given_out[2682:]) == list(range(30000, 30086))
    with pytest.raises(Full, match="range is full"):
        ports.allocate_next()


def test_a_port_is_given_only_once() -> None:
    ports = allocator()
    ports.allocate(30080)
    with pytest.raises(PortAllocated, match=r"^provided port is already allocated$"):
        ports.allocate(30080)


@pytest.mark.parametrize("port", [80, 29999, 32768, 0])
def test_a_port_outside_of_the_range_is_refused(port: int) -> None:
    with pytest.raises(PortNotInRange) as refused:
        allocator().allocate(port)
    assert str(refused.value) == (
        "provided port is not in the valid range. The range of valid ports is 30000-32767"
    )


@pytest.mark.parametrize("ports", [range(5, 5), range(9), range(1, 9, 2), range(60000, 70000)])
def test_an_impossible_range_is_refused(ports: range) -> None:
    with pytest.raises(ValueError, match="node port range"):
        allocator(ports)


@given(
    st.lists(
        st.one_of(st.none(), st.tuples(st.booleans(), st.integers(100, 139)), st.just((True, 120))),
        max_size=120,
    ),
    st.integers(0, 5),
)
def test_no_port_has_two_owners_and_released_ones_can_be_had_again(
    steps: list[tuple[bool, int] | None], seed: int
) -> None:
    ports, owned = allocator(range(100, 140), seed), set[int]()
    for step in steps:
        if step is None and len(owned) == 40:
            with pytest.raises(Full):
                ports.allocate_next()
        elif step is None:
            chosen = ports.allocate_next()
            assert chosen not in owned
            assert chosen >= 116 or set(range(116, 140)) <= owned
            owned.add(chosen)
        elif step[0] and step[1] not in owned:
            ports.allocate(step[1])
            owned.add(step[1])
        elif step[0]:
            with pytest.raises(PortAllocated):
                ports.allocate(step[1])
        else:
            ports.release(step[1])
            owned.discard(step[1])
        assert {port for port in range(100, 140) if port in ports} == owned
