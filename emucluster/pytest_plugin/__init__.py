"""The pytest plugin: test a gRPC client of your own against a cluster that you break.

    def test_retries_hide_a_node_loss(emucluster):
        emucluster.apply(MANIFEST)
        emucluster.wait_ready()
        stub = MyStub(emucluster.channel("service/web-lb"))
        emucluster.inject("power-off", "node/node-2")
        assert all(stub.Get(request, timeout=5) for _ in range(50))

One cluster is started by the first test that asks for it and ends with the session, also when that
is killed. With pytest-xdist each worker that runs such a test has a cluster of its own: faults are
felt by everybody in a cluster, so tests that run at the same time cannot share one.

Who does not use it pays for this file alone: everything else is imported by the fixtures.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from emucluster.pytest_plugin.session import NamespaceSession
    from emucluster.pytest_plugin.shared import SharedCluster

OPTIONS: dict[str, tuple[type, object, str]] = {
    "nodes": (int, 3, "worker nodes"),
    "zones": (int, 2, "availability zones"),
    "cloud": (str, "aws-nlb", "whose load balancers, or none"),
    "packing": (str, "pod", "pod, a process for each pod, or node"),
    "speed": (float, 20.0, "divides configured durations such as leases and probe periods"),
}
"""Option -> type, default and help; `--emucluster-nodes`, or `emucluster_nodes` in the ini-file."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("emucluster", "the cluster of the fixture emucluster")
    for name, (_type, default, words) in OPTIONS.items():
        told = f"{words} [{default}]"
        group.addoption(f"--emucluster-{name}", metavar="VALUE", help=told)
        parser.addini(f"emucluster_{name}", told, default=None)
    group.addoption(
        "--emucluster-use",
        metavar="NAME",
        help="use this running cluster instead of starting one; its faults are cleared",
    )


@pytest.fixture(scope="session")
def emucluster_options(pytestconfig: pytest.Config) -> dict[str, Any]:
    """What the session's cluster is to be, as `emu.Cluster` takes it; override it for more."""
    return {name: _chosen(pytestconfig, name) for name in OPTIONS}


def _chosen(config: pytest.Config, name: str) -> object:
    type_, default, _words = OPTIONS[name]
    given = config.getoption(f"emucluster_{name}") or config.getini(f"emucluster_{name}")
    if not given:
        return default
    try:
        return type_(given)
    except ValueError:
        raise pytest.UsageError(
            f"emucluster_{name}: must be of type {type_.__name__}, got {given!r}"
        ) from None


@pytest.fixture(scope="session")
def _emucluster_shared(
    request: pytest.FixtureRequest, emucluster_options: dict[str, Any]
) -> Iterator[SharedCluster]:
    from emucluster.pytest_plugin.shared import SharedCluster

    worker = getattr(request.config, "workerinput", {}).get("workerid", "")
    shared = SharedCluster(
        emucluster_options, worker=worker, use=request.config.getoption("emucluster_use")
    )
    yield shared
    shared.stop()


@pytest.fixture
def emucluster(
    request: pytest.FixtureRequest, _emucluster_shared: SharedCluster
) -> Iterator[NamespaceSession]:
    """The cluster, seen from a namespace of this test's own.

    After the test its faults are cleared, its namespace is deleted, and the cluster is whole again
    before the next one; a test after which that is not so has an error, and a new cluster follows.
    """
    session = _emucluster_shared.begin(request.node.name)
    yield session
    if problems := _emucluster_shared.end(session):
        pytest.fail("\n".join(problems), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test tells which faults there were and what became of the connections."""
    report = yield
    if report.when == "call" and report.failed:
        session: Any = getattr(item, "funcargs", {}).get("emucluster")
        if hasattr(session, "evidence"):  # else it is somebody else's fixture of this name
            report.sections.append(("emucluster", session.evidence()))
    return report
