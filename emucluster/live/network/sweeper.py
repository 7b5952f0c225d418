"""What becomes of connections with time: idle, ignored, or dialled for a client that has left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from emucluster.live.network.sockets import TCP_CLOSE, TCP_CLOSE_WAIT, read_tcp_info

if TYPE_CHECKING:
    from emucluster.live.network.forwarder import Forwarding
    from emucluster.live.network.pipe import Connection

MAX_PARKED = 1024
PARKED_S = 127.0
"""As long as a kernel would repeat an unanswered SYN."""
_SWEEP_S = 1.0
_HALF_CLOSED_GRACE_S = 3.0


class Sweeper:
    """Looks at all connections of a host about once a second, while it is running."""

    def __init__(self, host: Forwarding, connections: Collection[Connection]) -> None:
        self._host = host
        self._connections = connections
        self._parked: dict[Connection, float] = {}
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(self._period_s(), self._sweep)

    def park(self, connection: Connection) -> None:
        """Keep an ignored connection for a while; of too many, the oldest is given up."""
        if len(self._parked) >= MAX_PARKED:
            next(iter(self._parked)).give_up()
        self._parked[connection] = self._loop.time() + PARKED_S

    def forget(self, connection: Connection) -> None:
        """It is gone."""
        self._parked.pop(connection, None)

    def stop(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _period_s(self) -> float:
        idle_timeout_s = self._host.idle_timeout_s
        return _SWEEP_S if idle_timeout_s is None else min(_SWEEP_S, max(0.05, idle_timeout_s / 4))

    def _sweep(self) -> None:
        self._timer = self._loop.call_later(self._period_s(), self._sweep)
        if self._host.halted:
            return
        idle_timeout_s = self._host.idle_timeout_s
        now_s = self._loop.time()
        for connection in list(self._connections):
            if connection in self._parked:
                self._sweep_parked(connection, now_s)
            elif connection.dialling:
                self._sweep_dialling(connection)
            elif idle_timeout_s is not None and not connection.done:
                self._sweep_idle(connection, idle_timeout_s)

    def _sweep_parked(self, connection: Connection, now_s: float) -> None:
        gone = read_tcp_info(connection.client).state in (TCP_CLOSE, TCP_CLOSE_WAIT)
        if gone or now_s >= self._parked[connection]:
            connection.give_up()

    def _sweep_dialling(self, connection: Connection) -> None:
        """Stop dialling for a client that has gone; one that only half-closed gets some time."""
        state = read_tcp_info(connection.client).state
        waited_s = time.time() - connection.flow.start_s
        if state == TCP_CLOSE or (state == TCP_CLOSE_WAIT and waited_s > _HALF_CLOSED_GRACE_S):
            connection.reset(
                "timeout", "client", "client gave up while the destination was dialled"
            )

    def _sweep_idle(self, connection: Connection, timeout_s: float) -> None:
        if connection.idle_s() < timeout_s:
            return
        reason = f"idle for {timeout_s:g} s"
        if self._host.idle_how == "rst":
            connection.reset("timeout", "us", reason)
        else:
            connection.ignore("timeout", reason)
            self._parked[connection] = self._loop.time() + PARKED_S
