"""When health checks came to a host, by who sent them: they leave no flow records."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence

from emucluster.live.clock import wall_s

KEPT, SENDERS_KEPT = 64, 64


class CheckLog:
    """The last of each sender, of the senders that came last."""

    def __init__(self, *, clock: Callable[[], float] = wall_s) -> None:
        self._clock = clock
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def note(self, sender: str) -> None:
        """One has come from this address."""
        times = self._times.setdefault(sender, deque(maxlen=KEPT))
        times.append(self._clock())
        self._times.move_to_end(sender)
        while len(self._times) > SENDERS_KEPT:
            self._times.popitem(last=False)

    def times(self) -> Mapping[str, Sequence[float]]:
        """Address to when its checks came, wall clock."""
        return {sender: list(times) for sender, times in self._times.items()}
