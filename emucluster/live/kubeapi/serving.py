"""The Kubernetes API of one control plane, from its credentials to its open port."""

from __future__ import annotations

from emucluster.core.addresses import KUBE_API_PORT
from emucluster.live.clock import now_s, stamp
from emucluster.live.control.driver import Driver
from emucluster.live.control.front import Front
from emucluster.live.control.late_answers import LateAnswers

from .api import KubeApi
from .app import App
from .credentials import Credentials
from .requests_seen import RequestsSeen
from .server import KubeServer
from .streams.ways import Ways


class Serving:
    """Serves `driver`'s store at `address`:`port`, through the links of `front`.

    `ways` lead to nodes; beside the `credentials` the kubeconfig files appear.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        address: str,
        credentials: Credentials,
        ways: Ways,
        late: LateAnswers | None = None,
        port: int = KUBE_API_PORT,
    ) -> None:
        self.address = f"{address}:{port}"
        self._at = (address, port)
        self._credentials = credentials
        self.api = KubeApi(driver, address=self.address, ways=ways, late=late)
        self.seen = RequestsSeen()
        app = App(self.api, self._credentials.tokens, self.seen)
        self._server = KubeServer(app, self._credentials.authority.server([address]))

    async def open(self, front: Front, behind: str) -> None:
        """Listen; the server itself at `behind`. Raises OSError when the port is taken."""
        plane = self.api.driver.plane
        await self.api.write(lambda: plane.serve_at(*self._at, now_s=now_s(), stamp=stamp()))
        front.open(*self._at, await self._server.open(behind, 0))
        self._credentials.write_kubeconfigs(f"https://{self.address}")

    async def aclose(self, grace_s: float) -> None:
        """End watches, and what else is under way within `grace_s`."""
        self.api.hub.stop()
        await self._server.aclose(grace_s)
