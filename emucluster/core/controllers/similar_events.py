"""Events that differ in nothing but their message, of which many in a row become one.

Source: k8s.io/client-go/tools/record/events_cache.go (EventAggregator,
EventAggregatorByReasonFunc).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

from emucluster.core.durations import Speed

COMBINED = "(combined from similar events): "
MESSAGES_MAX = 10
"""So many different messages, the last one included, and they are combined
(defaultAggregateMaxEvents)."""
INTERVAL_S = 600.0
"""Those that come after a longer silence begin anew (defaultAggregateIntervalInSeconds)."""
REMEMBERED = 4096
"""Of how many kinds of Events the messages are known; the longest unused is forgotten first."""


@dataclass(slots=True)
class _Similar:
    last_s: float
    messages: dict[str, None] = field(default_factory=dict)


class SimilarEvents:
    """Which Events have had many messages lately.

    Args:
        speed: divides the interval, as it divides the periods of what is told.
    """

    def __init__(self, speed: Speed) -> None:
        self._interval_s = speed.duration_s(INTERVAL_S)
        self._known: OrderedDict[Hashable, _Similar] = OrderedDict()

    def combines(self, key: Hashable, message: str, *, now_s: float) -> bool:
        """Whether an Event is to be counted with those like it instead of having one of its own.

        Args:
            key: all that Events have in common which are alike.
            now_s: seconds on any one clock.
        """
        similar = self._known.pop(key, None)
        if similar is None or now_s - similar.last_s > self._interval_s:
            similar = _Similar(now_s)
        self._known[key] = similar
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        similar.last_s = now_s
        similar.messages[message] = None
        if len(similar.messages) < MESSAGES_MAX:
            return False
        similar.messages.popitem()  # another new one is one too many as well
        return True
