"""The control plane as a machine: store and controllers, a disk, watchers, and its own crashes."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from emucluster.core.admission.admission import Admission
from emucluster.core.controllers.admission_writer import AdmissionWriter
from emucluster.core.controllers.cloud_commands import CloudCommand, EnsureLoadBalancer
from emucluster.core.controllers.node_lifecycle import NodeLifecycleSettings
from emucluster.core.controllers.notes import take_note
from emucluster.core.controllers.plane import ControlPlane
from emucluster.core.controllers.recorder import Recorder
from emucluster.core.durations import Speed
from emucluster.core.errors import EmuclusterError, Gone
from emucluster.core.kubelet.commands import RecordEvent
from emucluster.core.objects import Object
from emucluster.core.store import Dispatch, NodeScope, Store, StoreEvent

from .clock import VirtualClock
from .cloud import Cloud
from .disk import Commit, Committed, Disk
from .event_loop import EventLoop, Timer
from .host import Host

RESTART_S = 1.0
"""From the process's death until another one serves."""
WATCHED = frozenset({"ConfigMap", "EndpointSlice", "Node", "Pod", "Secret", "Service"})

Result = TypeVar("Result")
Deliver = Callable[[Sequence[StoreEvent], int], None]
"""Called with changes, oldest first, and the version that they bring the watcher to."""


@dataclass(slots=True, eq=False)
class Watcher:
    """A node that is told of changes once they are durable.

    `scope`: what it was told so far; None: of an earlier life of the connection.
    """

    node_name: str
    cursor: int
    deliver: Deliver
    on_lost: Callable[[], None]
    scope: NodeScope | None


