"""`watch`: changes as they come, a line of JSON each."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from emucluster.core.errors import Gone, to_status
from emucluster.core.objects import Object
from emucluster.core.objects.registry import Resource
from emucluster.core.store import parse_fields, parse_labels
from emucluster.core.store.pages import too_large

from .api import KubeApi
from .hub import Change, Selection, Watcher
from .pieces import pieces
from .query import ListOptions, list_options, parse_version
from .reads import exact_name
from .request import Request
from .shapes import Shape

BOOKMARK_PERIOD_S = 60.0
BOOKMARK_BEFORE_END_S = 2.0
"""As k8s.io/apiserver pkg/storage/cacher (defaultBookmarkFrequency, nextBookmarkTime)."""
TIMEOUT_S = (1800.0, 3600.0)
"""How long a watch lasts that does not say: anything between (--min-request-timeout)."""


async def watch(api: KubeApi, request: Request) -> None:
    """Stream until the client goes, the time is over, or the watch is lost.

    Without a version, or with 0, what is there comes first as ADDED. A version that is too old is
    told as an ERROR with the Status of 410.
    """
    assert request.target is not None
    row = api.resource(request)
    options = list_options(request.query)
    after = parse_version(options.resource_version)
    fields = options.field_selector
    if request.target.name:  # /api/v1/watch/namespaces/x/pods/NAME
        fields = ",".join(filter(None, (fields, f"metadata.name={request.target.name}")))
    selection = Selection(
        row.kind_key,
        request.target.namespace,
        parse_labels(options.label_selector),
        parse_fields(row, fields),
    )
    shape = api.shape(request, row)
    key = (
        api.shape_key(request, row),
        selection.namespace,
        options.label_selector,
        fields,
    )
    initial: list[Object] | None = None
    backlog: list[Change] = []
    try:
        if options.send_initial_events or not after:
            if after and after > api.store.version:
                raise too_large(after, api.store.version)
            initial, after = _state(api, row, selection), api.store.version
            if options.send_initial_events is False:
                initial = []
        else:
            backlog = api.hub.backlog(selection, after)
    except Gone as error:
        await request.start()
        await request.piece(_error(error), last=True)
        return
    watcher = api.hub.open(key, selection, shape, after=max(after, api.hub.cursor))
    stream = _Stream(api, request, shape, watcher, options)
    try:
        if initial is not None:
            await api.hub.reached(after)
        await stream.begin(initial or (), backlog, after)
        await stream.run()
    finally:
        stream.close()
        api.hub.close(key, watcher)


def _state(api: KubeApi, row: Resource, selection: Selection) -> list[Object]:
    name = exact_name(selection.fields)
    if name and (selection.namespace or not row.namespaced):
        obj = api.store.get(row.kind_key, selection.namespace, name)
        return [obj] if obj is not None and selection.takes(obj) else []
    found = api.store.list(
        row.kind_key, selection.namespace or None, label_selector=selection.labels
    )
    return [obj for obj in found if selection.takes(obj)]


def _error(error: Gone) -> bytes:
    return b'{"type":"ERROR","object":%b}\n' % to_status(error)


class _Stream:
    """One answer without end."""

    def __init__(
        self,
        api: KubeApi,
        request: Request,
        shape: Shape,
        watcher: Watcher,
        options: ListOptions,
    ) -> None:
        self._api = api
        self._request = request
        self._shape = shape
        self._watcher = watcher
        self._options = options
        self._loop = asyncio.get_running_loop()
        lasts_s = float(options.timeout_s or random.uniform(*TIMEOUT_S))
        self._end_s = self._loop.time() + lasts_s
        self._gone = self._loop.create_task(request.gone())
        self._gone.add_done_callback(lambda _: self._watcher.wake())
        self._timer: asyncio.TimerHandle | None = None
        self._bookmark_s = self._next_bookmark_s()

    async def begin(
        self, initial: Sequence[Object], backlog: Sequence[Change], version: int
    ) -> None:
        """The head of the answer, and what comes before all changes to come."""
        request, shape, watcher = self._request, self._shape, self._watcher
        await request.start()
        await request.piece(b"")  # the head must not wait for the first change
        added = (Change("ADDED", obj, int(obj.metadata.resource_version)) for obj in initial)
        for before in (added, backlog):
            for piece in pieces(watcher.lines(before)):
                if self._gone.done():
                    return
                await request.piece(piece)
                await asyncio.sleep(0)
        if self._options.send_initial_events and self._options.allow_watch_bookmarks:
            await request.piece(shape.bookmark(version, initial_events_end=True))

    async def run(self) -> None:
        """Changes and bookmarks until the end."""
        request, watcher, late = self._request, self._watcher, self._api.late
        while not self._gone.done():
            data = watcher.take()
            if data:
                if late.in_force:
                    await late.wait()
                await request.piece(data)
                continue
            now_s = self._loop.time()
            if now_s >= self._bookmark_s and self._options.allow_watch_bookmarks:
                await request.piece(self._shape.bookmark(self._api.hub.cursor))
                self._bookmark_s = self._next_bookmark_s()
                continue
            if watcher.over or now_s >= self._end_s:
                break
            self._arm()
            await watcher.wait()
        if not self._gone.done():
            await request.piece(b"", last=True)

    def close(self) -> None:
        """Stop what was started."""
        self._gone.cancel()
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self) -> None:
        due_s = self._end_s
        if self._options.allow_watch_bookmarks:
            due_s = min(due_s, self._bookmark_s)
        if self._timer is not None:
            if self._timer.when() <= due_s and not self._timer.cancelled():
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(due_s, self._expired)

    def _expired(self) -> None:
        self._timer = None
        self._watcher.wake()

    def _next_bookmark_s(self) -> float:
        now_s = self._loop.time()
        before_end_s = self._end_s - BOOKMARK_BEFORE_END_S
        due_s = now_s + BOOKMARK_PERIOD_S
        return min(due_s, before_end_s) if before_end_s > now_s else due_s
