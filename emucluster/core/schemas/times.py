"""Times as JSON has them, RFC 3339, in the one form in which the API writes each.

Source: k8s.io/apimachinery/pkg/apis/meta/v1/time.go and micro_time.go; texts: Go's package time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_LAYOUT = "2006-01-02T15:04:05Z07:00"
_PIECES = (
    ("2006", re.compile(r"(\d{4})")),
    ("-", re.compile("-")),
    ("01", re.compile(r"(\d\d)")),
    ("-", re.compile("-")),
    ("02", re.compile(r"(\d\d)")),
    ("T", re.compile("T")),
    ("15", re.compile(r"(\d\d?)")),
    (":", re.compile(":")),
    ("04", re.compile(r"(\d\d)")),
    (":", re.compile(":")),
    ("05", re.compile(r"(\d\d(?:[.,]\d+)?)")),
    ("Z07:00", re.compile(r"(Z|[+-]\d\d:\d\d)")),
)
_CANONICAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", re.ASCII)


def canonical(text: str, *, micro: bool = False) -> str:
    """The time in UTC: in seconds, or as a MicroTime with six digits more.

    Both take fractions and offsets, which some clients write. Raises ValueError with Go's text.
    """
    moment = _parsed(text)
    written = moment.replace(tzinfo=None).isoformat(timespec="microseconds" if micro else "seconds")
    return f"{written}Z"


def _parsed(text: str) -> datetime:
    if _CANONICAL.fullmatch(text):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass  # the 30th of February
    found: list[str] = []
    rest = text
    for layout, pattern in _PIECES:
        match = pattern.match(rest)
        if match is None:
            raise ValueError(_failed(text, f'cannot parse "{rest}" as "{layout}"'))
        found += match.groups()
        rest = rest[match.end() :]
    if rest:
        raise ValueError(_failed(text, f'extra text: "{rest}"'))
    year, month, day, hour, minute = map(int, found[:5])
    seconds, _, fraction = found[5].replace(",", ".").partition(".")
    for name, value, most in (
        ("month", month, 12),
        ("hour", hour, 23),
        ("minute", minute, 59),
        ("second", int(seconds), 59),
    ):
        if value > most or (name == "month" and value == 0):
            raise ValueError(f'parsing time "{text}": {name} out of range')
    micros = int(f"{fraction[:6]:0<6}") if fraction else 0
    try:
        local = datetime(year, month, day, hour, minute, int(seconds), micros, _zone(found[6]))
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f'parsing time "{text}": day out of range') from None


def _zone(text: str) -> timezone:
    if text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[4:6])
    return timezone(timedelta(hours=hours, minutes=minutes) * (-1 if text[0] == "-" else 1))


def _failed(text: str, why: str) -> str:
    return f'parsing time "{text}" as "{_LAYOUT}": {why}'
