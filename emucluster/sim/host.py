"""Something that runs, and may cease to: a machine, a load balancer, a pod's process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .flow import Flow

Power = Literal["running", "silent", "frozen", "crashed"]
"""As seen from its neighbours' sockets.

- `silent`: no power. Nothing goes in or out, nothing is remembered.
- `frozen`: its kernel accepts, nobody reads or answers; what arrives waits.
- `crashed`: its sockets were reset, and connections are refused.
"""


class Host:
    """A place that messages arrive at.

    `life` counts its boots: what was under way in an earlier one means nothing any more.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.power: Power = "running"
        self.life = 0
        self.flows: dict[int, Flow] = {}
        """Connections that end here or pass through, by number."""
        self._waiting: list[Callable[[], None]] = []

    def arrive(self, work: Callable[[], None]) -> bool:
        """Do `work` now, once thawed, or never; False says never."""
        if self.power == "running":
            work()
        elif self.power == "frozen":
            self._waiting.append(work)
        else:
            return False
        return True

    def bound(self, work: Callable[[], None]) -> Callable[[], None]:
        """`work` as something that this host has under way: it waits while frozen, ends by boot."""
        life = self.life

        def run() -> None:
            if self.life == life:
                self.arrive(work)

        return run

    def fail(self, power: Power) -> None:
        """Enter a state other than running. What waited is lost unless it is frozen."""
        self.power = power
        if power != "frozen":
            self.life += 1
            self._waiting.clear()

    def thaw(self) -> None:
        """After `frozen`: go on, with what has arrived meanwhile first."""
        self.power = "running"
        waiting, self._waiting = self._waiting, []
        for work in waiting:
            self.arrive(work)

    def boot(self) -> None:
        """After `silent` or `crashed`: begin a new life."""
        self.power = "running"
        self.life += 1
        self._waiting.clear()