class SimControlPlane:
    """Runs the pure plane: steps it after writes and at its wake-ups, and shows nobody anything
    that is not committed.

    Args:
        on_event: is told of every change at the moment of its commit, for the history.
    """

    def __init__(
        self,
        loop: EventLoop,
        clock: VirtualClock,
        cloud: Cloud,
        *,
        speed: Speed,
        preset: str | None,
        rng: random.Random,
        node_lifecycle: NodeLifecycleSettings | None = None,
        on_event: Callable[[StoreEvent], None],
    ) -> None:
        self.host = Host("control-plane")
        self._loop, self._clock, self._cloud = loop, clock, cloud
        self._speed, self._preset, self._rng = speed, preset, rng
        self._node_lifecycle, self._on_event = node_lifecycle, on_event
        self._disk = Disk(loop, on_committed=self._on_committed)
        self._watchers: list[Watcher] = []
        self._waiting: list[tuple[int, Callable[[], None]]] = []
        self._start()

    def _start(self) -> None:
        """Load what is on disk, create what every cluster has, and let controllers run."""
        self.store = Store(ids=self._rng)
        rows, version = self._disk.load()
        self.store.restore(rows, version)
        self.admission = Admission(self.store, rng=self._rng)
        self._dispatch = Dispatch(self.store, WATCHED)
        self.plane = ControlPlane(
            self.admission,
            speed=self._speed,
            cloud=self._preset,
            rng=self._rng,
            node_lifecycle=self._node_lifecycle,
        )
        writer = AdmissionWriter(self.admission, speed=self._speed)
        self._recorder = Recorder(writer, component="kubelet")
        self._timer: Timer | None = None
        self._step_is_due = False
        self._seen = version
        self.admission.bootstrap(stamp=self._clock.stamp())
        self.plane.start(self._loop.now_s())
        self._step()

    # --- requests --------------------------------------------------------------------------------

    def write(self, decide: Callable[[], Result], done: Callable[[Result], None]) -> None:
        """Run `decide` on the store, and `done` with its result once that is durable.

        Raises what `decide` raises.
        """
        result = decide()
        self._step_soon()
        self._submit()
        self.when_durable(self.store.version, lambda: done(result))

    def when_durable(self, version: int, then: Callable[[], None]) -> None:
        """Run `then` once everything up to `version` is committed; never after a crash."""
        if self._disk.version >= version:
            then()
        else:
            self._waiting.append((version, then))

    def record(self, note: RecordEvent) -> None:
        """An Event of a kubelet."""
        take_note(note, self.store, self._recorder, stamp=self._clock.stamp())

    # --- watching --------------------------------------------------------------------------------

    def list_state(self, node_name: str) -> tuple[list[Object], int, NodeScope]:
        """Everything that a node follows, the version of it, and the scope to go on with.

        Not necessarily durable yet.
        """
        scope = NodeScope(self.store, node_name)
        return list(scope.listed(WATCHED)), self.store.version, scope

    def watch(self, watcher: Watcher) -> None:
        """Tell of what comes after the watcher's cursor. Raises Gone."""
        self.store.events_since(watcher.cursor)
        self._watchers.append(watcher)
        if watcher.scope is None:
            watcher.scope = NodeScope(self.store, watcher.node_name)
            if resumed := watcher.scope.resumed(self._disk.version):
                watcher.deliver(resumed, watcher.cursor)
        self._notify(watcher)

    def unwatch(self, watcher: Watcher) -> None:
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    def _notify(self, watcher: Watcher) -> None:
        limit = self._disk.version
        if limit <= watcher.cursor:
            return
        try:
            events = self._dispatch.events(watcher.node_name, watcher.cursor, limit)
        except Gone:
            self.unwatch(watcher)
            watcher.on_lost()
            return
        assert watcher.scope is not None
        watcher.cursor = limit
        if found := watcher.scope.select(events, limit):
            watcher.deliver(found, limit)

    # --- driving the plane -----------------------------------------------------------------------

    def _step_soon(self) -> None:
        if not self._step_is_due:
            self._step_is_due = True
            self._loop.call_later(0.0, self.host.bound(self._step))

    def _step(self) -> None:
        self._step_is_due = False
        for command in self.plane.step(self._loop.now_s(), self._clock.stamp()):
            self._ask_cloud(command)
        self._submit()
        self._arm()

    def _submit(self) -> None:
        batch = self.store.take_pending()
        if batch:
            self._disk.write(Commit(batch))

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake_s = self.plane.next_wake_s()
        if wake_s is not None:
            self._timer = self._loop.call_at(wake_s, self.host.bound(self._step))

    def _on_committed(self, committed: Committed) -> None:
        self.host.arrive(lambda: self._committed(committed))

    def _committed(self, committed: Committed) -> None:
        for event in self.store.events_since(self._seen, until=committed.version):
            self._on_event(event)
        self._seen = committed.version
        waiting, self._waiting = self._waiting, []
        for version, then in waiting:
            if version <= committed.version:
                then()
            else:
                self._waiting.append((version, then))
        for watcher in list(self._watchers):
            self._notify(watcher)

    def _ask_cloud(self, command: CloudCommand) -> None:
        """Ask once what led to it is durable, and tell the controller how it ended."""
        life = self.host.life

        def answered(result: tuple[str, ...] | EmuclusterError) -> None:
            if self.host.life == life:
                self.host.arrive(lambda: self._cloud_answered(command, result))

        self.when_durable(self.store.version, lambda: self._cloud.perform(command, answered))

    def _cloud_answered(
        self, command: CloudCommand, result: tuple[str, ...] | EmuclusterError
    ) -> None:
        ref = command.spec.ref if isinstance(command, EnsureLoadBalancer) else command.ref
        if isinstance(result, EmuclusterError):
            self.plane.failed(ref, str(result), now_s=self._loop.now_s())
        elif isinstance(command, EnsureLoadBalancer):
            self.plane.ensured(ref, result)
        else:
            self.plane.deleted(ref)
        self._step()

    # --- faults ----------------------------------------------------------------------------------

    def crash(self) -> None:
        """The process dies: what was not committed is gone, watchers are cut off. It restarts."""
        self.host.fail("crashed")
        self._disk.crash()
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            watcher.on_lost()
        self._loop.call_later(RESTART_S, self._restart)

    def _restart(self) -> None:
        if self.host.power == "crashed":
            self.host.boot()
            self._start()

    def freeze(self) -> None:
        """It accepts and does not answer; nothing is decided."""
        self.host.fail("frozen")

    def thaw(self) -> None:
        """It goes on as it was."""
        self.host.thaw()
