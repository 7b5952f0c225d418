"""Back-off as the kubelet does it, for restarts, image pulls and retried writes."""

from dataclasses import dataclass

RESTART_INITIAL_S = 10.0
RESTART_MAX_S = 300.0


@dataclass(slots=True)
class Backoff:
    """Doubles from `initial_s` to `max_s`; forgotten after twice `max_s` without a failure.

    k8s.io/client-go util/flowcontrol/backoff.go: an entry counts from the failure, and expires
    when the next failure comes more than 2 x max after the last update.
    """

    initial_s: float = RESTART_INITIAL_S
    max_s: float = RESTART_MAX_S
    delay_s: float = 0.0
    updated_s: float = 0.0

    def waits_until_s(self, failed_s: float) -> float | None:
        """Until when a failure at this moment keeps us waiting; None: not at all."""
        if self.delay_s == 0 or self._expired(failed_s):
            return None
        return failed_s + self.delay_s

    def next(self, failed_s: float, now_s: float) -> None:
        """Count an attempt that follows a failure."""
        if self.delay_s == 0 or self._expired(failed_s):
            self.delay_s = self.initial_s
        else:
            self.delay_s = min(self.delay_s * 2, self.max_s)
        self.updated_s = now_s

    def reset(self) -> None:
        self.delay_s = 0.0

    def _expired(self, failed_s: float) -> bool:
        return failed_s - self.updated_s > 2 * self.max_s


def write_backoff() -> Backoff:
    """For writes to the API server: 200 ms doubling to 7 s (component-helpers lease controller)."""
    return Backoff(initial_s=0.2, max_s=7.0)
