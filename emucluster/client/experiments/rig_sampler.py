"""What the emulator itself took while a trial ran."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Self

from emucluster.client.lab import LabClient
from emucluster.client.rig import ProcessRig
from emucluster.core.errors import EmuclusterError
from emucluster.live.clock import wall_s
from emucluster.live.rig.clock_offset import moved_s, wall_offset_s

SAMPLE_S = 1.0
STOP_S = 5.0
RUNNER = "emucluster run"

log = logging.getLogger(__name__)


class RigSampler:
    """Asks for processor time every second, and at the end for how late event loops were.

    Args:
        cores: of which `cpu_share` is a share.
    """

    def __init__(self, lab: LabClient, *, cores: float) -> None:
        self._lab = lab
        self._cores = cores
        self._start_s = wall_s()
        self._machine_before: tuple[int, int] | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="rig", daemon=True)
        self.cpu_share: float | None = None
        """Of all cores; the higher of what the cluster's processes took in their highest second and
        of what everybody on this machine took from beginning to end. None: nobody told."""
        self.loop_lag_p99_s: dict[str, float] = {}
        """By the name of a process, of the whole time; known after `stop`."""
        self.clock_step_s: dict[str, float] = {}
        """How far wall clocks moved against monotonic ones, as `loop_lag_p99_s`; this process's
        own under `RUNNER`."""
        self._offsets_s: list[float] = []

    def __enter__(self) -> Self:
        self._start_s = wall_s()
        self._offsets_s.append(wall_offset_s())
        self._machine_before = machine_ticks()
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stopped.set()

    def stop(self) -> None:
        """Take the figures of the whole time. Harmless when done twice."""
        self._stopped.set()
        self._thread.join(timeout=STOP_S)
        self._offsets_s.append(wall_offset_s())
        self.clock_step_s = {RUNNER: moved_s(self._offsets_s)}
        machine = busy_share(self._machine_before, machine_ticks())
        if machine is not None:
            self.cpu_share = max(machine, self.cpu_share or 0.0)
        try:
            processes = self._lab.rig(self._start_s).processes
        except EmuclusterError as error:
            log.info("how late event loops were is not known: %s", error)
            return
        self.loop_lag_p99_s = {
            process.name: process.lag_p99_s
            for process in processes
            if process.lag_p99_s is not None
        }
        self.clock_step_s |= {
            process.name: process.clock_step_s
            for process in processes
            if process.clock_step_s is not None
        }

    def _sample(self) -> None:
        since_s = wall_s()
        while not self._stopped.wait(SAMPLE_S):
            self._offsets_s.append(wall_offset_s())
            try:
                processes = self._lab.rig(since_s).processes
            except EmuclusterError as error:
                log.info("what processes took is not known: %s", error)
                continue
            since_s = wall_s()
            if processes:
                share = _cores_used(processes) / self._cores
                self.cpu_share = max(share, self.cpu_share or 0.0)


def _cores_used(processes: tuple[ProcessRig, ...]) -> float:
    return sum(
        process.cpu_s / (process.to_s - process.from_s)
        for process in processes
        if process.to_s > process.from_s
    )


def machine_ticks() -> tuple[int, int] | None:
    """Clock ticks of all processors of this machine so far: those that were taken, and all.

    Time that a hypervisor gave to others counts as taken, for nobody here had it. Time of programs
    that run at a lower priority (nice(1)) does not: they step aside for whoever wants the
    processor. None where there is no /proc/stat (see proc(5)).
    """
    try:
        words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
        ticks = [int(word) for word in words]
    except (OSError, ValueError):
        return None
    free = ticks[1] + sum(ticks[3:5])  # nice; idle and iowait
    return sum(ticks) - free, sum(ticks)


def busy_share(before: tuple[int, int] | None, after: tuple[int, int] | None) -> float | None:
    """The share of all processors' time between the two that was taken; None: not known."""
    if before is None or after is None or after[1] <= before[1]:
        return None
    return (after[0] - before[0]) / (after[1] - before[1])
