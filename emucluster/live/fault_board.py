"""Faults at their target: applied here, lifted here when their time is up, whoever asked."""

import asyncio
import contextlib
import logging
from typing import Protocol

from emucluster.core.faults import FaultLease, Ledger, check, is_over_at_once, parse_target
from emucluster.live.clock import now_s, wall_s
from emucluster.live.rpc.pb import lab_pb2

log = logging.getLogger("emucluster.faults")


class Breakable(Protocol):
    """What can be broken: a node with its pods, or a load balancer."""

    async def break_(self, lease: FaultLease) -> str:
        """Put the fault into effect and return the mechanism, e.g. "kernel filter".

        Raises EmuclusterError when the target is not here or cannot have it.
        """

    async def mend(self, lease: FaultLease) -> None:
        """Lift the fault. Never raises for a target that is gone by now."""


class FaultBoard:
    """Drives a Ledger on real time."""

    def __init__(self, breakable: Breakable) -> None:
        self._breakable = breakable
        self._ledger = Ledger()
        self._timer: asyncio.TimerHandle | None = None
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def inject(self, request: lab_pb2.FaultRequest) -> lab_pb2.Fault:
        """Apply a fault; it is in force, or over at once, when this returns."""
        target = parse_target(request.target)
        duration_s = request.duration_s if request.HasField("duration_s") else None
        check(request.kind, target, duration_s)
        async with self._lock:
            lease = self._ledger.inject(
                request.id, request.kind, str(target), duration_s, now_s=now_s()
            )
            try:
                mechanism = await self._breakable.break_(lease)
            except BaseException:
                self._ledger.clear(lease.id, now_s=now_s())
                raise
            lease = self._ledger.observed(lease.id, mechanism)
            if is_over_at_once(request.kind, target):
                lease = self._ledger.clear(lease.id, now_s=now_s()) or lease
            self._arm()
        log.warning("fault %s: %s on %s (%s)", lease.id, lease.kind, target, mechanism)
        return _message(lease)

    async def clear(self, fault_id: str | None) -> list[lab_pb2.Fault]:
        """Lift one fault, or all when `fault_id` is None; those that were in force."""
        async with self._lock:
            leases = [
                lease
                for lease in self._ledger.in_force.values()
                if fault_id is None or lease.id == fault_id
            ]
            ended = [await self._end(lease) for lease in leases]
            self._arm()
        return [_message(lease) for lease in ended]

    def list(self) -> list[lab_pb2.Fault]:
        """Every fault in force, then those that ended lately."""
        return [_message(f) for f in (*self._ledger.in_force.values(), *self._ledger.ended)]

    def on(self, target: str) -> FaultLease | None:
        """The fault in force on `target`, as FaultTarget prints it."""
        return next((f for f in self._ledger.in_force.values() if f.target == target), None)

    def stop(self) -> None:
        """Forget the timers; faults end with the process."""
        if self._timer is not None:
            self._timer.cancel()

    async def _end(self, lease: FaultLease) -> FaultLease:
        ended = self._ledger.clear(lease.id, now_s=now_s())
        with contextlib.suppress(ProcessLookupError):
            await self._breakable.mend(lease)
        log.warning("fault %s: %s on %s ended", lease.id, lease.kind, lease.target)
        return ended or lease

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake_s = self._ledger.next_wake_s()
        if wake_s is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, wake_s - now_s()), self._expire_soon)

    def _expire_soon(self) -> None:
        task = asyncio.get_running_loop().create_task(self._expire())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _expire(self) -> None:
        async with self._lock:
            for lease in self._ledger.expired(now_s=now_s()):
                try:
                    await self._end(lease)
                except Exception:
                    log.exception("fault %s was not lifted cleanly", lease.id)
            self._arm()


def _message(lease: FaultLease) -> lab_pb2.Fault:
    offset_s = wall_s() - now_s()
    fault = lab_pb2.Fault(
        id=lease.id,
        kind=lease.kind,
        target=lease.target,
        injected_wall_s=lease.injected_s + offset_s,
        mechanism=lease.mechanism,
        state="in force" if lease.ended_s is None else "ended",
    )
    ends_s = lease.ended_s if lease.ended_s is not None else lease.ends_s
    if ends_s is not None:
        fault.ends_wall_s = ends_s + offset_s
    return fault
