"""Who has which address of a slice."""

from ipaddress import IPv4Address

import pytest

from emucluster.core.addresses import CONTROL_PLANES, NODES_MAX, SLICES, Slice


def test_a_control_plane_has_an_address_that_nobody_else_of_any_slice_has() -> None:
    planes = {Slice(i).control_plane(n) for i in range(SLICES) for n in range(CONTROL_PLANES)}
    assert len(planes) == SLICES * CONTROL_PLANES
    for index in range(SLICES):
        addresses = Slice(index)
        nodes = {addresses.node(number) for number in range(1, NODES_MAX + 1)}
        assert not planes & {*nodes, addresses.keeper}
        for number in (0, CONTROL_PLANES - 1):
            found = IPv4Address(addresses.control_plane(number))
            assert found in addresses.nodes
            assert found not in addresses.pods


def test_no_control_plane_has_an_address_that_ends_like_one_of_a_network() -> None:
    ends = {Slice(0).control_plane(n).rpartition(".")[2] for n in range(CONTROL_PLANES)}
    assert ends == {str(number) for number in range(1, 255)}


@pytest.mark.parametrize("number", [-1, CONTROL_PLANES])
def test_a_draw_beyond_the_range_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="control plane: must be between 0 and"):
        Slice(0).control_plane(number)
