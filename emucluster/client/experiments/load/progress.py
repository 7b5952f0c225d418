"""How a load is doing while it runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GroupProgress:
    """One client group at a moment.

    Attributes:
        ended: calls of the whole run that have ended, those never begun included.
        calls, ok, failed, unknown: calls that ended in the last second; those that were never
            begun are among `failed`.
        p50_s: median latency of the `ok` ones of the last second; None without any.
    """

    ended: int = 0
    calls: int = 0
    ok: int = 0
    failed: int = 0
    unknown: int = 0
    p50_s: float | None = None
