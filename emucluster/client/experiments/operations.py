"""Operations that hurt, done through the API as their operators do them, and undone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from emucluster.client.api import ApiClient
from emucluster.client.experiments.changes import CHANGES, evictable
from emucluster.client.experiments.hands import Sighting
from emucluster.client.experiments.undo import (
    DOCUMENT,
    Undo,
    UndoLog,
    as_before,
    carry_out,
    power_id,
    undo_of,
    update,
)
from emucluster.client.fault_request import FaultRequest
from emucluster.client.lab import Ending, LabClient
from emucluster.core.errors import EmuclusterError, NotFound, TooManyRequests
from emucluster.core.objects import Object, Pod
from emucluster.core.objects.codec import decode_tree
from emucluster.experiment.ledger import Ask, Clear
from emucluster.experiment.plan import PlanEntry
from emucluster.live.clock import stamp

EVICT_AGAIN_S = 5.0
"""Until an eviction that a budget refused is asked for again, whatever the cluster's speed."""
RETRY_S = 0.5
"""An undoing that does not get through, because the API server is away, is tried again so often."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Held:
    entry: PlanEntry
    undo: Undo
    timer: threading.Timer | None = None
    evictions: threading.Timer | None = None
    """Asks again for those that were refused."""

    def cancel(self) -> None:
        for timer in (self.timer, self.evictions):
            if timer is not None:
                timer.cancel()


class Operations:
    """Hands for operations: each is held here, and undone at its end.

    - `rolling-update` sets what `kubectl rollout restart` sets. A new revision stays.
    - `drain` cordons, then evicts the pods; where a PodDisruptionBudget refuses, it asks again
      every 5 s, as `kubectl drain` does. Pods without a controller stay, as without `--force`, and
      those of DaemonSets. Undone by uncordoning.
    - `node-removal` is what cluster-autoscaler does to a node that it removes at once: tainted
      `ToBeDeletedByClusterAutoscaler`, its machine off, its Node deleted. At the end the machine
      is switched on again, and its kubelet registers it anew.
    - others change one field and put it back.

    Args:
        api: with which they are done; `other`: a client of its own, which looks at what came of it.
        log: where what would undo an operation is written before it is done.
    """

    def __init__(
        self,
        api: ApiClient,
        other: ApiClient,
        lab: LabClient,
        undo_log: UndoLog,
        *,
        run: str,
        clock: Callable[[], float],
    ) -> None:
        self._api, self._other, self._lab = api, other, lab
        self._undo_log = undo_log
        self._run = run
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}
        self._cleared: set[str] = set()
        self._undone: dict[str, Undo] = {}
        self._closed = False

    def ask(self, ask: Ask) -> str:
        entry = ask.entry
        with self._lock:
            over = entry.id in self._cleared or self._clock() >= ask.until_s or self._closed
            if entry.id in self._held or over:
                return "API"
            undo = self._undo(entry)
            # Written first: whoever finds it undoes what may not have been done, which is harmless.
            self._undo_log.write(undo)
            held = self._held[entry.id] = _Held(entry, undo)
        try:
            self._do(held, ask.until_s)
        except EmuclusterError:
            self._end(entry.id)
            raise
        self._end_at(held, ask.until_s)
        return "API"

    def clear(self, command: Clear) -> None:
        with self._lock:
            self._cleared.add(command.id)
        self._end(command.id)

    def held(self, targets: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        with self._lock:
            held = {entry_id: one.entry.target for entry_id, one in self._held.items()}
        return {
            target: tuple(sorted(i for i, on in held.items() if on == target)) for target in targets
        }

    def witness(self, entry: PlanEntry) -> Sighting | None:
        with self._lock:
            held = self._held.get(entry.id)
        if held is None:
            return None
        what = self._effect(held)
        return Sighting(self._clock(), "control-plane", what) if what else None

    def is_over(self, entry: PlanEntry) -> Ending:
        with self._lock:
            undo = self._undone.get(entry.id)
        if undo is None:
            return Ending("unknown", "", "it was never undone here", self._clock())
        left = self._left_of(undo)
        return Ending(
            "there" if left else "gone", "control-plane", left or "as it was", self._clock()
        )

    def close(self) -> None:
        """Forget what is left; `held` told what that was."""
        with self._lock:
            self._closed = True
            for held in self._held.values():
                held.cancel()

    # --- doing -----------------------------------------------------------------------------------

    def _undo(self, entry: PlanEntry) -> Undo:
        """What would undo it. Raises NotFound for an object that is not there."""
        if entry.kind == DOCUMENT:
            document = _document(entry)
            meta = document.metadata
            namespace = meta.namespace or "default"
            before = self._api.find(document.kind, meta.name, namespace)
            named = document.kind, namespace, meta.name
            return undo_of(entry.id, entry.kind, named, before)
        kind, namespace, name = _path(entry)
        found = self._api.get(kind, name, namespace)
        return undo_of(entry.id, entry.kind, (found.kind, namespace, name), found)

    def _do(self, held: _Held, until_s: float) -> None:
        entry = held.entry
        if entry.kind == DOCUMENT:
            self._api.apply([_document(entry)])
            return
        kind, namespace, name = _path(entry)
        change = CHANGES[entry.kind]
        now = stamp()
        update(self._api, kind, name, namespace, lambda obj: change.do(obj, entry.params, now))
        if entry.kind == "drain":
            self._evict(held)
        elif entry.kind == "node-removal":
            power = power_id(self._run, entry.id)
            self._lab.inject(
                FaultRequest("power-off", f"node/{name}", fault_id=power, until_s=until_s)
            )
            self._api.delete("Node", name)

    def _evict(self, held: _Held) -> None:
        refused = False
        for pod in self._api.list("Pod", fields=f"spec.nodeName={held.undo.name}"):
            if isinstance(pod, Pod) and evictable(pod):
                meta = pod.metadata
                try:
                    self._api.evict(meta.name, meta.namespace, uid=meta.uid)
                except NotFound:
                    continue
                except TooManyRequests:
                    refused = True
        if refused:
            self._evict_later(held)

    def _evict_later(self, held: _Held) -> None:
        timer = threading.Timer(EVICT_AGAIN_S, self._evict_again, (held,))
        timer.daemon = True
        with self._lock:
            if self._closed or held.entry.id not in self._held:
                return
            held.evictions = timer
        timer.start()

    def _evict_again(self, held: _Held) -> None:
        try:
            self._evict(held)
        except EmuclusterError as error:
            log.info("evicting from %s: %s", held.undo.name, error)
            self._evict_later(held)

    # --- seeing ----------------------------------------------------------------------------------

    def _effect(self, held: _Held) -> str:
        undo, entry = held.undo, held.entry
        found = self._other.find(undo.object_kind, undo.name, undo.namespace)
        before = undo.object_before
        if entry.kind == DOCUMENT:
            return _new_version(found, before)
        if found is None:
            return "the API server does not know it" if entry.kind == "node-removal" else ""
        what = CHANGES[entry.kind].seen(found, before, entry.params)
        if what and entry.kind == "drain":
            pods = self._other.list("Pod", fields=f"spec.nodeName={undo.name}")
            left = [pod for pod in pods if isinstance(pod, Pod) and evictable(pod)]
            return "" if left else f"{what}, and its pods are gone or going"
        return what

    def _left_of(self, undo: Undo) -> str:
        """What of an operation is still to be seen in the API; empty: nothing."""
        found = self._other.find(undo.object_kind, undo.name, undo.namespace)
        named = f"{undo.object_kind.lower()}/{undo.name}"
        before = undo.object_before
        if found is None:
            return "" if before is None else f"{named} is not there"
        if before is None:
            return f"{named} is still there"
        if undo.kind == DOCUMENT:
            put_back = as_before(found, before)
        else:
            put_back = CHANGES[undo.kind].undo(found, before)
        return "" if put_back == found else f"{named} is not what it was"

    # --- undoing ---------------------------------------------------------------------------------

    def _end_at(self, held: _Held, at_s: float) -> None:
        timer = threading.Timer(max(0.0, at_s - self._clock()), self._end_by_itself, (held,))
        timer.daemon = True
        with self._lock:
            if self._closed or held.entry.id not in self._held:
                return
            held.timer = timer
        timer.start()

    def _end_by_itself(self, held: _Held) -> None:
        try:
            self._end(held.entry.id)
        except EmuclusterError as error:
            log.info("undoing %s: %s", held.entry.id, error)
            self._end_at(held, self._clock() + RETRY_S)

    def _end(self, entry_id: str) -> None:
        with self._lock:
            held = self._held.get(entry_id)
        if held is None:
            return
        carry_out(held.undo, self._api, self._lab, run=self._run)
        with self._lock:
            self._held.pop(entry_id, None)
            held.cancel()
            self._undone[entry_id] = held.undo
        self._undo_log.done(entry_id)


def _path(entry: PlanEntry) -> tuple[str, str, str]:
    """Kind, namespace and name of `node/NAME` or `service/NAMESPACE/NAME`."""
    kind, *path = entry.target.split("/")
    return (kind, path[0], path[1]) if len(path) == 2 else (kind, "", path[0])


def _new_version(found: Object | None, before: Object | None) -> str:
    version = found.metadata.resource_version if found is not None else ""
    old = before.metadata.resource_version if before is not None else ""
    return f"it is at version {version}" if version != old else ""


def _document(entry: PlanEntry) -> Object:
    """Raises BadRequest for what is no object."""
    return decode_tree(dict(entry.params["document"]))
