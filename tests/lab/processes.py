"""The processes that a cluster consists of, by what they are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

IDLE = "ray::IDLE"
"""Ray keeps some in stock."""


def actors(machine: int) -> Counter[str]:
    """How many processes of each kind there are beside a machine's own, itself included.

    They are children of one raylet: `ray::Node`, `ray::LoadBalancer`, pods' actors.
    """
    found: Counter[str] = Counter()
    raylet = _parent(machine)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and raylet and _parent(int(entry.name)) == raylet:
            title = _title(int(entry.name))
            if title.startswith("ray::") and title != IDLE:
                found[title] += 1
    return found


def _parent(pid: int) -> int:
    """0 for a process that has ended, or that nobody has waited for yet."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[:2]
    except OSError:
        return 0
    return 0 if state in "ZX" else int(parent)


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0 ").decode(errors="replace")
    except OSError:
        return ""
