"""The narrow door by which controllers write, and what they are given to look at."""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeVar

from emucluster.core.durations import Speed
from emucluster.core.errors import ApiError
from emucluster.core.objects import Event, Object

from .dirty import DirtyQueue

if TYPE_CHECKING:
    from emucluster.core.store import StoreEvent

Obj = TypeVar("Obj", bound=Object)
K = TypeVar("K", bound=Hashable)


class Writer(Protocol):
    """Writes on behalf of a controller. Every method raises ApiError where the API would refuse.

    Updates are decided on the version that `obj` carries: a newer one in the store is a Conflict.
    """

    @property
    def speed(self) -> Speed:
        """Of the cluster."""

    def create(self, obj: Obj, *, stamp: str) -> Obj:
        """Adds an object; an Event is given its name, see `event_name`."""

    def accepts(self, event: Event, *, stamp: str) -> bool:
        """Whether an Event may be written or counted up now; see `SpamFilter`."""

    def update(self, obj: Obj, *, stamp: str) -> Obj: ...

    def update_status(self, obj: Obj, *, stamp: str) -> Obj: ...

    def bind(self, namespace: str, pod: str, uid: str, node: str, *, stamp: str) -> None:
        """Sets `spec.nodeName` and the condition PodScheduled, as the binding subresource does."""

    def delete(self, obj: Object, *, stamp: str, grace_period_s: int | None = None) -> None:
        """Deletes this very object (by uid); `grace_period_s=0` removes a pod without its node."""


class Controller(Protocol):
    """Turns events into writes. Knows nothing but what it was handed."""

    kinds: ClassVar[frozenset[str]]
    """The kinds whose events it wants."""

    def handle(self, event: StoreEvent, *, now_s: float) -> None:
        """Updates a private index and marks what has to be looked at; writes nothing."""

    def flush(self, *, now_s: float, stamp: str) -> None:
        """Turns what is marked and due into writes."""

    def next_wake_s(self) -> float | None:
        """When `flush` has to be called again without an event; None: not before an event."""


class attempt(Generic[K], AbstractContextManager[None, bool]):
    """Runs one key's work; a refusal by the API means that the key is tried again.

    A Conflict or NotFound says that the decision was stale: the event which tells of the newer
    state marks the key again, or it is tried after the shortest delay. Anything else backs off.
    """

    def __init__(self, queue: DirtyQueue[K], key: K, *, now_s: float) -> None:
        self._queue, self._key, self._now_s = queue, key, now_s

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if error is None:
            self._queue.forget(self._key)
            return False
        if isinstance(error, ApiError):
            self._queue.retry(self._key, now_s=self._now_s)
            return True
        return False
