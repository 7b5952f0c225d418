"""Which connection carried a call, from what a channel lets be seen of it.

gRPC tells neither the socket of a call nor the moment at which it was opened. Both follow from the
channel's connectivity states and from the client's address that the server saw and told: a new
address is a new connection, opened when the channel last became READY.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

READY, IDLE = "READY", "IDLE"
ADDRESSES_MAX = 1024


@dataclass(slots=True)
class Connection:
    """One TCP connection of a channel.

    Attributes:
        opened_s: at the latest; the truth may lie earlier by the event loop's lag or, where a
            channel balances over several connections, by the wait of the first call on it.
        client: ip:port as the server saw it; empty until a call was answered on it.
    """

    id: int
    channel: str
    opened_s: float
    client: str = ""
    flow: str = ""


class ChannelConnections:
    """The connections of one channel, told its states and its calls in order of time."""

    def __init__(self, channel: str, new_id: Callable[[], int], *, flow: str = "") -> None:
        self.channel = channel
        self._new_id = new_id
        self._flow = flow
        self._state = IDLE
        self._by_client: dict[str, Connection] = {}
        self._lost: dict[str, Connection] = {}
        self._current: Connection | None = None
        self._announced = False
        self._ready_until_s = -math.inf

    def state_changed(self, state: str, now_s: float) -> None:
        """The channel's connectivity state was seen to be `state` (gRPC's name)."""
        before, self._state = self._state, state
        if state == READY:
            self._became_ready(now_s)
        elif before == READY or state == IDLE:
            # A channel becomes IDLE when it has lost its connection, even if states come so fast
            # one after the other that READY was never seen.
            self._ready_until_s = now_s
            if self._by_client:
                self._lost, self._by_client = self._by_client, {}
            self._announced = False

    def answered(self, client: str, *, started_s: float, ended_s: float) -> Connection:
        """The connection of a call that the server answered to `client`."""
        known = self._by_client.get(client)
        if known is not None:
            return known
        current = self._current
        if self._state != READY:
            if (lost := self._lost.get(client)) is not None:
                return lost  # the answer had come before the loss, and is read after it
            # The answer was faster than the news of its connection, which is hardly older; the call
            # itself may have waited for one through a whole outage.
            current = self._open(ended_s)
            self._announced = True
        elif current is None or current.client:
            # The channel has several connections.
            current = self._open(started_s)
            self._announced = True
        current.client = client
        if len(self._by_client) >= ADDRESSES_MAX:
            del self._by_client[next(iter(self._by_client))]
        self._by_client[client] = current
        return current

    def failed(self) -> Connection | None:
        """The connection that a failed call is counted under: the channel's last, None without."""
        return self._current

    def connected_since(self, since_s: float, state: str) -> bool:
        """Whether there may have been a connection at any time since; `state` is the present one.

        False is certain but for a connection that was made and lost while the event loop did
        not turn once.
        """
        return READY in (state, self._state) or state == IDLE or self._ready_until_s >= since_s

    def _became_ready(self, now_s: float) -> None:
        if self._announced:
            self._announced = False  # an answer was faster than the news of its connection
        else:
            self._open(now_s)

    def _open(self, opened_s: float) -> Connection:
        self._current = Connection(self._new_id(), self.channel, opened_s, flow=self._flow)
        return self._current
