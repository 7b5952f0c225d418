"""What `logs` reads: a container's file, followed while it grows."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from emucluster.core.errors import NotFound
from emucluster.live.pods.log_times import Growth
from emucluster.live.pods.logs import PodLogs, rotated

POLL_S = 0.2
_CHUNK = 64 * 1024
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Whose log, and what of it.

    Attributes:
        uid: of the pod; empty for the newest of this name.
        container: empty for the only one.
        tail: so many lines from the end; None: all.
        previous: of the container's run before this one.
        follow: what comes, too, until the container ends.
        timestamps: when each line was written, before it.
        since_s: leave out what was written before then, in seconds since the epoch.
        limit_bytes: no more than that; None: all.
    """

    namespace: str
    pod: str
    container: str = ""
    uid: str = ""
    tail: int | None = None
    previous: bool = False
    follow: bool = False
    timestamps: bool = False
    since_s: float | None = None
    limit_bytes: int | None = None


async def stream_logs(
    logs: PodLogs, query: LogQuery, *, writer_of: Callable[[Path], object | None]
) -> AsyncIterator[bytes]:
    """The output in pieces. `writer_of` tells who writes into a file, None for nobody any more.

    Raises NotFound when the container has written nothing here, in kubectl's words.
    """
    path = logs.find(
        query.namespace, query.pod, query.container, previous=query.previous, uid=query.uid
    )
    if path is None:
        what = "previous terminated container" if query.previous else "container"
        raise NotFound(f'{what} "{query.container or query.pod}" in pod "{query.pod}" not found')
    pieces = _pieces(logs, path, query, writer_of)
    if query.limit_bytes is None:
        async for piece in pieces:
            yield piece
        return
    left = query.limit_bytes
    async for piece in pieces:
        yield piece[:left]
        left -= len(piece)
        if left <= 0:
            return


async def _pieces(
    logs: PodLogs, path: Path, query: LogQuery, writer_of: Callable[[Path], object | None]
) -> AsyncIterator[bytes]:
    writer = writer_of(path) if query.follow else None
    lines = _Lines(query)
    with path.open("rb", buffering=0) as file:
        older, newer = await asyncio.to_thread(_read_all, path, file.fileno())
        older_growth, growth = logs.times.of(rotated(path)), logs.times.of(path)
        begin = _tail_start(older + newer, query.tail)
        # A line may begin in the older part and end in the newer one.
        if begin < len(older):
            yield lines.take(older[begin:], begin, older_growth, _changed_ns(rotated(path)))
            begin = len(older)
        offset = begin - len(older)
        for data in _cut(newer[offset:]):
            yield lines.take(data, offset, growth, _changed_ns(path))
            offset += len(data)
        while writer is not None:
            await asyncio.sleep(POLL_S)
            ended = writer_of(path) is not writer
            if os.fstat(file.fileno()).st_size < offset:  # rotated
                offset = 0
            while data := os.pread(file.fileno(), _CHUNK, offset):
                yield lines.take(data, offset, logs.times.of(path), _changed_ns(path))
                offset += len(data)
            if ended:
                break
    yield lines.rest()


def _read_all(path: Path, fd: int) -> tuple[bytes, bytes]:
    """The rotated part, and what is in the file now."""
    try:
        older = rotated(path).read_bytes()
    except FileNotFoundError:
        older = b""
    return older, os.pread(fd, os.fstat(fd).st_size, 0)


def _cut(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _CHUNK):
        yield data[start : start + _CHUNK]


def _tail_start(data: bytes, tail: int | None) -> int:
    """Where the last `tail` lines begin; a last line without an end counts as one."""
    if tail is None:
        return 0
    if tail == 0:
        return len(data)
    at = len(data) - data.endswith(b"\n")
    for _ in range(tail):
        at = data.rfind(b"\n", 0, at)
        if at < 0:
            return 0
    return at + 1


def _changed_ns(path: Path) -> int:
    """When a file was last written: what is told of lines whose time was not seen."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


class _Lines:
    """Puts times before lines and leaves old ones out; without either it changes nothing."""

    def __init__(self, query: LogQuery) -> None:
        self._stamp = query.timestamps
        self._since_ns = None if query.since_s is None else int(query.since_s * _NS)
        self._begun = b""
        self._begun_ns = 0

    def take(self, data: bytes, offset: int, growth: Growth, otherwise_ns: int) -> bytes:
        """The next bytes, which are at `offset`; `otherwise_ns` where `growth` knows no time."""
        if not self._stamp and self._since_ns is None:
            return data
        out: list[bytes] = []
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            out.append(self._line(data[start : end + 1], offset + start, growth, otherwise_ns))
            start = end + 1
        if start < len(data):
            if not self._begun:
                self._begun_ns = _time_ns(offset + start, growth, otherwise_ns)
            self._begun += data[start:]
        return b"".join(out)

    def rest(self) -> bytes:
        """A last line that has no end."""
        begun, self._begun = self._begun, b""
        return self._told(begun, self._begun_ns) if begun else b""

    def _line(self, line: bytes, offset: int, growth: Growth, otherwise_ns: int) -> bytes:
        if self._begun:
            line, self._begun = self._begun + line, b""
            return self._told(line, self._begun_ns)
        return self._told(line, _time_ns(offset, growth, otherwise_ns))

    def _told(self, line: bytes, at_ns: int) -> bytes:
        if self._since_ns is not None and at_ns < self._since_ns:
            return b""
        return _stamp(at_ns) + line if self._stamp else line


def _time_ns(offset: int, growth: Growth, otherwise_ns: int) -> int:
    known = growth.written_ns(offset)
    return otherwise_ns if known is None else known


def _stamp(at_ns: int) -> bytes:
    """RFC 3339 with all nine digits, as kubelet writes it."""
    seconds, rest = divmod(at_ns, _NS)
    moment = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{rest:09d}Z ".encode()
