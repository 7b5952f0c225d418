"""Who puts faults in force and ends them: the cluster's machines, asked by the keeper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from emucluster.client.fault_request import FaultRequest
from emucluster.client.lab import Ending, LabClient
from emucluster.core.errors import NotFound
from emucluster.experiment.ledger import Ask, Clear
from emucluster.experiment.plan import PlanEntry


@dataclass(frozen=True, slots=True)
class Sighting:
    """Somebody saw a fault's effect, or looked for it.

    Attributes:
        by: as a target, never the fault's own: `node/node-1`, `client/web`.
        seen: False: it was looked for, and `what` is what was there instead.
    """

    at_s: float
    by: str
    what: str
    seen: bool = True


class Hands(Protocol):
    """Those who hold faults. Every method ends by a deadline and may be called from any thread."""

    def ask(self, ask: Ask) -> str:
        """Put a fault in force and return the mechanism.

        Raises Unreachable when it is not known what became of it, EmuclusterError when it was
        refused.
        """
        ...

    def clear(self, command: Clear) -> None:
        """End a fault; one that is not in force is no error. Raises Unreachable."""
        ...

    def held(self, targets: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Entries that each target has in force; those who did not answer are left out."""
        ...

    def witness(self, entry: PlanEntry) -> Sighting | None:
        """What others than its target see of a fault now; None: nobody looked."""
        ...

    def is_over(self, entry: PlanEntry) -> Ending:
        """Whether somebody other than its target sees that a fault is over, or that it is not."""
        ...


class LabHands:
    """Faults, by way of the keeper.

    Args:
        run: begins the ids of faults at their targets: `RUN.ENTRY`.
        nodes: NAMESPACE/NAME of a pod to the node that holds its faults.
    """

    def __init__(self, lab: LabClient, *, run: str, nodes: Mapping[str, str]) -> None:
        self._lab = lab
        self._prefix = f"{run}."
        self._nodes = nodes

    def ask(self, ask: Ask) -> str:
        entry = ask.entry
        wanted = FaultRequest(
            entry.kind,
            entry.target,
            ask.for_s,
            entry.params,
            entry.peers,
            entry.follow,
            self._prefix + entry.id,
            ask.until_s,
        )
        fault = self._lab.inject(wanted)
        return fault.mechanism

    def clear(self, command: Clear) -> None:
        try:
            self._lab.clear_faults(self._prefix + command.id)
        except NotFound:
            pass  # it is over already, or was never taken: it is remembered as cleared

    def held(self, targets: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        faults, silent = self._lab.held_faults()
        ours = {
            fault.id.removeprefix(self._prefix)
            for fault in faults
            if fault.state == "in force" and fault.id.startswith(self._prefix)
        }
        return {
            target: tuple(sorted(ours)) for target in targets if self.holder(target) not in silent
        }

    def witness(self, entry: PlanEntry) -> Sighting | None:
        found = self._lab.looked_for(self._prefix + entry.id)
        return Sighting(found.at_s, found.by, found.what, found.seen)

    def is_over(self, entry: PlanEntry) -> Ending:
        return self._lab.is_over(self._prefix + entry.id)

    def left(self, targets: Sequence[str]) -> list[str]:
        """Faults of this run that are still in force, and which targets' machines do not tell."""
        faults, silent = self._lab.held_faults()
        silent &= {self.holder(target) for target in targets}
        ours = [f for f in faults if f.state == "in force" and f.id.startswith(self._prefix)]
        return [
            *(
                f"{fault.kind} on {fault.target} is still in force"
                + (f": it {fault.error}" if fault.error else "")
                for fault in ours
            ),
            *(f"{name} does not tell what it has in force" for name in sorted(silent)),
        ]

    def holder(self, target: str) -> str:
        """The machine that holds a target's faults, as `Status.machines` names it."""
        kind, _, rest = target.partition("/")
        match kind:
            case "pod":
                return self._nodes.get(rest, "")
            case "lb":
                return target
            case "control-plane":
                return kind
            case _:
                return rest
