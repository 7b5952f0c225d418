"""Numbers, times and answers in words, alike in page, Markdown and terminal."""

from __future__ import annotations

from collections.abc import Sequence

from emucluster.core.printable import printable
from emucluster.experiment.judging.context import percent as judged_percent
from emucluster.experiment.stats import Interval

NONE = "–"
"""Where there is no value."""

_SHARES = ("availability",)
_COUNTS = ("lost-calls", "executed-twice", "executed-but-failed", "no-fault-left", "spread")
PEERS_MAX = 2
"""So many peers of a link are named."""
_ASCII = str.maketrans({"–": "-", "\u202f": " ", "…": "~", "→": ">"})


def seconds(value_s: float | None) -> str:
    """`12.5 ms`, `3.42 s`, `2 min 5 s`."""
    if value_s is None:
        return NONE
    size_s = abs(value_s)
    if size_s >= 120:
        minutes, rest_s = divmod(round(value_s), 60)
        return f"{minutes} min {rest_s} s" if rest_s else f"{minutes} min"
    if size_s >= 1:
        return f"{value_s:.3g} s" if size_s < 100 else f"{value_s:.0f} s"
    return f"{value_s * 1000:.3g} ms" if size_s >= 1e-6 else "0 s"


def percent(share: float | None) -> str:
    """`99.95 %` as verdicts have it, never rounded to 100 % or 0 %."""
    return NONE if share is None else judged_percent(share)


def count(value: float | None) -> str:
    """`12 345`, with a thin space that does not break."""
    if value is None:
        return NONE
    return f"{value:,.0f}".replace(",", "\u202f")


def rate(per_s: float | None) -> str:
    """`120/s`."""
    return NONE if per_s is None else f"{per_s:.4g}/s"


def interval(found: Interval | None) -> str:
    """`98.2 to 99.1 %`, of a share."""
    if found is None:
        return NONE
    return f"{percent(found.low).removesuffix(' %')} to {percent(found.high)}"


def plural(number: int, one: str, many: str = "") -> str:
    """`1 call`, `2 calls`."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def measure(name: str, value: float | None) -> str:
    """A value of `RunResult.distributions`, in the unit that its name tells."""
    if name.endswith("_s"):
        return seconds(value)
    if name.endswith("/availability"):
        return percent(value)
    if value is None:
        return NONE
    return count(value) if value == round(value) else f"{value:.4g}"


def from_peers(peers: Sequence[str]) -> str:
    """`from node/node-1, node/node-3 and 2 more`, of a fault of a link; empty without peers."""
    if not peers:
        return ""
    more = len(peers) - PEERS_MAX
    named = ", ".join(peers[:PEERS_MAX])
    return f"from {named} and {more} more" if more > 0 else f"from {named}"


def verdict_value(kind: str, value: float) -> str:
    """A verdict's value, in the unit that the kind of its hypothesis has."""
    if kind in _SHARES:
        return percent(value)
    return f"{value:.4g}" if kind in _COUNTS else seconds(value)


def shown(text: str, is_ascii: bool) -> str:
    """Text on one line without control characters; in ASCII where there is no more."""
    line = printable(text)
    if not is_ascii:
        return line
    return line.translate(_ASCII).encode("ascii", "replace").decode()
