"""Nodes stand back where they are many, and only there."""

import os
import subprocess
import sys

PROGRAM = """
import os, sys, threading
from emucluster.live.actors import niceness
over = threading.Event()
threading.Thread(target=over.wait).start()
niceness.stand_back(int(sys.argv[1]))
threads = map(int, os.listdir("/proc/self/task"))
print(*sorted({os.getpriority(os.PRIO_PROCESS, thread) for thread in threads}))
over.set()
"""


def niceness_in_a_crowd_of(nodes: int) -> str:
    command = [sys.executable, "-c", PROGRAM, str(nodes)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_few_nodes_are_left_as_they_are() -> None:
    assert niceness_in_a_crowd_of(4) == f"{os.getpriority(os.PRIO_PROCESS, 0)}\n"


def test_every_thread_of_many_nodes_stands_back() -> None:
    assert niceness_in_a_crowd_of(100_000) == "10\n"
