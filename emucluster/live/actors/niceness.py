"""Who goes first where many share few cores.

A real control plane has machines of its own. Here it shares them with nodes, each of which may be
starting a hundred pods; clients of the API would wait behind all of them. Where nodes are few,
nothing is changed, so that what is measured is not.
"""

import contextlib
import os
from pathlib import Path

CONTROL_PLANE = -10
NODE_IN_A_CROWD = 10
NODES_PER_CORE = 4
"""With more of them a machine is crowded."""


def go_ahead(crowd: int) -> None:
    """The control plane's, beside a crowd; of this thread and those that it will start.

    Only root may.
    """
    if not _is_crowded(crowd):
        return
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, CONTROL_PLANE)


def stand_back(crowd: int) -> None:
    """A node's, of all threads of this process: `crowd` is how many nodes are on this machine."""
    if not _is_crowded(crowd):
        return
    tasks = Path("/proc/self/task")
    threads = [int(task.name) for task in tasks.iterdir()] if tasks.is_dir() else [0]
    for thread in threads:
        with contextlib.suppress(ProcessLookupError):  # it has ended
            os.setpriority(os.PRIO_PROCESS, thread, NODE_IN_A_CROWD)


def _is_crowded(crowd: int) -> bool:
    return crowd > NODES_PER_CORE * (os.cpu_count() or 1)
