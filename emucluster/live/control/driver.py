"""Runs the pure plane on a real loop: steps it after writes and at wake-ups, and commits."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from emucluster.core.admission.admission import Admission
from emucluster.core.controllers.admission_writer import AdmissionWriter
from emucluster.core.controllers.cloud_commands import (
    CloudCommand,
    DeleteLoadBalancer,
    EnsureLoadBalancer,
    LoadBalancerRef,
)
from emucluster.core.controllers.notes import take_note
from emucluster.core.controllers.plane import MAX_WRITES, ControlPlane
from emucluster.core.controllers.recorder import Recorder
from emucluster.core.durations import Speed
from emucluster.core.errors import EmuclusterError, InternalError
from emucluster.core.store import Store
from emucluster.live.clock import now_s, stamp
from emucluster.live.control.turns import Turns
from emucluster.live.control.watch import Broadcaster
from emucluster.live.durable import Durable

FEW_WRITES = 16
"""Of the controllers in a row while clients wait: some 3 ms."""

log = logging.getLogger("emucluster.control")

Result = TypeVar("Result")


class Driver:
    """Owns store, plane and durability of one control plane process.

    `write` is the only way in: it runs a synchronous decision, lets the controllers react, and
    returns when the result is on disk. `write_for_client` and `write_in_turn` do so for clients
    and for nodes (see `turns`). `cloud` performs load-balancer commands.
    """

    def __init__(
        self,
        path: Path,
        *,
        speed: Speed,
        cloud: str | None,
        perform: Callable[[CloudCommand], Awaitable[tuple[str, ...]]],
        on_failure: Callable[[Exception], None],
        synchronous: str = "NORMAL",
        root_ca: str = "",
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._durable = Durable(
            path, synchronous=synchronous, on_commit=self._committed, on_failure=on_failure
        )
        self.store = Store(ids=random.Random())
        self.admission = Admission(self.store, rng=random.Random())
        self.plane = ControlPlane(
            self.admission, speed=speed, cloud=cloud, rng=random.Random(), root_ca=root_ca
        )
        self.broadcaster = Broadcaster(self.store, lambda: self._durable.durable_version)
        self._perform = perform
        self._timer: asyncio.TimerHandle | None = None
        self._soon: asyncio.Handle | None = None
        self._turns = Turns(self._loop)
        self._step_due = False
        self._step_submitted = False
        self._submitted = 0
        self._cloud_tasks: set[asyncio.Task[None]] = set()
        self._notes_writer = AdmissionWriter(self.admission, speed=speed)
        self._recorders: dict[str, Recorder] = {}
        self._on_commit: list[Callable[[], None]] = []

    @property
    def durable_version(self) -> int:
        """Everything up to here is on disk, and may be seen."""
        return self._durable.durable_version

    @property
    def failure(self) -> Exception | None:
        """Why nothing can be written any more; None while all is well."""
        return self._durable.failure

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Have `callback` called whenever the durable version has moved."""
        self._on_commit.append(callback)

    def start(self) -> None:
        """Load what was acknowledged, create what every cluster has, and let controllers run."""
        rows, version = self._durable.load()
        self.store.restore(rows, version)
        self.admission.restored()
        self.admission.bootstrap(stamp=stamp())
        self.plane.start(now_s())
        self._step()

    async def write_for_client(self, decide: Callable[[], Result]) -> Result:
        """Like `write`, for a client, who goes before the cluster's own work; see `turns`."""
        self._turns.client_waits()
        try:
            return await self.write(decide)
        finally:
            self._turns.client_has_it()

    async def write(self, decide: Callable[[], Result]) -> Result:
        """Run `decide` on the store and return its result once it is durable."""
        if self._durable.failure is not None:
            raise InternalError.of(f"the store cannot be written: {self._durable.failure}")
        result = decide()
        version = self.store.version
        self._step_soon()
        self._submit()
        await self._durable.at_least(version)
        return result

    async def write_in_turn(self, decisions: Iterable[Callable[[], Result]]) -> list[Result]:
        """Like `write`, of several decisions, each of which waits for its turn."""
        results = []
        for decide in decisions:
            if self._durable.failure is not None:
                raise InternalError.of(f"the store cannot be written: {self._durable.failure}")
            results.append(await self._turns.run(decide))
        version = self.store.version
        self._step_soon()
        self._submit()
        await self._durable.at_least(version)
        return results

    async def settled(self) -> None:
        """Return when everything decided so far is durable."""
        await self._durable.at_least(self.store.version)

    def record(self, note: Any) -> None:
        """An Event from a component outside this process."""
        recorder = self._recorders.get(note.component)
        if recorder is None:
            recorder = Recorder(self._notes_writer, component=note.component)
            self._recorders[note.component] = recorder
        take_note(note, self.store, recorder, stamp=stamp(), host=note.host)

    def close(self) -> None:
        """Stop timers and cloud calls, and close the file."""
        self._turns.close()
        for handle in (self._timer, self._soon):
            if handle is not None:
                handle.cancel()
        for task in self._cloud_tasks:
            task.cancel()
        self._durable.close()

    def _committed(self, _version: int) -> None:
        self.broadcaster.committed()
        for callback in self._on_commit:
            callback()
        if self._step_due:
            self._step_in_turn()

    def _step_soon(self) -> None:
        """Soon, or when the commit under way has ended: of what comes meanwhile the controllers
        make one step, and their writes one commit."""
        if self._submitted > self._durable.durable_version:
            self._step_due = True
        elif self._soon is None:
            self._soon = self._loop.call_soon(self._step_in_turn)

    def _step_in_turn(self) -> None:
        self._soon = None
        if not self._step_submitted:
            self._step_submitted = True
            self._turns.submit(self._step)

    def _step(self) -> None:
        self._step_submitted = self._step_due = False
        few = self._turns.pressed
        for command in self.plane.step(now_s(), stamp(), FEW_WRITES if few else MAX_WRITES):
            task = self._loop.create_task(self._run_cloud(command))
            self._cloud_tasks.add(task)
            task.add_done_callback(self._cloud_tasks.discard)
        self._submit()
        self._arm()

    def _submit(self) -> None:
        batch = self.store.take_pending()
        if batch:
            self._durable.submit(batch)
            self._submitted = batch.version

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake_s = self.plane.next_wake_s()
        if wake_s is not None:
            self._timer = self._loop.call_later(max(0.001, wake_s - now_s()), self._step_in_turn)

    async def _run_cloud(self, command: CloudCommand) -> None:
        """Perform one call to the cloud and tell the controller how it ended."""
        await self.settled()  # a load balancer must not serve what a crash could undo
        try:
            addresses = await self._perform(command)
        except EmuclusterError as error:
            log.warning("cloud: %s failed: %s", type(command).__name__, error)
            self.plane.failed(_ref(command), str(error), now_s=now_s())
        else:
            match command:
                case EnsureLoadBalancer(spec=spec):
                    self.plane.ensured(spec.ref, addresses)
                case DeleteLoadBalancer(ref=ref):
                    self.plane.deleted(ref)
        self._step_in_turn()


def _ref(command: CloudCommand) -> LoadBalancerRef:
    return command.spec.ref if isinstance(command, EnsureLoadBalancer) else command.ref
