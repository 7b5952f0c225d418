"""Faults in the answers of a pod's servers: which calls fail, which are late.

`gray` and `error-rate` fail a call *before* it is executed, with details that name the fault.
`slow` holds back the answer of a call that has been executed; of a stream of replies, the first.
Of several in force each counts every call; delays add up, and the fault that began first names the
status. `faulty_server` carries it out.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from emucluster.core.faults.triggers import Trigger, late_by_s

_HELD_BACK_S: ContextVar[float] = ContextVar("held_back_s", default=0.0)

INJECTED = "error injected by the fault "
"""How the details of a call begin that a fault has failed; it has not been executed."""


def hold_back(delay_s: float) -> None:
    """The answer of the call that this task serves is to be so late."""
    _HELD_BACK_S.set(delay_s)


def take_held_back_s() -> float:
    """How late the answer of this call is still to be; who takes it sees to it.

    A server that works on few calls at a time takes it as part of the work, during which nobody
    else is served.
    """
    delay_s = _HELD_BACK_S.get()
    if delay_s:
        _HELD_BACK_S.set(0.0)
    return delay_s


AnswerKind = Literal["gray", "error-rate", "slow"]


class AnswerFault(msgspec.Struct, frozen=True):
    """One fault of a pod; `params` as the catalogue has them, durations in seconds."""

    id: str
    kind: AnswerKind
    params: dict[str, Any]


@dataclass(slots=True)
class _InForce:
    fault: AnswerFault
    trigger: Trigger


@dataclass(frozen=True, slots=True)
class Effect:
    """What becomes of one call. `status`: what it fails with, by name; empty: it is executed."""

    delay_s: float
    status: str = ""
    details: str = ""


class AnswerFaults:
    """What is in force at the servers of one pod; `pod` is NAMESPACE/NAME, for the details."""

    def __init__(self, pod: str) -> None:
        self.in_force: tuple[_InForce, ...] = ()
        self._pod = pod
        self._rng = random.Random()

    def replace(self, faults: Iterable[AnswerFault]) -> None:
        """These are in force from now on; those that were before go on counting."""
        known = {each.fault.id: each for each in self.in_force}
        self.in_force = tuple(
            known.get(fault.id) or _InForce(fault, Trigger.of(fault.params)) for fault in faults
        )

    def next_call(self) -> Effect | None:
        """Count a call and say what becomes of it; None: nothing."""
        delay_s, failed_by = 0.0, list[AnswerFault]()
        for each in self.in_force:
            if not each.trigger.hits(self._rng):
                continue
            if each.fault.kind == "slow":
                delay_s += late_by_s(each.fault.params, self._rng)
            else:
                failed_by.append(each.fault)
        if not failed_by:
            return Effect(delay_s) if delay_s else None
        first = failed_by[0]
        details = f"{INJECTED}{first.id} at pod {self._pod}"
        return Effect(delay_s, first.params["status"], details)
