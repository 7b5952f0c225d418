"""Feeds the control plane's DNS view with what is durable."""

import asyncio

from emucluster.core.dns.records import DnsView
from emucluster.live.control.driver import Driver

KINDS = ("Service", "EndpointSlice", "Pod")


class DnsFeed:
    """A watcher like any other, without the wire."""

    def __init__(self, driver: Driver, view: DnsView) -> None:
        self._driver = driver
        self._view = view
        self._cursor = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Take the state as it is, then follow."""
        store = self._driver.store
        self._cursor = store.version
        for kind in KINDS:
            for obj in store.list(kind):
                self._view.handle("ADDED", obj)
        self._task = asyncio.get_running_loop().create_task(self._follow())

    def stop(self) -> None:
        """Follow no more."""
        if self._task is not None:
            self._task.cancel()

    async def _follow(self) -> None:
        store, broadcaster = self._driver.store, self._driver.broadcaster
        while True:
            await broadcaster.durable_at_least(self._cursor + 1)
            events = store.events_since(self._cursor)
            limit = broadcaster.durable_version
            for event in events:
                if event.version <= limit and event.kind in KINDS:
                    self._view.handle(event.type, event.object)
            self._cursor = limit
