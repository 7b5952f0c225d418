"""The addresses of a node's pods, whatever is taken and given back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.kubelet.pod_ip import NoPodIPs, PodIPs

STEPS = st.lists(st.one_of(st.none(), st.integers(0, 30)), max_size=200)
"""None: allocate; a number: give back that one of the addresses held."""


@given(STEPS)
def test_no_address_is_held_twice_or_outside_the_range(steps: list[int | None]) -> None:
    ips, held = PodIPs("127.32.9.0/28"), list[str]()
    for step in steps:
        if step is not None:
            if held:
                ips.release(held.pop(step % len(held)))
        elif len(held) < 13:
            new = ips.allocate()
            assert new not in held
            assert 2 <= int(new.rpartition(".")[2]) <= 14
            held.append(new)
        else:
            with pytest.raises(NoPodIPs):
                ips.allocate()


@given(st.integers(1, 12))
def test_an_address_comes_back_only_after_all_others(held: int) -> None:
    ips = PodIPs("127.32.9.0/28")
    first = [ips.allocate() for _ in range(held)]
    ips.release(first[0])
    rest = [ips.allocate() for _ in range(13 - held)]
    assert first[0] not in rest
    assert ips.allocate() == first[0]


def test_only_a_free_address_of_the_range_can_be_claimed() -> None:
    ips = PodIPs("127.32.9.0/24")
    assert ips.claim("127.32.9.2")
    assert not ips.claim("127.32.9.2")
    assert not ips.claim("127.32.9.1")
    assert not ips.claim("127.32.8.7")
    assert ips.allocate() == "127.32.9.3"
