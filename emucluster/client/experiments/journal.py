"""What a ledger heard and asked, written down before anything is sent."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from emucluster.experiment.lifecycle import Event
from emucluster.experiment.plan import Plan


class Opening(Struct, frozen=True, kw_only=True, tag_field="event", tag="opening"):
    """The first line of a trial: with it and the events after it a ledger can be restored.

    Attributes:
        run: begins the ids of this trial's faults at their targets.
        cluster: the name of the cluster that they are in.
    """

    run: str
    cluster: str
    start_s: float
    plan: Plan


Line = Opening | Event


class Journal:
    """A file of JSON lines that only grows; each line is with the kernel when `write` returns.

    A process that is killed loses nothing of it; a machine that loses power may lose its end, and
    has lost the cluster too. Where a line cannot be written, on a full disk, `write` raises OSError
    once and does nothing from then on: what is asked for must be known, but what is in force must
    be lifted all the same.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._encoder = msgspec.json.Encoder()
        self._failed = False

    def write(self, lines: Sequence[Line]) -> None:
        if not lines or self._failed:
            return
        data = b"".join(self._encoder.encode(line) + b"\n" for line in lines)
        try:
            if self._file.write(data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._file.name)
        except OSError:
            self._failed = True
            raise

    def close(self) -> None:
        self._file.close()


def read_journal(path: Path) -> list[tuple[Opening, list[Event]]]:
    """The trials of a journal. A last line that was cut off is left out.

    Raises msgspec.ValidationError for a file that is no journal.
    """
    decoder = msgspec.json.Decoder(Line)
    trials: list[tuple[Opening, list[Event]]] = []
    for text in path.read_bytes().split(b"\n")[:-1]:
        line = decoder.decode(text)
        if isinstance(line, Opening):
            trials.append((line, []))
        else:
            trials[-1][1].append(line)
    return trials
