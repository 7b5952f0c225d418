"""The hosts, made once for all tests of this package, and looked after when they are gone."""

from collections.abc import Iterator

import pytest

from tests.hosts.hosts import Hosts, hosts_with_ray, why_not


@pytest.fixture(scope="package")
def hosts() -> Iterator[Hosts]:
    """Three hosts with a Ray across them."""
    if reason := why_not():
        pytest.skip(f"hosts in network namespaces: {reason}")
    with hosts_with_ray() as found:
        yield found
