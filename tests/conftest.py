"""What all tests share: on a gate, a test that the machine permits must not skip."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

REASONS = {
    "hosts": "hosts in network namespaces",
    "filter": "this kernel lets us attach no filter",
    "user": "setpriv",
}
"""What EMUCLUSTER_MUST_RUN may name, and what the reasons of such skips contain."""


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
