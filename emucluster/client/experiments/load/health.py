"""What the load generators themselves were capable of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

CPU_SHARE_MAX = 0.9
"""A closed loop waits for its generator and is never late: only its processor time tells."""


@dataclass(slots=True)
class LoadHealth:
    """Of a whole run, all generators; where they were the limit, the run says nothing.

    Attributes:
        generators: how many processes made the load.
        lag_p99_s: of each generator's event loop over the whole run, by its name.
        lag_max_s: the longest of all.
        cpu_share: of one core, each generator's over the whole run, by its name.
        late: calls begun more than 20 ms after they were due, though nothing held them back.
        expired_late: calls never begun because the generator came too late; they count as failed
            though the cluster never saw them, so a run with any of them is invalid.
        expired_waiting: calls never begun because `inFlightMax` were in flight already.
        lost: generators that did not tell everything, by name, and why.
    """

    generators: int = 0
    lag_p99_s: dict[str, float] = field(default_factory=dict)
    lag_max_s: float = 0.0
    cpu_share: dict[str, float] = field(default_factory=dict)
    late: int = 0
    expired_late: int = 0
    expired_waiting: int = 0
    lost: dict[str, str] = field(default_factory=dict)

    @property
    def invalid_reasons(self) -> list[str]:
        """Why the run cannot be judged, beyond what its calls and loop lags tell by themselves."""
        found = [f"not all calls of {name} are known: {why}" for name, why in self.lost.items()]
        found += [
            f"{name} was busy {share:.0%} of the time: it was the limit, not the cluster"
            for name, share in self.cpu_share.items()
            if share > CPU_SHARE_MAX
        ]
        return found


def load_health(told: Mapping[str, Iterable[Any]], lost: Mapping[str, str]) -> LoadHealth:
    """From every generator's `GeneratorHealth`, in order of time, by its name."""
    health = LoadHealth(generators=len(told), lost={name: why for name, why in lost.items() if why})
    for name, pieces in told.items():
        seconds: list[tuple[float, float, float]] = []
        for piece in pieces:
            seconds.append((piece.from_s, piece.to_s, piece.cpu_s))
            health.lag_max_s = max(health.lag_max_s, piece.lag_max_s)
            health.late += piece.late
            health.expired_late += piece.expired_late
            health.expired_waiting += piece.expired_waiting
            health.lag_p99_s[name] = piece.run_lag_p99_s
        health.cpu_share[name] = _share(seconds)
    return health


def _share(pieces: list[tuple[float, float, float]]) -> float:
    lasted_s = pieces[-1][1] - pieces[0][0] if pieces else 0.0
    return sum(cpu_s for _, _, cpu_s in pieces) / lasted_s if lasted_s > 0 else 0.0
