"""Numbers handed out from two bands, with a journal that can take it back.

What ClusterIPs and nodePorts have in common (kubernetes pkg/registry/core/service/allocator,
KEP-3070, KEP-3668): a lower band left to those who ask for a certain value, an upper band from
which values are chosen, and the lower one used only when the upper one is exhausted.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager


class AllocationError(Exception):
    """The value cannot be had; the text is the API's."""


class Full(AllocationError):
    """Nothing is left to choose from."""

    def __init__(self) -> None:
        super().__init__("range is full")


class Pool:
    """Offsets 0 to size-1, each free or taken."""

    def __init__(self, size: int, *, static_band: int, rng: random.Random) -> None:
        """`static_band`: how many of the lowest offsets are left to explicit requests."""
        self._size = size
        self._band = static_band
        self._rng = rng
        self._taken: set[int] = set()
        self._taken_above = 0
        self._journal: list[int] = []
        self._depth = 0

    def __len__(self) -> int:
        return len(self._taken)

    def __contains__(self, offset: int) -> bool:
        return offset in self._taken

    def take(self, offset: int) -> bool:
        """Takes a certain offset; False if it is taken."""
        if offset in self._taken:
            return False
        self._flip(offset)
        return True

    def take_next(self) -> int:
        """Takes a random offset of the upper band, or of the lower when that is exhausted.

        As upstream, the first free one at or after a random place. Raises Full.
        """
        above = self._size - self._band
        if self._taken_above < above:
            offset = self._scan(self._band, above)
        elif len(self._taken) < self._size:
            offset = self._scan(0, self._band)
        else:
            raise Full
        self._flip(offset)
        return offset

    def _scan(self, first: int, count: int) -> int:
        start = self._rng.randrange(count)
        for step in range(count):
            if (offset := first + (start + step) % count) not in self._taken:
                return offset
        raise Full

    def release(self, offset: int) -> None:
        """Frees an offset; one that is free stays so."""
        if offset in self._taken:
            self._flip(offset)

    def clear(self) -> None:
        """Frees all of them."""
        self._taken.clear()
        self._taken_above = 0
        self._journal.clear()

    def _flip(self, offset: int) -> None:
        if offset in self._taken:
            self._taken.remove(offset)
            self._taken_above -= offset >= self._band
        else:
            self._taken.add(offset)
            self._taken_above += offset >= self._band
        if self._depth:
            self._journal.append(offset)

    @contextmanager
    def transaction(self, *, keep: bool = True) -> Iterator[None]:
        """Undoes what was taken and released inside, when an error leaves it or `keep` is False."""
        mark = len(self._journal)
        self._depth += 1
        try:
            yield
        except BaseException:
            self._undo(mark)
            raise
        else:
            if not keep:
                self._undo(mark)
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._journal.clear()

    def _undo(self, mark: int) -> None:
        flips = self._journal[mark:]
        for offset in reversed(flips):
            self._flip(offset)
        del self._journal[mark:]
