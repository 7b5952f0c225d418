"""When something that looks round at fixed intervals has to look: only if there is work."""

from __future__ import annotations


class Rounds:
    """Rounds every `period_s`, the first at once; those without work are left out.

    Attributes:
        due_s: the round that is wanted next; None: none is.
    """

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._begin_s: float | None = None
        self.due_s: float | None = None

    def begin(self, now_s: float) -> None:
        """The first round is now; has no effect when there was one."""
        if self._begin_s is None:
            self._begin_s = self.due_s = now_s

    def want(self, now_s: float) -> None:
        """There will be work at the first round after `now_s`, or at one before that."""
        self.begin(now_s)
        assert self._begin_s is not None
        if self.due_s is None:
            passed = (now_s - self._begin_s) // self._period_s
            self.due_s = self._begin_s + (passed + 1) * self._period_s

    def take(self, now_s: float) -> bool:
        """Whether a round that is wanted is due; then it is not wanted any more."""
        if self.due_s is None or self.due_s > now_s:
            return False
        self.due_s = None
        return True
