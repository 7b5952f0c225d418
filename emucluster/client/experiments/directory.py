"""Where the files of a run go."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

from emucluster.client.experiments.source import Source
from emucluster.core.errors import UsageError
from emucluster.report.files import Occupied, check_free

RUNS = Path("emucluster-runs")
"""In the current directory, for runs that name no directory."""


def directories(sources: Sequence[Source], out: Path | None) -> list[Path]:
    """The directory of each run: `out`, in which several experiments get one each by name.

    Without `out` it is `emucluster-runs/NAME-YYYYmmdd-HHMMSS`. Raises UsageError for experiments
    whose files would overwrite one another's, for what cannot be written to, and for directories
    that hold something else than a run.
    """
    names = [source.experiment.name for source in sources]
    for index, name in enumerate(names):
        if names.index(name) != index:
            raise UsageError(f'{sources[index].label}: "{name}" is the name of an earlier file too')
    if out is None:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        found = [_free(RUNS / f"{name}-{stamp}") for name in names]
    else:
        found = [out] if len(names) == 1 else [out / name for name in names]
    for path in found:
        make(path)
    return found


def make(path: Path) -> None:
    """Raises UsageError if it cannot be a directory of a run that is written to."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UsageError(f"{str(path)!r}: a run's directory has a name in UTF-8") from None
    try:
        check_free(path)
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".writable"
        probe.touch()
        probe.unlink()
    except Occupied as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be written to: {error.strerror}") from None


def remove_if_empty(path: Path) -> None:
    """A run that never began leaves no directory."""
    with contextlib.suppress(OSError):
        path.rmdir()
        if path.parent == RUNS:
            path.parent.rmdir()


def _free(path: Path) -> Path:
    candidate, number = path, 2
    while candidate.exists():
        candidate, number = path.with_name(f"{path.name}-{number}"), number + 1
    return candidate
