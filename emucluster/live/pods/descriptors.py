"""Waiting for file descriptors in an event loop."""

from __future__ import annotations

import asyncio


async def ready(fd: int, *, write: bool = False) -> None:
    """Return when a descriptor can be read, or written."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[None] = loop.create_future()

    def tell() -> None:
        if not found.done():
            found.set_result(None)

    (loop.add_writer if write else loop.add_reader)(fd, tell)
    try:
        await found
    finally:
        (loop.remove_writer if write else loop.remove_reader)(fd)
