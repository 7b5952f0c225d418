"""The cluster of one pytest session, lent to its tests one after the other."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from emucluster.client.cluster import Cluster, Session, connect
from emucluster.core.errors import EmuclusterError
from emucluster.core.objects import Namespace, Node, ObjectMeta, Pod
from emucluster.pytest_plugin.session import NamespaceSession

WHOLE_WITHIN_S = 90.0
POLL_S = 0.1
NAME_LENGTH_MAX = 40


class SharedCluster:
    """Starts with the first test, is whole between any two, and is replaced if it is not.

    Args:
        options: as `emu.Cluster` takes them.
        worker: of pytest-xdist, else empty; each has a cluster of its own.
        use: the name of a running cluster to use instead.
    """

    def __init__(
        self, options: dict[str, Any], *, worker: str = "", use: str | None = None
    ) -> None:
        if use and worker:
            raise pytest.UsageError("--emucluster-use: with pytest-xdist each worker needs its own")
        self._options = options
        self._use = use
        self._name = f"pytest-{worker}-{os.getpid()}" if worker else f"pytest-{os.getpid()}"
        self._session: Session | None = None
        self._failure = ""
        self._numbers = itertools.count(1)

    def begin(self, test: str) -> NamespaceSession:
        """A session in a new namespace, named after the test."""
        namespace = namespace_name(test, next(self._numbers))
        whole = self._started()
        session = NamespaceSession(whole.record, namespace)
        session.apply(Namespace(metadata=ObjectMeta(name=namespace)))
        return session

    def end(self, session: NamespaceSession) -> list[str]:
        """Tidy up after a test; what was left behind, or cannot be mended, in words."""
        problems: list[str] = []
        try:
            session.close_opened()
            _wait(lambda: _clear(session, problems) + _not_whole(session), WHOLE_WITHIN_S)
            _delete_namespace(session)
        except EmuclusterError as error:
            told = "a new one is started for the next test"
            if self._use is None:
                self.stop()
            else:
                told = f'"{self._use}" is not ours to replace'
            problems.append(f"the test left a damaged cluster, {told}: {error}")
        finally:
            session.close()
        return problems

    def stop(self) -> None:
        """End the cluster, if it is ours and runs."""
        session, self._session = self._session, None
        if isinstance(session, Cluster):
            session.stop()
        elif session is not None:
            session.close()

    def _started(self) -> Session:
        """The cluster; what cannot be started is not tried again for every test."""
        if self._failure:
            pytest.fail(self._failure, pytrace=False)
        if self._session is None:
            try:
                self._session = self._start()
            except EmuclusterError as error:
                self._failure = f"no cluster for the fixture emucluster: {error}"
                pytest.fail(self._failure, pytrace=False)
        return self._session

    def _start(self) -> Session:
        if self._use is not None:
            return connect(self._use)
        return Cluster(**{"name": self._name, **self._options}).start()


class NotWhole(EmuclusterError):
    """The cluster did not become whole after a test; the message says what is missing."""


def namespace_name(test: str, number: int) -> str:
    """A DNS label that tells the test: `test-retries-hide-a-node-loss-3`."""
    words = re.sub(r"[^a-z0-9]+", "-", test.lower()).strip("-")
    return f"{words[:NAME_LENGTH_MAX].rstrip('-') or 'test'}-{number}"


def _clear(session: NamespaceSession, problems: list[str]) -> list[str]:
    """Clear what is in force, as often as something is; say what it was, and whose."""
    found = session.faults()
    known = {fault.id for fault in session.injected}
    for fault in found:
        if fault.id not in known:
            session.injected.append(fault)
            problems.append(
                f"fault {fault.id} ({fault.kind} on {fault.target}) was in force after the test, "
                "which did not inject it by its fixture; it was cleared"
            )
    if found:
        session.clear_faults()
    return [f"fault {fault.id} was still in force" for fault in found]


def _not_whole(session: NamespaceSession) -> list[str]:
    """What keeps the cluster from being as it was. Raises NotWhole for what no wait mends."""
    missing = []
    for machine in session.machines():
        # A node is asked itself: of a death of just now nobody else may know yet.
        is_well = machine.kind == "node" and machine.state == "running"
        state = session.state_of(machine) if is_well else machine.state
        if state != "running" and machine.kind in ("node", "control-plane"):
            missing.append(f"{machine.name} is {state}")
    nodes = [node for node in session.get("nodes", namespace="*") if isinstance(node, Node)]
    if cordoned := [node.metadata.name for node in nodes if node.spec.unschedulable]:
        raise NotWhole(f"cordoned: {', '.join(cordoned)}")
    return missing + [f"{node.metadata.name} is not Ready" for node in nodes if not _is_ready(node)]


def _is_ready(node: Node) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)


def _delete_namespace(session: NamespaceSession) -> None:
    """All that is in it, and then nothing: no address, no port, no load balancer."""
    namespace = session.api.delete("Namespace", session.namespace)
    for pod in session.get("pods"):
        # Nothing more can be learnt from pods that end in good order.
        if isinstance(pod, Pod):
            with contextlib.suppress(EmuclusterError):
                session.api.delete("Pod", pod.metadata.name, session.namespace, grace_period_s=0)
    session.wait_gone([namespace], timeout_s=WHOLE_WITHIN_S)
    balancers = f"lb/{session.namespace}/"
    _wait(
        lambda: [f"{m.name} exists" for m in session.machines() if m.name.startswith(balancers)],
        WHOLE_WITHIN_S,
    )


def _wait(missing: Callable[[], list[str]], timeout_s: float) -> None:
    """Ask until nothing is missing; a control plane on its way back is waited for too."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        try:
            left = missing()
        except NotWhole:
            raise
        except EmuclusterError as error:
            left = [str(error)]
        if not left:
            return
        if time.monotonic() >= deadline_s:
            raise NotWhole(f"after {timeout_s:g} s: {'; '.join(left[:8])}")
        time.sleep(POLL_S)
