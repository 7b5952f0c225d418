"""Processor time of another process of this machine, as the kernel tells it in /proc."""

from __future__ import annotations

import os
from collections import deque

from emucluster.live.clock import wall_s
from emucluster.live.rig.meter import KEPT_S
from emucluster.live.rpc.pb import lab_pb2

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


def cpu_s_of(pid: int) -> float | None:
    """Processor time of all threads so far; None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) * _TICK_S


class ProcessCpu:
    """Samples of one process, for those that do not tell about themselves. No lag is known."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._samples: deque[tuple[float, int, float]] = deque(maxlen=KEPT_S)

    def sample(self, pid: int) -> None:
        """Note what it has taken up to now; to be called about once a second."""
        taken_s = cpu_s_of(pid)
        if taken_s is not None:
            self._samples.append((wall_s(), pid, taken_s))

    def report(self, since_s: float) -> lab_pb2.ProcessRig | None:
        """Figures from the last sample before `since_s` on; None before there are any.

        Of a process that was started again meanwhile, those of the new one.
        """
        if not self._samples:
            return None
        to_s, pid, taken_s = self._samples[-1]
        from_s, before_s = to_s, taken_s
        for at_s, sampled, sampled_s in reversed(self._samples):
            if sampled != pid:
                break
            from_s, before_s = at_s, sampled_s
            if at_s <= since_s:
                break
        return lab_pb2.ProcessRig(
            name=self._name, pid=pid, from_s=from_s, to_s=to_s, cpu_s=taken_s - before_s
        )
