"""WebSockets of uvicorn, for clients whose protocols have names that RFC 6455 does not allow.

kubectl asks for `SPDY/3.1+portforward.k8s.io`, and a slash is in no token of HTTP. Which protocol
is spoken is for those to decide who serve it.
"""

from __future__ import annotations

import logging
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.http11 import Response
from websockets.server import ServerProtocol
from websockets.typing import StatusLike

from emucluster.core.errors import BadRequest, to_status


class AnyProtocol(ServerProtocol):
    """An opening handshake that leaves `Sec-WebSocket-Protocol` alone."""

    def process_subprotocol(self, headers: Headers) -> None:
        return None

    def reject(self, status: StatusLike, text: str) -> Response:
        """As everything is refused here: with a Status."""
        response = super().reject(status, "")
        response.body = of_code(response.status_code, text.strip())
        del response.headers["Content-Type"], response.headers["Content-Length"]
        response.headers["Content-Type"] = "application/json"
        response.headers["Content-Length"] = str(len(response.body))
        return response


def of_code(code: int, text: str) -> bytes:
    """The Status of what is refused before there is a request."""
    return to_status(BadRequest(text)).replace(b'"code": 400', b'"code": %d' % code)


class WebSocketConnection(WebSocketsSansIOProtocol):
    """uvicorn's, with such a handshake."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = AnyProtocol(
            max_size=self.config.ws_max_size, logger=logging.getLogger("uvicorn.error")
        )
