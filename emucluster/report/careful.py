"""Reads files that anybody may have written: waits for none, takes in none without end."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

import pyarrow.parquet as pq

from emucluster.experiment.bounds import CALLS_MAX

JSON_BYTES_MAX = 256 * 1024 * 1024
"""Ten thousand trials of a large experiment."""
TABLE_BYTES_MAX = 4 * 1024 * 1024 * 1024
"""Of a table when it is unpacked: a few bytes in a file may be any number of them."""
ROWS_MAX = 4 * CALLS_MAX
"""A retried call is executed several times, and each of many observers has beliefs."""


class NotReadable(ValueError):
    """It is there, and not a file that a run writes; says why."""


def read_json(path: Path) -> bytes:
    """The bytes of a JSON file. Raises NotReadable, OSError."""
    with open_file(path) as file:
        if os.fstat(file.fileno()).st_size > JSON_BYTES_MAX:
            raise NotReadable(f"{path.name}: larger than {JSON_BYTES_MAX >> 20} MiB")
        return file.read(JSON_BYTES_MAX)


def check_table(file: pq.ParquetFile, name: str) -> None:
    """Raises NotReadable for a table that is larger than a run's can be."""
    found = file.metadata
    size = sum(found.row_group(i).total_byte_size for i in range(found.num_row_groups))
    if found.num_rows > ROWS_MAX or size > TABLE_BYTES_MAX:
        raise NotReadable(f"{name}: {found.num_rows} rows of {size} bytes are no run's")


def open_file(path: Path) -> BinaryIO:
    """A regular file, open; a pipe or device is not waited for. Raises NotReadable, OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotReadable(f"{path.name}: not a regular file")
    return os.fdopen(descriptor, "rb")
