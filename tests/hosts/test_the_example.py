"""examples/several_hosts.py does what it says, as a user would run it."""

import sys

import pytest

from tests.hosts.hosts import ROOT, Hosts

pytestmark = [pytest.mark.live, pytest.mark.hosts]

ALL = (1, 2, 3)


@pytest.mark.slow
def test_it_calls_pods_on_every_machine_and_tells_what_is_published(hosts: Hosts) -> None:
    example = str(ROOT / "examples" / "several_hosts.py")
    found = hosts.run(
        *(1, sys.executable, example), "--ray-address", hosts.ray_address, "--bind", hosts.bind
    ).stdout
    for host in ALL:
        assert f"node-{host} in zone-{'abc'[host - 1]} runs on {hosts.address(host)}" in found
        assert f" on node-{host}: cluster-ip@" in found
    # Six flows over three nodes: two share a node, whose kube-proxy takes pods in turn.
    assert sum(f" on node-{host}: outside > lb/default/web-lb:8080" in found for host in ALL) >= 2
    assert f"lb/default/web-lb:8080 at {hosts.bind}:" in found
