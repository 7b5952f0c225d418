"""What is wrong with an experiment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and with which field (`faults[0].target`)."""

    path: str
    text: str
