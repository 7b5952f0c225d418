"""How many Events a component may write about one object, so that none of them floods the store.

Source: k8s.io/client-go/tools/record/events_cache.go (EventSourceObjectSpamFilter, getSpamKey) and
k8s.io/client-go/util/flowcontrol/throttle.go.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from emucluster.core.durations import Speed
from emucluster.core.objects import Event

BURST = 25
"""So many in a row (defaultSpamBurst)."""
REFILL_PER_S = 1 / 300
"""And then one more in five minutes (defaultSpamQPS)."""
REMEMBERED = 4096
"""Of how many sources and objects it is known; the longest unused is forgotten first."""

_Key = tuple[str, ...]


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float


class SpamFilter:
    """A token bucket for each source and the object that it tells of.

    Args:
        speed: multiplies the rate, as it divides the periods of what is told.
    """

    def __init__(self, speed: Speed | None = None) -> None:
        self._rate_per_s = (speed or Speed()).rate_per_s(REFILL_PER_S)
        self._buckets: OrderedDict[_Key, _Bucket] = OrderedDict()

    def accepts(self, event: Event, *, now_s: float) -> bool:
        """Whether `event` may be written; if so, it is counted.

        Args:
            now_s: seconds on any one clock. One that goes back gives nothing, and takes nothing.
        """
        key = _key(event)
        bucket = self._buckets.pop(key, None) or _Bucket(float(BURST), now_s)
        self._buckets[key] = bucket
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        grown = max(0.0, now_s - bucket.at_s) * self._rate_per_s
        bucket.tokens, bucket.at_s = min(float(BURST), bucket.tokens + grown), now_s
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True


def _key(event: Event) -> _Key:
    source, about = event.source, event.involved_object
    return (
        source.component or "",
        source.host or "",
        about.kind or "",
        about.namespace or "",
        about.name or "",
        about.uid or "",
        about.api_version or "",
    )
