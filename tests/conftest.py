"""What all tests share: who runs beside whom, and what must not be skipped on a gate."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

REASONS = {
    "hosts": "hosts in network namespaces",
    "filter": "this kernel lets us attach no filter",
    "user": "setpriv",
    "quiet": "the machine is too busy",
    "kubectl": "there is no kubectl here",
}
"""What EMUCLUSTER_MUST_RUN may name, and what the reasons of such skips contain."""

TOGETHER = (
    "tests/hosts/",
    "tests/kubernetes/cluster/",
    "tests/live/network/",
    "tests/lab/in_real_time/",
    "tests/lab/",
)
"""Directories that one worker runs as a whole: they share a cluster, or addresses and ports."""
CLUSTERS = ("started", "small", "cluster", "quick", "real_time", "hosts")
"""Fixtures that are clusters, or hosts for some: of the whole session or less."""
SHARED = ("started", "small")
"""Clusters that several files share; where several workers run such files, each has its own."""

# How long an example takes tells of the machine, which others may keep busy.
_ANY_PACE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", _ANY_PACE, max_examples=50)
settings.register_profile("thorough", _ANY_PACE, max_examples=1000)
settings.load_profile("thorough" if os.environ.get("EMUCLUSTER_THOROUGH") else "quick")


class ByCluster(LoadFileScheduling):
    """A file's tests stay with one worker, which starts the clusters that they share."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return next((each for each in TOGETHER if file.startswith(each)), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByCluster:
    """With `-n`, files are handed out in the order that `pytest_collection_modifyitems` gives."""
    config.option.loadscopereorder = False
    return ByCluster(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `-n`, files that take long begin first, and those that share a cluster are neighbours.

    So each worker starts a shared cluster once, and short tests fill what time is left at the end.
    """
    if not hasattr(config, "workerinput"):
        return
    turns: dict[Path, int] = {}
    for item in items:
        turns[item.path] = min(_turn(item), turns.get(item.path, 9))
    items.sort(key=lambda item: turns[item.path])


def _turn(item: pytest.Item) -> int:
    if item.nodeid.startswith(TOGETHER):
        return 0
    for turn, cluster in enumerate(SHARED, 2):
        if cluster in getattr(item, "fixturenames", ()):
            return turn
    return 1 if item.get_closest_marker("live") else 9


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, None, None]:
    """A shared cluster ends when the next test does without it.

    Kept until the session's end, as pytest would, the clusters of all workers together would want
    more slices of addresses than a machine has.
    """
    yield
    wanted = getattr(nextitem, "fixturenames", ())
    for name in CLUSTERS:
        if name not in wanted and name in getattr(item, "fixturenames", ()):
            request = item._request
            for definition in request._fixturemanager.getfixturedefs(name, item) or ():
                if definition.scope in ("package", "session"):
                    definition.finish(request)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where EMUCLUSTER_MUST_RUN says that the machine can run it."""
    report = yield
    demanded = [REASONS[name] for name in os.environ.get("EMUCLUSTER_MUST_RUN", "").split() if name]
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = _reason(report.longrepr)
        if any(text in reason for text in demanded):
            report.outcome = "failed"
            report.longrepr = f"skipped, though this machine permits it: {reason}"
    return report


def _reason(longrepr: Any) -> str:
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)
