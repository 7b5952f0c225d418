"""What survives the control plane: the rows that were committed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from emucluster.core.store import Batch, Key, Row

from .event_loop import EventLoop

COMMIT_S = 0.002
"""One group commit on a local disk."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A batch is handed to the disk. Nobody may see it yet."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Committed:
    """Everything up to this version is durable."""

    version: int


class Disk:
    """Commits batches one after the other. What was not committed at a crash never was."""

    def __init__(self, loop: EventLoop, *, on_committed: Callable[[Committed], None]) -> None:
        self._loop, self._on_committed = loop, on_committed
        self._rows: dict[Key, Row] = {}
        self._writes = 0
        self.version = 0

    def write(self, commit: Commit) -> None:
        """Begin to commit; told to `on_committed` unless a crash comes before."""
        writes = self._writes

        def done() -> None:
            if self._writes == writes:
                self._apply(commit.batch)
                self._on_committed(Committed(self.version))

        self._loop.call_later(COMMIT_S, done)

    def crash(self) -> None:
        """What is being written is lost."""
        self._writes += 1

    def load(self) -> tuple[list[Row], int]:
        """All rows and the last committed version."""
        return list(self._rows.values()), self.version

    def _apply(self, batch: Batch) -> None:
        for row in batch.rows:
            if row.json is None:
                self._rows.pop(row.key, None)
            else:
                self._rows[row.key] = row
        self.version = batch.version
