"""Load: calls at a steady rate beside everything else, each with its moment and outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from emucluster.runtime import Outcome

from .calls import Channel
from .event_loop import EventLoop


@dataclass(frozen=True, slots=True)
class Record:
    """One call of a load: when it began, and what became of it."""

    began_s: float
    outcome: Outcome


class Load:
    """Calls at a rate, each over a connection of its own, until `stop`.

    An open loop: calls begin whether or not others have been answered.
    """

    def __init__(
        self, loop: EventLoop, dial: Callable[[], Channel], *, rate_per_s: float, timeout_s: float
    ) -> None:
        self.records: list[Record] = []
        """In the order in which the calls ended."""
        self._loop, self._dial = loop, dial
        self._period_s, self._timeout_s = 1.0 / rate_per_s, timeout_s
        self._running = True
        self._tick()

    def stop(self) -> None:
        """Begin no more calls; those under way are still recorded when they end."""
        self._running = False

    def failed(self) -> list[Record]:
        """The calls that got no answer, by the moment at which they began."""
        return sorted(
            (each for each in self.records if not each.outcome.ok), key=lambda each: each.began_s
        )

    def _tick(self) -> None:
        if not self._running:
            return
        began_s, channel = self._loop.now_s(), self._dial()

        def done(outcome: Outcome) -> None:
            self.records.append(Record(began_s, outcome))
            channel.close()

        channel.begin(self._timeout_s, done)
        self._loop.call_later(self._period_s, self._tick)
