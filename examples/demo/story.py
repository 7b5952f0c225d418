"""How the demo tells what happens: chapters, columns, and two clocks."""

from __future__ import annotations

import sys
import textwrap
import threading
import time
from collections.abc import Sequence

WIDTH = 110
_INDENT = "  "


class Story:
    """Prints; from several threads, too."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self.started_s = time.monotonic()
        self._lock = threading.Lock()
        self._chapter = 0

    def say(self, text: str = "") -> None:
        """A line as it is."""
        with self._lock:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    def chapter(self, title: str) -> None:
        """A numbered heading."""
        self._chapter += 1
        self.say(f"\n{self._chapter}. {title}")

    def now(self, text: str) -> None:
        """Something that happens now, with the seconds since the demo began."""
        self.say(f"{_INDENT}{time.monotonic() - self.started_s:5.1f} s  {text}")

    def line(self, text: str) -> None:
        """Something to know, in as many lines as it needs."""
        self.say(textwrap.fill(text, WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT))

    def columns(self, rows: Sequence[Sequence[str]]) -> None:
        """Rows under each other."""
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        for row in rows:
            cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
            self.say(_INDENT + "  ".join(cells).rstrip())

    def event(self, after_s: float, who: str, what: str, *, scales: bool = True) -> None:
        """Something noticed so long after the loss of power.

        `scales`: configured durations decided when, so that without `--speed` it takes longer.
        """
        scaled = f"{after_s * self.speed:3.0f} s" if scales and self.speed != 1 else ""
        self.say(f"{_INDENT}{after_s:+5.1f} s {scaled:>6}  {who:<15} {what}")

    def event_heading(self) -> None:
        scaled = f"X {self.speed:g}" if self.speed != 1 else ""
        self.say(f"{_INDENT}{'AFTER':>7} {scaled:>6}  {'WHO':<15} WHAT")
