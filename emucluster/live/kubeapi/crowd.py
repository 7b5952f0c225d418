"""Whose connections stay when there are too many.

Whoever has not shown who he is, a *stranger*, may have a part of all places; when those are taken,
the stranger that has been idle longest makes place for the next. So somebody with credentials
always gets in, and shows them at once. One user who is no administrator has at most half of all
places. Pure.
"""

from __future__ import annotations

from collections import Counter
from typing import Generic, TypeVar

from .users import ANONYMOUS, MASTERS, User

CONNECTIONS_MAX = 2000
STRANGERS_PART = 4
"""One of so many places may be a stranger's."""
USER_PART = 2
"""One of so many may be any one user's who is no administrator."""

Guest = TypeVar("Guest")


class Crowd(Generic[Guest]):
    """Everybody who is connected, those who were active last at the end."""

    def __init__(self) -> None:
        self._strangers: dict[Guest, None] = {}
        self._known: dict[Guest, User] = {}
        self._busy: set[Guest] = set()
        self._of_user: Counter[str] = Counter()

    def enter(self, guest: Guest, others: int = 0) -> list[Guest]:
        """A new connection; whose must be closed for it, which may be its own.

        `others`: how many places are taken that nobody can be sent away from.
        """
        sent_away = []
        self._strangers[guest] = None
        if len(self._strangers) > max(1, CONNECTIONS_MAX // STRANGERS_PART):
            sent_away.append(next(iter(self._strangers)))
        elif len(self._strangers) + len(self._known) + others > CONNECTIONS_MAX:
            sent_away.append(self._least_missed())
        for each in sent_away:
            self.leave(each)
        return sent_away

    def _least_missed(self) -> Guest:
        """The stranger that is idle longest, else the one of the others, else whoever is new."""
        first = next(iter(self._strangers))
        if len(self._strangers) > 1:
            return first
        return next((each for each in self._known if each not in self._busy), first)

    def introduce(self, guest: Guest, user: User) -> bool:
        """Somebody shows who he is; whether he may stay, as he may not with too many of his own."""
        if guest in self._known or guest not in self._strangers or user == ANONYMOUS:
            return True
        most = max(1, CONNECTIONS_MAX // USER_PART)
        if MASTERS not in user.groups and self._of_user[user.name] >= most:
            return False
        del self._strangers[guest]
        self._known[guest] = user
        self._of_user[user.name] += 1
        return True

    def begin(self, guest: Guest) -> None:
        """A request is under way."""
        self._busy.add(guest)

    def end(self, guest: Guest) -> None:
        """None is any more: idle from now on."""
        self._busy.discard(guest)
        if guest in self._strangers:
            del self._strangers[guest]
            self._strangers[guest] = None
        elif guest in self._known:
            self._known[guest] = self._known.pop(guest)

    def leave(self, guest: Guest) -> None:
        """The connection is closed, or is no longer to be counted here."""
        self._busy.discard(guest)
        self._strangers.pop(guest, None)
        user = self._known.pop(guest, None)
        if user is not None:
            self._of_user[user.name] -= 1
            if not self._of_user[user.name]:
                del self._of_user[user.name]
