"""The cluster that an experiment runs in, and what the experiment puts into it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Self

from emucluster.client.cluster import Session
from emucluster.client.experiments.fitting import options
from emucluster.client.experiments.interrupts import held_off
from emucluster.client.experiments.run_lock import run_lock
from emucluster.client.experiments.undo import DOCUMENT, Undo, UndoLog, carry_out, undo_of
from emucluster.client.lab import AgentClient
from emucluster.client.ready import NotReady, Readiness, wait_until
from emucluster.core.errors import ClusterError, EmuclusterError, NotRunning
from emucluster.core.objects import Object
from emucluster.core.objects.registry import resource_of
from emucluster.experiment.spec import Cluster as ClusterSpec

READY_S = 180.0
"""Until everything serves; load balancers at speed 1 take half a minute to trust a target."""
GONE_S = 60.0
_POLL_S = 0.1
OWNERS_FIRST = (
    *("Deployment", "StatefulSet", "DaemonSet", "Service", "ReplicaSet"),
    *("Pod", "EndpointSlice", "ConfigMap", "Secret"),
)
"""Kinds of what an experiment may leave: what owns others stands before them."""

Progress = Callable[[str], None]
TargetStates = Mapping[str, Mapping[str, str]]
"""Load balancer to node to state, as the load balancer believes."""


@contextlib.contextmanager
def own_cluster(spec: ClusterSpec, what: str, progress: Progress) -> Iterator[Session]:
    """A cluster that ends with the block, and with this process however that ends.

    Nobody else can run anything in it; who tries is told that `what` is run.
    """
    from emucluster.client.start import start_cluster, stop_cluster

    record = start_cluster(options(spec), progress=progress, owned=True)
    try:
        with Session(record) as session, run_lock(record, what):
            yield session
    finally:
        with held_off(), contextlib.suppress(NotRunning):
            progress(f'stopping cluster "{record.name}"')
            stop_cluster(record.name)


class Placed:
    """The objects of an experiment in a cluster; leaving the `with` takes them out again.

    What was created is deleted, what was there before is put back as it was. Both also where the
    block failed, within a deadline; `log` tells what would be left.
    """

    def __init__(
        self, session: Session, objects: Sequence[Object], log: UndoLog, progress: Progress
    ) -> None:
        self._session = session
        self._objects = objects
        self._log = log
        self._progress = progress
        self._undo: list[Undo] = []
        self._created: dict[str, str] = {}
        """uid to name: what was created, and what was seen to come of it."""

    def __enter__(self) -> Self:
        """Apply everything, or nothing. Raises ApiError, Unreachable."""
        try:
            self._apply()
        except BaseException:
            with held_off():
                self._take_out()
            raise
        return self

    def again(self) -> None:
        """Take it out and apply it anew."""
        self._take_out()
        self._apply()

    def __exit__(self, *_exception: object) -> None:
        with held_off():
            self._take_out()

    def _apply(self) -> None:
        api = self._session.api
        if not self._objects:
            return
        self._progress("applying manifests")
        api.apply(self._objects, dry_run=True)
        for obj in self._objects:
            namespace = _namespace(obj)
            before = api.find(obj.kind, obj.metadata.name, namespace)
            named = obj.kind, namespace, obj.metadata.name
            undo = undo_of(f"{DOCUMENT}/{'/'.join(named)}", DOCUMENT, named, before)
            self._log.write(undo)
            self._undo.append(undo)
        for applied in api.apply(self._objects):
            if applied.outcome == "created":
                meta = applied.object.metadata
                self._created[meta.uid] = f"{resource_of(applied.object).singular}/{meta.name}"

    def _take_out(self) -> None:
        """What one object came from may be needed by those after it: the last goes first."""
        if not self._undo or self._session.gone:
            return  # with a cluster that is gone, all that it held is
        self._progress("removing what the experiment created")
        session = self._session
        # Owners go before what they own, and nobody knows then what was theirs.
        self._in_time(self._left)
        for undo in reversed(self._undo):
            self._in_time(partial(carry_out, undo, session.api, session.lab, run=""))
            self._log.done(undo.id)
        self._undo = []
        self._in_time(lambda: wait_until(self._left, timeout_s=GONE_S))

    def _in_time(self, action: Callable[[], object]) -> None:
        """Again until it succeeds or its time is over: the control plane may be coming back."""
        deadline_s = time.monotonic() + GONE_S
        while True:
            try:
                action()
                return
            except NotReady:
                raise
            except EmuclusterError:
                if self._session.gone:
                    return
                if time.monotonic() >= deadline_s:
                    raise
                time.sleep(_POLL_S)

    def _left(self) -> list[str]:
        """What is still there of what was created, and of what controllers made for it."""
        owners = self._created
        left: list[str] = []
        for kind in OWNERS_FIRST:
            for obj in self._session.api.list(kind):
                meta = obj.metadata
                owned = any(owner.uid in owners for owner in meta.owner_references)
                if meta.uid in owners or owned:
                    owners[meta.uid] = meta.name
                    left.append(f"{resource_of(obj).singular}/{meta.name} is still there")
        return left


def wait_settled(
    session: Session, *, timeout_s: float, targets: TargetStates | None = None
) -> TargetStates:
    """Wait until all that should serve serves, everybody knows it, and load balancers have judged
    every target; returns what they hold.

    Args:
        targets: what load balancers must hold; None: whatever they have found out.

    Unlike `wait_ready` it takes load balancers without a healthy target: whether they have one is
    what some experiments are about. Raises NotReady with what is missing.
    """
    token = session.record.token
    readiness = Readiness(session.api, session.lab, token, namespace=None, of_balancer=_unchecked)
    deadline_s = time.monotonic() + timeout_s
    wait_until(_kindly(readiness.missing, session), timeout_s=timeout_s)
    found: TargetStates = {}

    def differing() -> list[str]:
        nonlocal found
        found = target_states(session)
        return [] if targets is None else _differences(targets, found)

    wait_until(_kindly(differing, session), timeout_s=max(0.0, deadline_s - time.monotonic()))
    return found


def target_states(session: Session) -> TargetStates:
    """What each load balancer holds of its targets. Raises Unreachable."""
    found: dict[str, dict[str, str]] = {}
    for machine in session.machines():
        if machine.kind != "load-balancer":
            continue
        agent = AgentClient(machine, session.record.token)
        try:
            facts = json.loads(agent.describe() or b"{}")
        finally:
            agent.close()
        states = facts.get("targets") or []
        found[machine.name] = {
            f"{target.get('node')}:{target.get('port', '')}": str(target.get("state"))
            for target in states
        }
    return found


def _differences(wanted: TargetStates, found: TargetStates) -> list[str]:
    return [
        f"{balancer}: {target} is {found.get(balancer, {}).get(target, 'unknown')}, not yet {state}"
        for balancer, targets in wanted.items()
        for target, state in targets.items()
        if found.get(balancer, {}).get(target) != state
    ]


def _unchecked(facts: Mapping[str, Any]) -> str:
    """Why a load balancer's view of its targets is not known yet."""
    targets = facts.get("targets") or []
    if not targets:
        return "has no targets yet"
    waiting = [str(t.get("node")) for t in targets if t.get("state") == "initial"]
    return f"targets not checked yet: {', '.join(waiting)}" if waiting else ""


def _kindly(missing: Callable[[], list[str]], session: Session) -> Callable[[], list[str]]:
    """A control plane that does not answer yet is one of the things to wait for; a cluster that is
    gone is none. Raises NotRunning."""

    def ask() -> list[str]:
        try:
            return missing()
        except (ClusterError, EmuclusterError) as error:
            if gone := session.gone:
                raise NotRunning(gone) from None
            return [str(error)]

    return ask


def _namespace(obj: Object) -> str:
    return (obj.metadata.namespace or "default") if resource_of(obj).namespaced else ""
