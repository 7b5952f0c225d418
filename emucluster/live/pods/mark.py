"""Finds what a container leaves behind: processes that left its group, by their environment.

A container's processes end with it, whatever they did to their session, parent or group: in a
container runtime the kernel sees to that with the PID namespace. Here they carry a mark. One that
wipes its environment as well escapes until the whole cluster ends.
"""

from __future__ import annotations

import os
import signal
import time

MARK = "EMUCLUSTER_CONTAINER"
"""Environment variable of a command's processes: `POD_UID/CONTAINER_ID`."""

EXEC_MARK = "EMUCLUSTER_EXEC"
"""The same of a process that was started beside them, and of its children: a word of its own."""

SWEEP_DEADLINE_S = 2.0
PAUSE_S = 0.01


def mark_of(pod_uid: str, container_id: str) -> str:
    """The value of `MARK` for one instance of a container."""
    return f"{pod_uid}/{container_id}"


def marked(mark: str, *, name: str = MARK) -> list[int]:
    """The living processes with this mark, this one excepted."""
    wanted = f"{name}={mark}".encode()
    own = str(os.getpid())
    return [
        int(pid)
        for pid in os.listdir("/proc")
        if pid.isdigit() and pid != own and wanted in _environment(pid)
    ]


def end_marked(mark: str, *, name: str = MARK) -> None:
    """SIGKILL them until none is left: one that forks meanwhile is found the next time."""
    give_up = time.monotonic() + SWEEP_DEADLINE_S
    while (pids := marked(mark, name=name)) and time.monotonic() < give_up:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        time.sleep(PAUSE_S)


def _environment(pid: str) -> list[bytes]:
    """Empty for a zombie, and for what we may not read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []
