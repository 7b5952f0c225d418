"""What the processes of a cluster themselves took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ProcessRig:
    """One process from `from_s` to `to_s` of the wall clock.

    Attributes:
        cpu_s: processor time of all its threads.
        lag_p50_s, lag_p99_s, lag_max_s: how late its event loop was; None where only the kernel
            was asked.
        clock_step_s: how far its wall clock moved against its monotonic clock; None as of these.
    """

    name: str
    pid: int
    from_s: float
    to_s: float
    cpu_s: float
    lag_p50_s: float | None
    lag_p99_s: float | None
    lag_max_s: float | None
    clock_step_s: float | None = None


@dataclass(frozen=True, slots=True)
class Rig:
    """Figures of all processes that answered, and the names of those that did not."""

    processes: tuple[ProcessRig, ...]
    silent: tuple[str, ...]


def rig_of(report: Any) -> Rig:
    """The typed form of the message that crosses processes."""
    return Rig(tuple(_process(each) for each in report.processes), tuple(report.silent))


def _process(message: Any) -> ProcessRig:
    return ProcessRig(
        name=message.name,
        pid=message.pid,
        from_s=message.from_s,
        to_s=message.to_s,
        cpu_s=message.cpu_s,
        lag_p50_s=_known(message, "lag_p50_s"),
        lag_p99_s=_known(message, "lag_p99_s"),
        lag_max_s=_known(message, "lag_max_s"),
        clock_step_s=_known(message, "clock_step_s"),
    )


def _known(message: Any, field: str) -> float | None:
    return float(getattr(message, field)) if message.HasField(field) else None
