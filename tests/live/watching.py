"""Looking at a running cluster: waiting for conditions, load from clients, who is who."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Self, TypeVar

import emucluster as emu
from emucluster.client.cluster import Session
from emucluster.core.errors import EmuclusterError
from emucluster.core.objects import Event, Pod, Service

T = TypeVar("T")
DEADLINE_S = 90.0


def until(condition: Callable[[], T], what: str, *, deadline_s: float = DEADLINE_S) -> T:
    """The first true value of `condition`, which is asked again and again; fails at the deadline.

    While the control plane is being restarted it does not answer, which counts as not yet.
    """
    end_s = time.monotonic() + deadline_s
    while True:
        try:
            if found := condition():
                return found
            problem = ""
        except EmuclusterError as error:
            problem = f" ({error})"
        assert time.monotonic() < end_s, f"after {deadline_s:g} s still not: {what}{problem}"
        time.sleep(0.05)


def pods(cluster: Session, labels: str = "app=web") -> list[Pod]:
    """The pods that are not being deleted."""
    found = cluster.get("pods", labels=labels)
    return [p for p in found if isinstance(p, Pod) and not p.metadata.deletion_timestamp]


def pod(cluster: Session, name: str) -> Pod:
    found = cluster.get("pod", name)
    assert isinstance(found, Pod)
    return found


def is_ready(found: Pod) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in found.status.conditions)


def ready_pod(cluster: Session, name: str) -> Pod:
    """The pod of this name once it is ready."""
    until(lambda: is_ready(pod(cluster, name)), f"pod {name} is ready")
    return pod(cluster, name)


def pod_on(cluster: Session, node: str, labels: str = "app=web") -> Pod:
    """One of the pods on a node."""
    return next(p for p in pods(cluster, labels) if p.spec.node_name == node)


def restarts(cluster: Session, name: str) -> int:
    statuses = pod(cluster, name).status.container_statuses
    return statuses[0].restart_count if statuses else 0


def service(cluster: Session, name: str) -> Service:
    found = cluster.get("service", name)
    assert isinstance(found, Service)
    return found


def cluster_ip(cluster: Session, name: str) -> str:
    """`IP:port` of a Service's first port."""
    spec = service(cluster, name).spec
    return f"{spec.cluster_ip}:{spec.ports[0].port}"


def events(cluster: Session, kind: str, name: str) -> list[Event]:
    return [
        event
        for event in cluster.get("events")
        if isinstance(event, Event)
        and (event.involved_object.kind, event.involved_object.name) == (kind, name)
    ]


def pid_of(cluster: Session, machine: str) -> int:
    """The process of a machine as it is now; 0 while it has none."""
    return next((m.pid for m in cluster.machines() if m.name == machine), 0)


def nodes(cluster: Session) -> list[str]:
    return sorted(node.metadata.name for node in cluster.get("nodes"))


def ok(calls: Iterable[emu.Call]) -> list[emu.Call]:
    """The calls, all of which must have been answered."""
    made = list(calls)
    assert made
    failed = [(number, c.status, c.error, c.path) for number, c in enumerate(made) if not c.ok]
    assert not failed, f"{len(failed)} of {len(made)} failed, the first: {failed[:5]}"
    return made


def entries(calls: Iterable[emu.Call]) -> Counter[str]:
    """How many connections each node took at its nodePort."""
    return Counter(hop.host for call in calls for hop in call.hops if hop.kind == "node-port")


def statuses(calls: Iterable[emu.Call]) -> set[str]:
    return {call.status for call in calls}


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Load:
    """Calls without end from a thread, until the `with` is left; `calls` grows meanwhile."""

    def __init__(self, client: emu.Client, target: str, *, node: str = "", **plan: Any) -> None:
        self.calls: list[emu.Call] = []
        self._problem: BaseException | None = None
        self._ended = threading.Event()
        full = emu.Plan(count=1_000_000, **{"timeout_s": 1.0, **plan})
        self._run = client.run(target, full, node=node)
        self._thread = threading.Thread(target=self._collect, name=f"load {target}")

    def _collect(self) -> None:
        try:
            for call in self._run:
                self.calls.append(call)
                if self._ended.is_set():
                    break
            self._run.close()
        except BaseException as error:
            self._problem = error

    def begun_since(self, wall_s: float) -> list[emu.Call]:
        """The calls that began after a moment of the wall clock."""
        return [call for call in list(self.calls) if call.started_s >= wall_s]

    def more(self, count: int, what: Callable[[emu.Call], bool] = lambda call: True) -> None:
        """Wait until so many more calls have ended that were begun from now on."""
        now_s = time.time()
        self._need(now_s, lambda: sum(what(c) for c in self.begun_since(now_s)) >= count)

    def streak(self, count: int) -> list[emu.Call]:
        """Wait until so many calls in a row were answered, and return them."""

        def last() -> list[emu.Call]:
            tail = list(self.calls)[-count:]
            return tail if len(tail) == count and all(call.ok for call in tail) else []

        now_s = time.time()
        self._need(now_s, lambda: bool(last()) and last()[0].started_s >= now_s)
        return last()

    def _need(self, since_s: float, condition: Callable[[], bool]) -> None:
        def asked() -> bool:
            assert self._problem is None, self._problem
            return condition()

        shown = lambda: Counter(c.status for c in self.begun_since(since_s))  # noqa: E731
        try:
            until(asked, "enough calls")
        except AssertionError as error:
            raise AssertionError(f"{error}; got {shown()}") from None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        assert self._problem is None, self._problem
