"""The end of a process, told by the kernel: at once, and never of another with the same pid."""

import asyncio
import os

from emucluster.live.keeper.warden import started_ticks


async def ended(pid: int, started: int | None = None) -> None:
    """Return once the process has ended, or at once if it is not there.

    Args:
        started: its start in clock ticks since boot; if `pid` belongs to another process by now,
            the one that is meant has ended. None: whoever has that pid.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return
    try:
        # Compared after the descriptor is held: a pid cannot change hands in between.
        if started is None or started_ticks(pid) == started:
            await _readable(descriptor)
    finally:
        os.close(descriptor)


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()

    def settle() -> None:
        if not over.done():
            over.set_result(None)

    loop.add_reader(descriptor, settle)
    try:
        await over
    finally:
        loop.remove_reader(descriptor)
