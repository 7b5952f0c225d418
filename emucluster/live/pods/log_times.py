"""When the lines of logs were written.

Containers write into their files themselves: nothing of ours stands between them and the disk. So
the kernel is asked to tell when a file has grown (inotify), and how long it was is noted then. That
costs nothing for logs that are quiet, and for busy ones no more than a look every `PAUSE_S`.
"""

from __future__ import annotations

import asyncio
import bisect
import ctypes
import errno
import logging
import os
import struct
import time
from array import array
from dataclasses import dataclass, field
from pathlib import Path

PAUSE_S = 0.05
"""How much a time may be late, and how often at most a busy log is looked at."""
MARKS_MAX = 20_000
"""For each file; then every other one is forgotten."""

_IN_MODIFY = 0x2
_EVENT = struct.Struct("iIII")
_READ_BYTES = 64 * 1024

log = logging.getLogger("emucluster.node")


@dataclass(slots=True)
class Growth:
    """How long a file was at what times, in nanoseconds since the epoch."""

    sizes: array[int] = field(default_factory=lambda: array("Q"))
    times_ns: array[int] = field(default_factory=lambda: array("Q"))

    def note(self, size: int, now_ns: int) -> None:
        """It is that long now. One that has become shorter begins anew."""
        if self.sizes and size < self.sizes[-1]:
            del self.sizes[:], self.times_ns[:]
        if self.sizes and size == self.sizes[-1]:
            return
        self.sizes.append(size)
        self.times_ns.append(now_ns)
        if len(self.sizes) > MARKS_MAX:  # the last one stays
            self.sizes, self.times_ns = self.sizes[::-2][::-1], self.times_ns[::-2][::-1]

    def written_ns(self, offset: int) -> int | None:
        """When the byte at `offset` was there for the first time, as far as was seen."""
        index = bisect.bisect_right(self.sizes, offset)
        return self.times_ns[index] if index < len(self.sizes) else None


class LogTimes:
    """The growth of one node's log files. Where the kernel has no watches left, none is known."""

    def __init__(self) -> None:
        self._growth: dict[Path, Growth] = {}
        self._watched: dict[int, Path] = {}
        self._watches: dict[Path, int] = {}
        self._fd = -1
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, path: Path) -> None:
        """Follow a file that exists, from its present end on."""
        self._growth[path] = Growth()
        if self._fd < 0 and not self._open():
            return
        number = _libc.inotify_add_watch(self._fd, os.fsencode(path), _IN_MODIFY)
        if number < 0:
            _complain(f"cannot watch {path}: {os.strerror(ctypes.get_errno())}")
            return
        self._watched[number], self._watches[path] = path, number

    def unwatch(self, path: Path) -> None:
        """It grows no more; what is known of it stays."""
        self._look(path)
        number = self._watches.pop(path, None)
        if number is not None:
            del self._watched[number]
            _libc.inotify_rm_watch(self._fd, number)

    def moved(self, path: Path, to: Path) -> None:
        """The file has another name now, and what grows under the old one is another."""
        self.unwatch(path)
        if (known := self._growth.pop(path, None)) is not None:
            self._growth[to] = known

    def copied(self, path: Path, to: Path) -> None:
        """What was in the file up to now has been put elsewhere, and the file is empty."""
        self._growth[to] = self._growth.get(path, Growth())
        self._growth[path] = Growth()

    def forget(self, directory: Path) -> None:
        """Nothing in this directory is left."""
        for path in [each for each in self._growth if each.parent == directory]:
            self.unwatch(path)
            del self._growth[path]

    def of(self, path: Path) -> Growth:
        """What is known of a file up to now; it goes on to be added to."""
        self._look(path)
        return self._growth.get(path) or Growth()

    def close(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
        self._watched.clear()
        self._watches.clear()

    def _open(self) -> bool:
        fd = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if fd < 0:
            _complain(f"times of log lines are not known: {os.strerror(ctypes.get_errno())}")
            return False
        self._fd = fd
        self._listen()
        return True

    def _listen(self) -> None:
        if self._fd >= 0:
            asyncio.get_running_loop().add_reader(self._fd, self._grown)

    def _grown(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._fd)
        self._timer = loop.call_later(PAUSE_S, self._listen)
        try:
            data = os.read(self._fd, _READ_BYTES)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EINTR):
                raise
            return
        for path in {self._watched.get(number) for number in _numbers(data)}:
            if path is not None:
                self._look(path)

    def _look(self, path: Path) -> None:
        growth = self._growth.get(path)
        if growth is None or path not in self._watches:
            return
        try:
            growth.note(path.stat().st_size, time.time_ns())
        except OSError:
            pass  # removed meanwhile


def _numbers(data: bytes) -> list[int]:
    """The watches that events are about."""
    found, at = [], 0
    while at + _EVENT.size <= len(data):
        number, _, _, length = _EVENT.unpack_from(data, at)
        found.append(number)
        at += _EVENT.size + length
    return found


_libc = ctypes.CDLL(None, use_errno=True)
_complained: set[str] = set()


def _complain(text: str) -> None:
    """Once for each text: of a thousand logs the reason is the same."""
    reason = text.rpartition(": ")[2]
    if reason not in _complained:
        _complained.add(reason)
        log.warning("%s", text)
