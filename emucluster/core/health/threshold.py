"""So many answers in a row change our mind."""

from __future__ import annotations


class Threshold:
    """A state that flips after a full run of answers which contradict it.

    One agreeing answer starts the count again. Used for kubelet's probes as for a load balancer's
    health checks: both count consecutive results.

    Args:
        up: the state to begin with.
        rise: passes in a row that turn it up; at least 1.
        fall: failures in a row that turn it down; at least 1.
    """

    __slots__ = ("_against", "fall", "rise", "up")

    def __init__(self, *, up: bool, rise: int, fall: int) -> None:
        if rise < 1 or fall < 1:
            raise ValueError(f"thresholds must be at least 1, got rise {rise}, fall {fall}")
        self.up = up
        self.rise = rise
        self.fall = fall
        self._against = 0

    def count(self, passed: bool, *, needed: int | None = None) -> bool:
        """Take one answer; True if it flipped the state.

        `needed` replaces the threshold for this answer, for rules such as "the first check counts
        at once".
        """
        if passed == self.up:
            self._against = 0
            return False
        self._against += 1
        if self._against < (needed or (self.rise if passed else self.fall)):
            return False
        self.up, self._against = passed, 0
        return True
