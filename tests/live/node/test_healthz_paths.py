"""What kube-proxy's health port answers, on real sockets."""

from __future__ import annotations

import pytest

from emucluster.core.addresses import HEALTHZ_PORT
from emucluster.live.network import probe
from tests.live.node.test_proxy_faults import ADDRESS, Proxy, with_proxy

pytestmark = pytest.mark.live


@pytest.mark.parametrize(
    ("path", "healthy"),
    [("/healthz", True), ("/livez", True), ("/healthz?verbose", True), ("/nobody", False)],
)
def test_healthz_and_livez_are_answered_and_no_other_path(path: str, healthy: bool) -> None:
    async def body(_proxy: Proxy) -> None:
        passed, why = await probe.http((ADDRESS, HEALTHZ_PORT), path, timeout_s=5)
        assert passed is healthy, why
        assert healthy or "404" in why

    with_proxy(body)
