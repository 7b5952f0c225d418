"""What is refused before anything is made, and in which words."""

import socket

import pytest

from emucluster.client import preflight
from emucluster.client.options import StartOptions
from emucluster.client.sockets_in_use import Listening, bindable, listening, parse_line
from emucluster.core.errors import PreflightFailed

TAIL = "00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0"


def test_other_systems_are_shown_the_container_that_works() -> None:
    with pytest.raises(PreflightFailed, match=r"(?s)this is Darwin.*docker run"):
        preflight.check_system(system="Darwin")


def test_an_old_python_is_named() -> None:
    with pytest.raises(PreflightFailed, match=r"3\.11 or later"):
        preflight.check_system(system="Linux", version=(3, 10))


def test_what_fits_is_let_pass() -> None:
    preflight.check_memory(StartOptions(nodes=3, pods=6), free_mb=250 + 48 * 10)


def test_too_little_memory_is_refused_with_the_packing_that_would_fit() -> None:
    with pytest.raises(PreflightFailed) as refusal:
        preflight.check_memory(StartOptions(nodes=10, pods=100), free_mb=1500)

    assert str(refusal.value) == (
        "10 nodes and 100 expected pods with packing: pod need about 5578 MB, 1500 MB are "
        "available; packing: node needs about 828 MB"
    )


def test_where_not_even_that_fits_fewer_nodes_are_offered() -> None:
    options = StartOptions(nodes=20, pods=0, packing="node")
    with pytest.raises(PreflightFailed, match="--nodes 4 would fit") as refusal:
        preflight.check_memory(options, free_mb=500)
    preflight.check_memory(StartOptions(nodes=4, pods=0, packing="node"), free_mb=500)
    assert "no packing" not in str(refusal.value)


def test_a_machine_without_memory_is_told_so() -> None:
    with pytest.raises(PreflightFailed, match="no packing fits"):
        preflight.check_memory(StartOptions(), free_mb=100)


def test_a_listener_is_read_from_the_kernels_table() -> None:
    line = f"   0: 0100107F:7580 00000000:0000 0A {TAIL}"

    assert parse_line(line) == Listening("127.16.0.1", 30080, 4711)


def test_an_ipv6_wildcard_counts_as_all_addresses_and_other_ipv6_not() -> None:
    wildcard = f"   0: {'0' * 32}:280A 00000000:0000 0A {TAIL}"
    mapped = f"   0: 0000000000000000FFFF00000100007F:280A 00000000:0000 0A {TAIL}"
    loopback = f"   0: 00000000000000000000000001000000:280A 00000000:0000 0A {TAIL}"

    assert parse_line(wildcard) == Listening("0.0.0.0", 10250, 4711)
    assert parse_line(mapped) == Listening("127.0.0.1", 10250, 4711)
    assert parse_line(loopback) is None


def test_connections_are_not_listeners() -> None:
    assert parse_line(f"   0: 0100107F:7580 0100007F:9999 01 {TAIL}") is None


def test_the_holder_of_a_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = next(entry for entry in listening() if entry.port == port)
        assert str(found).startswith(f"port {port} on 127.0.0.1 is taken by pid ")
        assert bindable("127.0.0.1", port) is not None
        assert bindable("127.0.0.2", port) is None


def test_a_wildcard_listener_on_a_port_of_ours_is_refused() -> None:
    with pytest.raises(PreflightFailed, match=r"port 10250 on all addresses .* agents need it"):
        preflight.check_ports([Listening("0.0.0.0", 10250, inode=0)])


def test_listeners_elsewhere_are_no_matter() -> None:
    preflight.check_ports([Listening("0.0.0.0", 22, 0), Listening("127.0.0.1", 10250, 0)])
