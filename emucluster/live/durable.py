"""What the store has decided, on disk: SQLite in a thread of its own, with group commit.

No timer: while one transaction is being committed, batches gather, and the next takes them all.
Whoever answers a request or feeds a watcher awaits `at_least` first, so nothing is seen that a
crash could undo.

**Fail stop.** When a commit fails (disk full, I/O error), memory has run ahead of the disk and
cannot be taken back. Nothing waiting is acknowledged, every later wait and submit raises, and
nothing is tried again; `on_failure` tells the process to end, and its successor starts from what
was acknowledged.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue

from emucluster.core.errors import InternalError
from emucluster.core.store import Batch, Key, Row

log = logging.getLogger("emucluster.durable")

SYNCHRONOUS = ("NORMAL", "FULL")
CHECKPOINT_PAGES = 16_000
"""Of 4 KiB: rarer checkpoints halve what is written (SQLite's own default is 1,000)."""
LOCK_WAIT_S = 5.0
"""How long a predecessor that is just dying may still hold the file."""

_FORMAT = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
  version INTEGER NOT NULL, json BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER);
INSERT OR IGNORE INTO counter VALUES (1, 0);
"""

_ROWS_AT_ONCE = (64, 16, 4, 1)
"""In one statement: for each one the writer's thread gives Python up and has to get it back, for
which it waits while the loop is busy. Few sizes, so that SQLite keeps the statements prepared."""


def _insertions(rows: Sequence[tuple[object, ...]]) -> Iterator[tuple[str, list[object]]]:
    """Statements, with their values, that put all these rows into `objects`."""
    at = 0
    for size in _ROWS_AT_ONCE:
        while len(rows) - at >= size:
            marks = ",".join(["(?,?,?,?,?,?)"] * size)
            values = [value for row in rows[at : at + size] for value in row]
            yield f"INSERT OR REPLACE INTO objects VALUES {marks}", values
            at += size


class Durable:
    """One file, one owner; used from the event loop in which it was made."""

    def __init__(
        self,
        path: Path | str,
        *,
        synchronous: str = "NORMAL",
        on_commit: Callable[[int], None] | None = None,
        on_failure: Callable[[Exception], None] | None = None,
    ) -> None:
        """Opens or creates the file, and takes it from all other processes.

        Args:
            path: SQLite makes a `-wal` file beside it.
            synchronous: NORMAL survives the death of the process, FULL also the loss of power.
            on_commit: called in the loop with the version that is durable now.
            on_failure: called in the loop, once, when nothing can be written any more.

        Raises InternalError: unreadable, of another format, or in use.
        """
        if synchronous not in SYNCHRONOUS:
            raise ValueError(f"synchronous: must be one of {SYNCHRONOUS}, got {synchronous!r}")
        self._loop = asyncio.get_running_loop()
        self._path = Path(path)
        self._on_commit = on_commit
        self._on_failure = on_failure
        self._database = self._open(synchronous)
        self._ids: dict[Key, int] = {}
        self._next_id = 1
        self._durable = 0
        self._failure: Exception | None = None
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()
        self._queue: SimpleQueue[Batch | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def durable_version(self) -> int:
        """Everything up to here is on disk."""
        return self._durable

    @property
    def failure(self) -> Exception | None:
        """Why nothing can be written any more; None while all is well."""
        return self._failure

    def load(self) -> tuple[list[Row], int]:
        """All rows, and the last version given out; to be called once, before the first submit.

        Raises InternalError when the file is damaged.
        """
        if self._thread is not None:
            raise RuntimeError("load comes before the first submit")
        try:
            stored = self._database.execute(
                "SELECT id, kind, namespace, name, version, json FROM objects"
            ).fetchall()
            (version,) = self._database.execute("SELECT version FROM counter").fetchone()
        except sqlite3.Error as error:
            raise self._unusable("read", error) from error
        rows = []
        for row_id, kind, namespace, name, row_version, json in stored:
            rows.append(Row((kind, namespace, name), row_version, json))
            self._ids[rows[-1].key] = row_id
        self._next_id = max(self._ids.values(), default=0) + 1
        self._durable = version
        return rows, version

    def submit(self, batch: Batch) -> None:
        """Hands a batch to the writer; batches become durable in the order of their versions.

        Raises InternalError after a failure.
        """
        self._check()
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="durable", daemon=True)
            self._thread.start()
        self._queue.put(batch)

    async def at_least(self, version: int) -> None:
        """Returns when everything up to `version` is on disk; raises InternalError if it fails."""
        if self._durable >= version:
            return
        self._check()
        future = self._loop.create_future()
        heapq.heappush(self._waiting, (version, next(self._order), future))
        await future

    def close(self) -> None:
        """Commits what was submitted, ends the thread and gives the file free. Idempotent."""
        if self._closed:
            return
        self._closed = True
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
        self._database.close()

    # --- in the loop -----------------------------------------------------------------------------

    def _check(self) -> None:
        if self._failure is not None:
            raise self._unusable("write", self._failure)
        if self._closed:
            raise InternalError.of(f"{self._path} is closed")

    def _committed(self, version: int) -> None:
        self._durable = version
        while self._waiting and self._waiting[0][0] <= version:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(None)
        if self._on_commit is not None:
            self._on_commit(version)

    def _failed(self, error: Exception) -> None:
        log.error("%s", self._unusable("write", error))
        self._failure = error
        for _, _, future in self._waiting:
            if not future.done():
                future.set_exception(self._unusable("write", error))
        self._waiting.clear()
        if self._on_failure is not None:
            self._on_failure(error)

    def _unusable(self, what: str, error: Exception) -> InternalError:
        return InternalError.of(f"cannot {what} {self._path}: {error}")

    def _tell(self, callback: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(callback, *arguments)

    # --- in the writer's thread ------------------------------------------------------------------

    def _write(self) -> None:
        ended = False
        while not ended:
            batches, ended = self._gather()
            if not batches:
                continue
            try:
                self._commit(batches)
            except (
                Exception
            ) as error:  # whatever it is, a dead thread must not look like a slow one
                self._tell(self._failed, error)
                return
            self._tell(self._committed, batches[-1].version)

    def _gather(self) -> tuple[list[Batch], bool]:
        """All that waits, at least one; and whether the end was asked for."""
        batches: list[Batch] = []
        batch = self._queue.get()
        while batch is not None:
            batches.append(batch)
            try:
                batch = self._queue.get_nowait()
            except Empty:
                return batches, False
        return batches, True

    def _commit(self, batches: list[Batch]) -> None:
        latest = {row.key: row for batch in batches for row in batch.rows}
        changed, removed = [], []
        for key, row in latest.items():
            if row.json is None:
                if (row_id := self._ids.pop(key, None)) is not None:
                    removed.append((row_id,))
                continue
            if (row_id := self._ids.get(key)) is None:
                row_id = self._ids[key] = self._next_id
                self._next_id += 1
            changed.append((row_id, *key, row.version, row.json))
        execute, executemany = self._database.execute, self._database.executemany
        execute("BEGIN")
        try:
            executemany("DELETE FROM objects WHERE id = ?", removed)
            for statement, values in _insertions(changed):
                execute(statement, values)
            # After the newest object is removed, no row tells of its version any more.
            execute("UPDATE counter SET version = ?", (batches[-1].version,))
            execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                execute("ROLLBACK")
            raise

    def _open(self, synchronous: str) -> sqlite3.Connection:
        try:
            database = sqlite3.connect(
                self._path, isolation_level=None, check_same_thread=False, timeout=LOCK_WAIT_S
            )
        except sqlite3.Error as error:
            raise self._unusable("open", error) from error
        try:
            for pragma in (
                "locking_mode = EXCLUSIVE",  # two owners would give versions out twice
                "journal_mode = WAL",
                f"synchronous = {synchronous}",
                f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
            ):
                database.execute(f"PRAGMA {pragma}").fetchall()
            (found,) = database.execute("PRAGMA user_version").fetchone()
            if found not in (0, _FORMAT):
                raise sqlite3.DatabaseError(f"format {found}, expected {_FORMAT}")
            database.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}PRAGMA user_version={_FORMAT};COMMIT")
        except sqlite3.Error as error:
            database.close()
            raise self._unusable("open", error) from error
        return database
