"""Whether a command listens where its clients are sent.

In Kubernetes a container has all addresses and ports of its pod for itself; here its process has to
follow HOST and PORT. One that does not runs as well as any, and nobody would ever reach it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from emucluster.live.pods import proc_net

POLL_S = (0.02, 0.02, 0.05, 0.05, 0.1, *[0.2] * 50, 1.0)
"""The last for as long as it takes."""


async def watch(
    image: str,
    group: int,
    address: str,
    ports: Sequence[int],
    *,
    wanted: Callable[[], bool],
    deadline_s: float,
    tell: Callable[[str], None],
) -> bool:
    """Wait until somebody listens at one of the ports; False: it is not `wanted` any more.

    Args:
        image: the name of the container's image.
        group: its process group.
        address: of its pod.
        ports: where clients are sent, the one of PORT first.
        deadline_s: after that `tell` is called, once, with where it listens instead, in words.
    """
    late_s: float | None = asyncio.get_running_loop().time() + deadline_s
    polls = iter(POLL_S)
    while wanted():
        if proc_net.is_listening(address, *ports):
            return True
        if late_s is not None and asyncio.get_running_loop().time() >= late_s:
            late_s = None
            elsewhere = await asyncio.to_thread(_elsewhere, group)
            if wanted():
                tell(
                    f"{image} {elsewhere} after {deadline_s:g} s; it must listen on HOST and PORT "
                    f"of its environment, here {address}:{ports[0]}"
                )
        await asyncio.sleep(next(polls, POLL_S[-1]))
    return False


def _elsewhere(group: int) -> str:
    found = [f"{address}:{port}" for address, port in proc_net.listeners_of_group(group)]
    return f"listens on {', '.join(found)}" if found else "listens nowhere"
