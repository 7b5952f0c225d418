"""Encodings that several clients get, kept for as long as there is room. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

KEPT_BYTES_MAX = 32 * 1024 * 1024
ENTRY_BYTES = 256
"""What an entry costs beside its data, about."""


class Encodings:
    """The encodings used last, of all shapes together, at most KEPT_BYTES_MAX."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self.size_bytes = 0

    def get(self, key: Hashable) -> bytes | None:
        """What was kept under a key, if it still is."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def keep(self, key: Hashable, data: bytes) -> bytes:
        """Keep and return `data`; the key must be new."""
        self._kept[key] = data
        self.size_bytes += len(data) + ENTRY_BYTES
        while self.size_bytes > KEPT_BYTES_MAX:
            _, dropped = self._kept.popitem(last=False)
            self.size_bytes -= len(dropped) + ENTRY_BYTES
        return data
