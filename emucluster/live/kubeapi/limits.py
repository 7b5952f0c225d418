"""How many requests may be under way, and how slowly their bodies may come.

Administrators are exempt, as the group system:masters is in Kubernetes (priority level `exempt` of
API Priority and Fairness): nobody else can keep them out. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from emucluster.core.errors import TooManyRequests

from .users import MASTERS, User

READS_MAX, WRITES_MAX = 400, 200
"""--max-requests-inflight and --max-mutating-requests-inflight."""
BODIES_MAX = 50
"""Requests of one user whose bodies are still coming; each may hold 3 MiB."""
BODY_GRACE_S = 10.0
BODY_RATE_MIN = 64 * 1024
"""Bytes a second that a body must have come with on the average once its grace is over, so that
the largest takes less than the time of a request."""


def body_deadline_s(started_s: float, received: int) -> float:
    """Until when the next bytes of a body must come."""
    return started_s + BODY_GRACE_S + received / BODY_RATE_MIN


ANSWERS_BYTES_MAX = 64 * 1024 * 1024
"""What one user has not read of answers that are not made in pieces; one answer may be larger."""
SMALL_ANSWER_BYTES = 32 * 1024
"""What is not counted: a connection's buffers are larger."""


class Limits:
    """Who may begin."""

    def __init__(self) -> None:
        self._answers: Counter[str] = Counter()
        self._under_way = {False: 0, True: 0}
        self._bodies: Counter[str] = Counter()

    def slot(self, user: User, *, writes: bool) -> Slot:
        """A place for a request; it is taken where it is entered."""
        return Slot(self, user, writes)

    def take(self, writes: bool) -> None:
        """Raises TooManyRequests."""
        if self._under_way[writes] >= (WRITES_MAX if writes else READS_MAX):
            raise TooManyRequests
        self._under_way[writes] += 1

    def give_back(self, writes: bool) -> None:
        """What was taken."""
        self._under_way[writes] -= 1

    @contextmanager
    def body(self, user: str) -> Iterator[None]:
        """A body on its way. Raises TooManyRequests."""
        if self._bodies[user] >= BODIES_MAX:
            raise TooManyRequests
        self._bodies[user] += 1
        with self._counted(self._bodies, user, 1):
            yield

    def answer(self, user: User, size: int) -> AbstractContextManager[None]:
        """An answer of `size` bytes on its way. Raises TooManyRequests."""
        if size <= SMALL_ANSWER_BYTES or MASTERS in user.groups:
            return nullcontext()
        before = self._answers[user.name]
        if before and before + size > ANSWERS_BYTES_MAX:
            raise TooManyRequests
        self._answers[user.name] += size
        return self._counted(self._answers, user.name, size)

    @staticmethod
    @contextmanager
    def _counted(counter: Counter[str], name: str, size: int) -> Iterator[None]:
        try:
            yield
        finally:
            counter[name] -= size
            if not counter[name]:
                del counter[name]


class Slot:
    """A place among the requests under way, which one that waits for its body does not have."""

    def __init__(self, limits: Limits, user: User, writes: bool) -> None:
        self._limits = limits
        self._user = user
        self._writes = writes
        self._exempt = MASTERS in user.groups
        self._held = False

    def __enter__(self) -> Slot:
        self._take()
        return self

    def __exit__(self, *_: object) -> None:
        self._give_back()

    @contextmanager
    def waiting_for_body(self) -> Iterator[None]:
        """Without the place, which is taken again when the body is complete.

        Raises TooManyRequests, before or after.
        """
        if self._exempt:
            yield
            return
        self._give_back()
        with self._limits.body(self._user.name):
            yield
        self._take()

    def _take(self) -> None:
        if not self._exempt:
            self._limits.take(self._writes)
            self._held = True

    def _give_back(self) -> None:
        if self._held:
            self._held = False
            self._limits.give_back(self._writes)
