"""The hosts, made once for all tests of this package, and looked after when they are gone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.hosts import TAG, Hosts, script, why_not


@pytest.fixture(scope="package")
def hosts() -> Iterator[Hosts]:
    """Three hosts with a Ray across them."""
    if reason := why_not():
        pytest.skip(f"hosts in network namespaces: {reason}")
    made = script("up")
    try:
        assert made.returncode == 0, made.stderr
        told = dict(
            line.split("=", 1) for line in made.stdout.splitlines() if not line.startswith("#")
        )
        yield Hosts(told["EMU_RAY_ADDRESS"], told["EMU_BIND"], told["RAY_AUTH_TOKEN_PATH"])
    finally:
        gone = script("down")
    assert gone.returncode == 0, gone.stderr
    left = [path for path in Path("/run/netns").glob(f"emu{TAG}[0-9]")]
    left += [path for path in Path("/sys/class/net").glob(f"*emu{TAG}[0-9]*")]
    left += [path for path in Path("/tmp").glob(f"emu-hosts{TAG}*")]
    assert left == [], "what the script made is removed by it"
