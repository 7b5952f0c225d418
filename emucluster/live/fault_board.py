"""Faults at their target: applied here, lifted here when their time is up, whoever asked.

Faults stack in the order of `kind.LAYERS`. What another fault hides - a pod's, while its machine
has no power - waits, and is put into effect when the target is back; what ends meanwhile is lifted
then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from emucluster.core.errors import EmuclusterError, NotFound
from emucluster.core.faults import EndedBy, FaultLease, Ledger, parse_target
from emucluster.core.faults.kind import LAYERS
from emucluster.live.clock import now_s, wall_s
from emucluster.live.fault_messages import fault_message, read_request
from emucluster.live.rpc.pb import lab_pb2

log = logging.getLogger("emucluster.faults")

ENDED_SHOWN = 100
"""How many ended faults are listed, for those who ask what happened."""
AGAIN_S, AGAIN_MAX_S = 0.2, 5.0
"""A fault that could not be lifted is tried again after so long, then after twice that, and so on,
until it is lifted or the process ends."""


class Breakable(Protocol):
    """What can be broken: a node with its pods, or a load balancer."""

    async def break_(self, lease: FaultLease) -> str:
        """Put the fault into effect and return the mechanism, e.g. "kernel filter".

        Raises EmuclusterError when the target is not here or cannot have it. Called again for a
        lease whose target was restarted.
        """

    async def mend(self, lease: FaultLease) -> None:
        """Lift the fault. Never raises for a target that is gone by now.

        What it raises says that the fault is still in force; it is called again then.
        """


@dataclass(frozen=True, slots=True)
class _Stuck:
    """A fault that should be over and could not be lifted.

    Attributes:
        by: what should have ended it.
        again_s: when to try again; `pause_s` after it was tried last.
    """

    error: str
    by: EndedBy
    pause_s: float
    again_s: float


class FaultBoard:
    """Drives a Ledger on real time.

    A fault is in force, and listed so, until it *is* lifted: where lifting it fails, why is told to
    whoever asks, and it is tried again.

    Args:
        hides: says why a lease cannot have any effect now ("node-1 is silent"); empty: it can.
    """

    def __init__(
        self, breakable: Breakable, *, hides: Callable[[FaultLease], str] = lambda lease: ""
    ) -> None:
        self._breakable = breakable
        self.on_change: Callable[[Collection[FaultLease]], None] = lambda in_force: None
        """Called with the faults in force after each time that one was put in force or lifted."""
        self._hides = hides
        self._ledger = Ledger()
        self._waiting: set[str] = set()
        self._applied: set[str] = set()
        self._owed: list[FaultLease] = []
        self._stuck: dict[str, _Stuck] = {}
        self._deleted: set[str] = set()
        """Targets that are gone for good, until others of their names run."""
        self._timer: asyncio.TimerHandle | None = None
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def inject(self, request: lab_pb2.FaultRequest) -> lab_pb2.Fault:
        """Apply a fault; it is in force, or over, when this returns.

        A repeated ask changes nothing, and neither does one that comes after its time or after it
        was cleared. Of a fault that ended with its deleted target it is for another of that name,
        where that runs. Raises EmuclusterError where it cannot be; nothing is left of it then.
        Raises NotFound for a target that is deleted.
        """
        asked = read_request(request, wall_s=wall_s())
        async with self._lock:
            wanted = asked.lease(now_s=now_s(), wall_s=wall_s())
            self._check_there(wanted)
            lease = self._ledger.inject(wanted, now_s=now_s())
            if lease is wanted:
                lease = await self._begin(lease)
            self._arm()
        return self._message(lease)

    async def clear(self, fault_id: str | None) -> list[lab_pb2.Fault]:
        """Lift one fault, or all when `fault_id` is None; those that were in force.

        One that could not be lifted is told as it is: in force, with its `error`.
        """
        async with self._lock:
            leases = [
                lease
                for lease in self._ledger.in_force.values()
                if fault_id is None or lease.id == fault_id
            ]
            ended = [await self._end(lease, "clear") for lease in leases]
            if fault_id is not None and not leases:
                self._ledger.clear(fault_id, now_s=now_s())
            self._arm()
        return [self._message(lease) for lease in ended]

    def list(self) -> list[lab_pb2.Fault]:
        """Every fault in force, then those that ended lately."""
        ended = [lease for lease in self._ledger.ended.values() if lease.kind][-ENDED_SHOWN:]
        return [self._message(lease) for lease in (*self._ledger.in_force.values(), *ended)]

    def stop(self) -> None:
        """Forget the timers; faults end with the process."""
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()

    # --- what becomes of targets -----------------------------------------------------------------

    def machine_up(self, booted: bool) -> None:
        """The machine is back; `booted`: its parts are new, else they go on as they were."""
        self._soon(lambda: self._machine_up(booted))

    def target_gone(self, target: str) -> None:
        """No process of this target runs any more; it may be restarted."""
        if self._on(target):
            self._soon(lambda: self._target_gone(target))

    def target_back(self, target: str) -> None:
        """A process of this target runs again."""
        self._deleted.discard(target)
        if self._waiting:
            self._soon(self._apply_waiting)

    def target_deleted(self, target: str) -> None:
        """This target will not come back. A zombie lives on."""
        if self._on(target):
            self._deleted.add(target)
            self._soon(lambda: self._target_deleted(target))

    async def _machine_up(self, booted: bool) -> None:
        owed, self._owed = self._owed, []
        for lease in owed:
            error = await self._mend(lease)
            if error and (told := self._ledger.restore(lease.id)) is not None:
                self._keep(lease, error, told.ended_by)
        for lease in list(self._ledger.in_force.values()) if booted else ():
            kind, target = lease.fault_kind, parse_target(lease.target).kind
            if kind.layer == "machine":
                continue
            if lease.follow == "instance":
                await self._end(lease, "target-gone")
            elif not kind.is_link and target != "node":
                # A new pod comes with its faults; a new kube-proxy or DNS begins without.
                if target != "pod":
                    await self._mend(lease)
                self._waiting.add(lease.id)
        await self._apply_waiting()

    async def _target_gone(self, target: str) -> None:
        for lease in self._on(target):
            if lease.follow == "instance":
                await self._end(lease, "target-gone")
            elif not lease.fault_kind.is_link:
                self._waiting.add(lease.id)

    async def _target_deleted(self, target: str) -> None:
        for lease in self._on(target):
            if lease.kind != "zombie":
                await self._end(lease, "target-gone")

    async def _apply_waiting(self) -> None:
        leases = [each for each in self._ledger.in_force.values() if each.id in self._waiting]
        for lease in sorted(leases, key=lambda each: LAYERS.index(each.fault_kind.layer)):
            if self._hides(lease):
                continue
            try:
                mechanism = await self._breakable.break_(lease)
            except EmuclusterError as error:
                log.info("fault %s: %s on %s waits: %s", lease.id, lease.kind, lease.target, error)
                continue
            self._waiting.discard(lease.id)
            self._applied.add(lease.id)
            self._ledger.observed(lease.id, mechanism)
            self._changed()
            log.warning("fault %s: %s on %s again", lease.id, lease.kind, lease.target)

    def _on(self, target: str) -> Sequence[FaultLease]:
        return [lease for lease in self._ledger.in_force.values() if lease.target == target]

    def _check_there(self, wanted: FaultLease) -> None:
        """Whether what a fault ended with is there again; if so, it may begin anew."""
        known = self._ledger.ended.get(wanted.id)
        # One that follows an instance ended with that; its target may be there all the same.
        if known is None or known.ended_by != "target-gone" or known.follow == "instance":
            return
        if (known.kind, known.target) != (wanted.kind, wanted.target):
            return  # an id that is taken, which the ledger refuses
        if known.target in self._deleted:
            raise NotFound(f"{known.target} is deleted")
        del self._ledger.ended[wanted.id]

    # --- one fault -------------------------------------------------------------------------------

    async def _begin(self, lease: FaultLease) -> FaultLease:
        once = lease.fault_kind.once
        try:
            hidden = self._hides(lease)
            if hidden and once:
                raise EmuclusterError(f"{lease.target}: {hidden}")
            mechanism = f"waits: {hidden}" if hidden else await self._breakable.break_(lease)
        except BaseException:
            self._ledger.discard(lease.id)
            raise
        if hidden:
            self._waiting.add(lease.id)
        elif not once:
            self._applied.add(lease.id)
        lease = self._ledger.observed(lease.id, mechanism)
        self._changed()
        log.warning("fault %s: %s on %s (%s)", lease.id, lease.kind, lease.target, mechanism)
        if once:
            return self._ledger.clear(lease.id, now_s=now_s(), ended_by="expiry") or lease
        return lease

    async def _end(self, lease: FaultLease, by: EndedBy) -> FaultLease:
        """Lift a fault; it goes on being in force if that fails."""
        if self._hides(lease):
            self._owed.append(lease)
        elif error := await self._mend(lease):
            self._keep(lease, error, by)
            return lease
        self._stuck.pop(lease.id, None)
        ended = self._ledger.clear(lease.id, now_s=now_s(), ended_by=by)
        self._waiting.discard(lease.id)
        self._changed()
        log.warning("fault %s: %s on %s ended by %s", lease.id, lease.kind, lease.target, by)
        return ended or lease

    async def _mend(self, lease: FaultLease) -> str:
        """Why it could not be lifted; empty: it is. It keeps no other from being lifted."""
        if lease.id not in self._applied:
            return ""
        try:
            await self._breakable.mend(lease)
        except Exception as error:
            log.exception("fault %s: %s on %s is not lifted", lease.id, lease.kind, lease.target)
            return str(error) or type(error).__name__
        self._applied.discard(lease.id)
        return ""

    def _keep(self, lease: FaultLease, error: str, by: EndedBy) -> None:
        """Remember why a fault is still in force, and when to try again."""
        before = self._stuck.get(lease.id)
        pause_s = AGAIN_S if before is None else min(AGAIN_MAX_S, 2 * before.pause_s)
        ended_by = by if before is None else before.by
        self._stuck[lease.id] = _Stuck(error, ended_by, pause_s, now_s() + pause_s)

    def _changed(self) -> None:
        self.on_change(self._ledger.in_force.values())

    # --- time ------------------------------------------------------------------------------------

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wakes_s = [stuck.again_s for stuck in self._stuck.values()]
        expires_s = self._ledger.next_wake_s(but=self._stuck)
        wakes_s += [] if expires_s is None else [expires_s]
        if wakes_s:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(
                max(0.0, min(wakes_s) - now_s()), lambda: self._soon(self._expire)
            )

    async def _expire(self) -> None:
        again = [key for key, stuck in self._stuck.items() if stuck.again_s <= now_s()]
        for lease in self._ledger.expired(now_s=now_s(), but=self._stuck):
            await self._end(lease, "expiry")
        for fault_id in again:
            await self._end(self._ledger.in_force[fault_id], self._stuck[fault_id].by)

    def _soon(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do it after what is being done now; what is asked for first is done first."""

        async def alone() -> None:
            async with self._lock:
                await work()
                self._arm()

        task = asyncio.get_running_loop().create_task(alone())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _message(self, lease: FaultLease) -> lab_pb2.Fault:
        fault = fault_message(lease, now_s=now_s(), wall_s=wall_s())
        stuck = self._stuck.get(lease.id)
        if stuck is not None:
            fault.error = f"could not be lifted: {stuck.error}"
        return fault
