"""The listening server: uvicorn's connections, under a life of our own.

uvicorn's `Server` takes over signals, and waits for open watches when it stops; here the one who
made it opens and closes it, in his loop.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from email.utils import formatdate
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from .crowd import Crowd
from .protocol import IDLE_S, Connection
from .websockets import WebSocketConnection

TLS_HANDSHAKE_S = 5.0
TLS_SHUTDOWN_S = 1.0
BACKLOG = 1024
WEBSOCKET_MESSAGE_MAX = 4 * 1024 * 1024


class KubeServer:
    """Serves an ASGI application over TLS. Nothing listens before `open`."""

    def __init__(self, app: Any, context: ssl.SSLContext) -> None:
        # It tells of what clients do wrong, who are told, and of answers that the application
        # broke off, which it has logged.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._config = Config(
            app,
            http=Connection,
            ws=WebSocketConnection,
            ws_max_size=WEBSOCKET_MESSAGE_MAX,
            ws_per_message_deflate=False,
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=int(IDLE_S),
        )
        self._config.load()
        self._context = context
        self._state = ServerState()
        self._crowd: Crowd[Connection] = Crowd()
        self._server: asyncio.Server | None = None
        self._dating: asyncio.TimerHandle | None = None

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._state.connections)

    async def open(self, address: str, port: int) -> tuple[str, int]:
        """Listen (port 0: any) and return where. Raises OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        self._date()
        self._server = await loop.create_server(
            lambda: Connection(self._config, self._state, self._crowd),
            address,
            port,
            ssl=self._context,
            backlog=BACKLOG,
            ssl_handshake_timeout=TLS_HANDSHAKE_S,
            ssl_shutdown_timeout=TLS_SHUTDOWN_S,
        )
        host, bound = self._server.sockets[0].getsockname()[:2]
        return str(host), int(bound)

    def _date(self) -> None:
        """Answers carry the time of day, made once a second."""
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        self._dating = asyncio.get_running_loop().call_later(1.0, self._date)

    async def aclose(self, grace_s: float) -> None:
        """Take no more connections, let answers end within `grace_s`, and cut the rest off."""
        if self._server is None:
            return
        if self._dating is not None:
            self._dating.cancel()
        self._server.close()
        connections, tasks = self._state.connections, self._state.tasks
        for connection in list(connections):
            connection.shutdown()
        if tasks:
            await asyncio.wait(list(tasks), timeout=grace_s)
        for connection in list(connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # who waits for his client is told that it is gone, and ends
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(list(tasks), timeout=grace_s)
        self._server = None
