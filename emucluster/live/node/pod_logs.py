"""What `logs` reads: a container's file, followed while it grows."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from emucluster.core.errors import NotFound
from emucluster.live.pods.logs import PodLogs, read_log

POLL_S = 0.2
_CHUNK = 64 * 1024


async def stream_logs(
    logs: PodLogs,
    namespace: str,
    pod: str,
    *,
    container: str,
    tail: int | None,
    previous: bool,
    follow: bool,
) -> AsyncIterator[bytes]:
    """The output so far in pieces; with `follow` what comes, until the pod's files are removed.

    Raises NotFound when the pod has written nothing here, in kubectl's words.
    """
    path = logs.find(namespace, pod, container, previous=previous)
    if path is None:
        what = "previous terminated container" if previous else "container"
        raise NotFound(f'{what} "{container or pod}" in pod "{pod}" not found')
    data = read_log(path, tail=tail)
    offset = path.stat().st_size
    for start in range(0, len(data), _CHUNK):
        yield data[start : start + _CHUNK]
    while follow:
        await asyncio.sleep(POLL_S)
        if not path.exists():
            return
        size = path.stat().st_size
        if size < offset:  # rotated, or a new instance of the container
            offset = 0
        if size > offset:
            piece = _read(path, offset)
            offset += len(piece)
            yield piece


def _read(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(_CHUNK)
