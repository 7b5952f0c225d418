"""The API server's own address, through links of its own.

gRPC's sockets are its own, so that no fault of a link could act on them. Connections arrive here
and go on to the server, which listens on the loopback; nodes dial from addresses of their own.
"""

from __future__ import annotations

from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.routes import Route
from emucluster.live.network.sockets import Address


class Front:
    """The control plane's links; nothing listens before `open`."""

    def __init__(self) -> None:
        self.forwarding = Forwarding("control-plane")

    def open(self, address: str, port: int, behind: Address) -> Address:
        """Listen at `address`:`port` (0: any) for the server at `behind`, and return where.

        Raises OSError when the port is taken.
        """
        route = Route(behind, hop="api")
        listener = self.forwarding.listen(
            address, port, lambda _client, _local: route, record=False
        )
        return listener.address

    async def aclose(self) -> None:
        """Close every socket."""
        await self.forwarding.aclose()
