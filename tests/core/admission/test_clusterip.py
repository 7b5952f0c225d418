"""Rules of the ClusterIP allocator."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.admission.allocation import Full
from emucluster.core.admission.clusterip import Allocated, ClusterIPs, NotInRange, static_band


def allocator(cidr: str = "10.96.0.0/24", seed: int = 0) -> ClusterIPs:
    return ClusterIPs(cidr, rng=random.Random(seed))


@pytest.mark.parametrize(
    ("cidr", "band"), [("/28", 0), ("/27", 16), ("/24", 16), ("/20", 256), ("/16", 256)]
)
def test_the_static_band_is_a_sixteenth_within_bounds(cidr: str, band: int) -> None:
    assert static_band(IPv4Network(f"10.96.0.0{cidr}").num_addresses) == band


def test_chosen_addresses_come_from_the_dynamic_band_until_it_is_exhausted() -> None:
    ips = allocator()
    given_out = [int(IPv4Address(ips.allocate_next())) & 255 for _ in range(254)]
    assert sorted(given_out[:238]) == list(range(17, 255))
    assert sorted(given_out[238:]) == list(range(1, 17))
    with pytest.raises(Full, match="range is full"):
        ips.allocate_next()


def test_an_address_is_given_only_once() -> None:
    ips = allocator()
    ips.allocate("10.96.0.10")
    with pytest.raises(Allocated, match="provided IP is already allocated"):
        ips.allocate("10.96.0.10")


@pytest.mark.parametrize("ip", ["10.96.1.1", "10.96.0.0", "10.96.0.255", "fd00::1"])
def test_outside_addresses_and_those_of_the_network_are_refused(ip: str) -> None:
    with pytest.raises(NotInRange) as refused:
        allocator().allocate(ip)
    assert str(refused.value) == (
        f"the provided IP ({ip}) is not in the valid range. The range of valid IPs is 10.96.0.0/24"
    )


def test_a_range_without_addresses_is_refused() -> None:
    with pytest.raises(ValueError, match="must hold at least 2"):
        allocator("10.96.0.0/31")


operations = st.lists(
    st.one_of(
        st.just(("next", "")),
        st.tuples(st.sampled_from(["take", "release"]), st.integers(1, 30).map(lambda n: f"{n}")),
    ),
    max_size=80,
)


@given(operations, st.integers(0, 5))
def test_no_address_has_two_owners_and_released_ones_can_be_had_again(
    steps: list[tuple[str, str]], seed: int
) -> None:
    ips, owned = allocator("10.0.0.0/27", seed), set[str]()
    for what, last in steps:
        ip = f"10.0.0.{last}"
        if what == "release":
            ips.release(ip)
            owned.discard(ip)
        elif what == "take":
            if ip in owned:
                with pytest.raises(Allocated):
                    ips.allocate(ip)
            else:
                ips.allocate(ip)
                owned.add(ip)
        elif len(owned) == 30:
            with pytest.raises(Full):
                ips.allocate_next()
        else:
            dynamic = {f"10.0.0.{n}" for n in range(17, 31)}
            chosen = ips.allocate_next()
            assert chosen not in owned
            assert chosen in dynamic or dynamic <= owned
            owned.add(chosen)
        assert len(ips) == len(owned)
        assert all(ip in ips for ip in owned)


@given(operations, operations)
def test_a_transaction_that_fails_leaves_nothing(
    before: list[tuple[str, str]], inside: list[tuple[str, str]]
) -> None:
    ips = allocator("10.0.0.0/27")

    def run(steps: list[tuple[str, str]]) -> None:
        for what, last in steps:
            try:
                if what == "next":
                    ips.allocate_next()
                elif what == "take":
                    ips.allocate(f"10.0.0.{last}")
                else:
                    ips.release(f"10.0.0.{last}")
            except (Allocated, Full):
                pass

    run(before)
    held = {n for n in range(31) if f"10.0.0.{n}" in ips}

    def fail() -> None:
        with ips.transaction():
            run(inside)
            with ips.transaction(keep=False):
                run(before)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert {n for n in range(31) if f"10.0.0.{n}" in ips} == held
    assert len(ips) == len(held)
    while len(ips) < 30:  # the count of the dynamic band is right too: every address can be had
        ips.allocate_next()
