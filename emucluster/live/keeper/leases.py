"""What the keeper relayed, for machines whose process is killed and replaced.

Their leases died with the process. Those that follow the identity of their target are asked for
again of the new one, for the rest of their time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emucluster.core.errors import BadRequest
from emucluster.live.rpc.pb import lab_pb2

IDS_KEPT = 1000
"""Of faults that were asked for, and of those that were cleared."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a machine was asked for."""

    machine: str
    kind: str
    target: str


@dataclass(frozen=True, slots=True)
class Relayed:
    """A fault that `machine` has put in force, and how to ask for it again."""

    machine: str
    fault: Any
    again: Any


class Leases:
    """The relayed faults that may still be in force, by id."""

    def __init__(self) -> None:
        self._relayed: dict[str, Relayed] = {}
        self._cleared: dict[str, None] = {}
        self._asked: dict[str, Asked] = {}

    def holds(self, fault_id: str, *, wall_s: float) -> bool:
        """Whether it may still be in force: what is over by its time is not."""
        self._forget_past(wall_s)
        return fault_id in self._relayed

    def check(self, fault_id: str, kind: str, target: str) -> None:
        """Raises BadRequest for an id that another fault has, wherever that is."""
        known = self._asked.get(fault_id)
        if known is not None and (known.kind, known.target) != (kind, target):
            raise BadRequest(
                f'id "{fault_id}" is that of another fault: {known.kind} on {known.target}'
            )

    def ask(self, machine: str, request: Any) -> None:
        """`machine` is about to be asked, and its answer may be lost."""
        self._asked[request.id] = Asked(machine, request.kind, request.target)
        _keep_latest(self._asked)

    def refused(self, fault_id: str) -> None:
        """There is no such fault: its id may be another's."""
        if fault_id not in self._relayed:
            self._asked.pop(fault_id, None)

    def asked(self, fault_id: str) -> str:
        """The machine that was asked for it; empty: none."""
        known = self._asked.get(fault_id)
        return "" if known is None else known.machine

    def note(self, machine: str, request: Any, fault: Any, *, wall_s: float) -> None:
        """`machine` has answered `request` with `fault`. What is over by now is forgotten."""
        self._forget_past(wall_s)
        if fault.state != "in force" or fault.id in self._cleared:
            self._relayed.pop(fault.id, None)
            return
        again = lab_pb2.FaultRequest()
        again.CopyFrom(request)
        again.ClearField("duration_s")
        if fault.HasField("ends_wall_s"):
            again.until_s = fault.ends_wall_s
        self._relayed[fault.id] = Relayed(machine, fault, again)

    def lost(self, fault_id: str) -> None:
        """Its target is gone: no new process is to be asked for it."""
        self._relayed.pop(fault_id, None)

    def clear(self, fault_id: str | None, *, wall_s: float) -> list[Relayed]:
        """Forget one, or all when None; returns what was not over yet."""
        self._forget_past(wall_s)
        if fault_id is None:
            found, self._relayed = list(self._relayed.values()), {}
            return found
        self._cleared[fault_id] = None  # the answer to an ask may still come
        _keep_latest(self._cleared)
        relayed = self._relayed.pop(fault_id, None)
        return [] if relayed is None else [relayed]

    def renew(self, machine: str, *, wall_s: float) -> list[Any]:
        """What a new process of `machine` is to be asked for again.

        What followed the old one is over, and forgotten.
        """
        self._forget_past(wall_s)
        of_machine = {k: each for k, each in self._relayed.items() if each.machine == machine}
        for key, each in of_machine.items():
            if each.again.follow == "instance":
                del self._relayed[key]
        return [each.again for key, each in of_machine.items() if key in self._relayed]

    def _forget_past(self, wall_s: float) -> None:
        self._relayed = {
            key: each
            for key, each in self._relayed.items()
            if not each.again.HasField("until_s") or each.again.until_s > wall_s
        }


def _keep_latest(ids: dict[str, Any]) -> None:
    while len(ids) > IDS_KEPT:
        del ids[next(iter(ids))]
