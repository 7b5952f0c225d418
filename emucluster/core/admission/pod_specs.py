"""Specs of pods that were created lately: the pods of one template share one."""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from emucluster.core.objects import PodSpec

KEPT = 1024
_encode = msgspec.json.Encoder().encode


class PodSpecs:
    """From what was sent to what was stored, defaults filled in and found valid.

    A spec that is known costs its encoding instead of its defaults and its validation, and a pod
    that shares it a third of the memory.
    """

    def __init__(self) -> None:
        self._stored: OrderedDict[bytes, PodSpec] = OrderedDict()

    def get(self, sent: PodSpec) -> PodSpec | None:
        """What this came to the last time."""
        key = _encode(sent)
        stored = self._stored.get(key)
        if stored is not None:
            self._stored.move_to_end(key)
        return stored

    def put(self, sent: PodSpec, stored: PodSpec) -> None:
        self._stored[_encode(sent)] = stored
        if len(self._stored) > KEPT:
            self._stored.popitem(last=False)
