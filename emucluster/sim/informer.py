"""How a node follows the API server: first the state, then each change, over a connection that may
be cut."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from emucluster.core.errors import Gone
from emucluster.core.kubelet.kubelet import ObjectEvent
from emucluster.core.objects import Object
from emucluster.core.store import Key, NodeScope, StoreEvent, key_of, relisted

from .api import ApiServer
from .control_plane import Watcher
from .event_loop import EventLoop
from .host import Host

BACKOFF_S = (0.2, 5.0)
"""Waits before the first and at most before later attempts to reconnect; jittered by half."""
DELIVERY_S = (0.002, 0.02)
"""From the commit until a watcher has the change."""


class Informer:
    """Keeps `objects` equal to what the node was last told.

    Nothing gets through to a node without power; to a frozen one it comes late, in order.
    """

    def __init__(
        self,
        loop: EventLoop,
        api: ApiServer,
        host: Host,
        *,
        node_name: str,
        on_event: Callable[[ObjectEvent, Object], None],
        on_listed: Callable[[], None],
        rng: random.Random,
    ) -> None:
        self.objects: dict[Key, Object] = {}
        self.version: int | None = None
        self._loop, self._api, self._host, self._node_name = loop, api, host, node_name
        self._on_event, self._on_listed, self._rng = on_event, on_listed, rng
        self._connection = 0
        self._watcher: Watcher | None = None
        self._backoff_s = BACKOFF_S[0]
        self._last_delivery_s = 0.0

    def connect(self, *, afresh: bool = False) -> None:
        """Begin to follow, over a new connection; `afresh` from a whole state, as after boot."""
        if afresh:
            self.version = None
        self.disconnect()
        connection = self._connection
        self._loop.call_later(
            self._api.one_way_s(), self._host.bound(lambda: self._ask(connection))
        )

    def disconnect(self) -> None:
        """Drop the connection; what is on its way over it is lost."""
        self._connection += 1
        if self._watcher is not None:
            self._api.control_plane.unwatch(self._watcher)
            self._watcher = None

    def _ask(self, connection: int) -> None:
        if connection != self._connection:
            return
        served = self._api.control_plane.host.arrive(lambda: self._serve(connection))
        if not served:
            self._lost(connection)

    def _serve(self, connection: int) -> None:
        if connection != self._connection:
            return
        control_plane = self._api.control_plane
        if self.version is None:
            listed, version, scope = control_plane.list_state(self._node_name)
            self._follow(connection, version, scope)
            control_plane.when_durable(
                version, lambda: self._send(connection, lambda: self._replace_all(listed, version))
            )
            return
        try:
            self._follow(connection, self.version, None)
        except Gone:
            self.version = None
            self._serve(connection)

    def _follow(self, connection: int, version: int, scope: NodeScope | None) -> None:
        watcher = Watcher(
            self._node_name,
            version,
            lambda events, upto: self._send(connection, lambda: self._take_all(events, upto)),
            lambda: self._lost(connection),
            scope,
        )
        self._watcher = watcher
        self._api.control_plane.watch(watcher)

    def _send(self, connection: int, take: Callable[[], None]) -> None:
        """One message to the node; they keep their order."""
        at_s = self._loop.now_s() + self._rng.uniform(*DELIVERY_S)
        self._last_delivery_s = at_s = max(at_s, self._last_delivery_s)

        def arrive() -> None:
            if connection == self._connection:
                take()

        self._loop.call_at(at_s, lambda: self._host.arrive(arrive))

    def _lost(self, connection: int) -> None:
        if connection != self._connection:
            return
        self._connection += 1
        self._watcher = None
        wait_s = self._backoff_s * self._rng.uniform(0.5, 1.5)
        self._backoff_s = min(self._backoff_s * 2, BACKOFF_S[1])
        self._loop.call_later(wait_s, self._host.bound(self.connect))

    # --- what was told ---------------------------------------------------------------------------

    def _take_all(self, events: Sequence[StoreEvent], version: int) -> None:
        self._backoff_s = BACKOFF_S[0]
        for event in events:
            self._take(event.type, event.object)
        self.version = version

    def _replace_all(self, listed: Sequence[Object], version: int) -> None:
        """Turn a whole state into the changes that lead to it."""
        self._backoff_s = BACKOFF_S[0]
        for type_, obj in relisted(self.objects, {key_of(obj): obj for obj in listed}):
            self._take(type_, obj)
        self.version = version
        self._on_listed()

    def _take(self, type_: ObjectEvent, obj: Object) -> None:
        if type_ == "DELETED":
            self.objects.pop(key_of(obj), None)
        else:
            self.objects[key_of(obj)] = obj
        self._on_event(type_, obj)
