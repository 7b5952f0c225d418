"""What the API server says, on its way to one part of a node, where a fault can hold it up."""

from __future__ import annotations

import logging
from collections.abc import Callable

from emucluster.core.kubelet.kubelet import ObjectEvent
from emucluster.core.objects import Object

log = logging.getLogger("emucluster.feed")

Take = Callable[[ObjectEvent, Object], None]


class Feed:
    """Passes changes on to `take`, or keeps them in order while a fault holds them.

    The part goes on with what it last knew, as one does whose watch has stalled; at the end it
    learns all that it missed.
    """

    def __init__(self, take: Take) -> None:
        self._take = take
        self._holders: set[str] = set()
        self._held: list[tuple[ObjectEvent, Object]] = []

    def take(self, type_: ObjectEvent, obj: Object) -> None:
        """One change."""
        if self._holders:
            self._held.append((type_, obj))
        else:
            self._take(type_, obj)

    def hold(self, fault_id: str) -> None:
        """Pass nothing on from now on."""
        self._holders.add(fault_id)

    def release(self, fault_id: str) -> None:
        """This fault holds nothing any more; without others, all that was held is passed on."""
        self._holders.discard(fault_id)
        if self._holders:
            return
        held, self._held = self._held, []
        for type_, obj in held:
            try:
                self._take(type_, obj)
            except Exception:
                log.exception("a change was not taken: %s %s", type_, obj.metadata.name)
