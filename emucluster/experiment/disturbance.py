"""Whether somebody else had a hand in the cluster while a run was under way; pure.

A run proves something of its own faults only if nothing else happened to the cluster. What is
compared is how it was before the load began and how it is once all was rolled back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from emucluster.core.faults import GONE
from emucluster.experiment.deletions import may_delete
from emucluster.experiment.plan import PlanEntry

NAMED_MAX = 5
"""So many objects are named; of more it is said how many."""


@dataclass(frozen=True, slots=True)
class Process:
    """The process of one machine.

    Attributes:
        pid, started: which one it is; `started` is its start in clock ticks since boot, 0 where
            that is not known.
        ends: how often one of its processes ended that no fault had ended.
        state: running, starting, stopped or gone.
    """

    pid: int
    started: int = 0
    ends: int = 0
    state: str = "running"
    kind: str = "node"


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that somebody put in force; `ended_s` None: it still is."""

    id: str
    kind: str
    target: str
    injected_s: float
    ended_s: float | None = None

    @property
    def words(self) -> str:
        return f"{self.id} ({self.kind} on {self.target})"


@dataclass(frozen=True, slots=True)
class ObjectState:
    """What of an object only its users write.

    Attributes:
        uid: another one is another object of the same name.
        version: grows with each change that a user makes; empty: it tells of others' changes too.
        content: the same if and only if users' fields are.
        may_go: the cluster itself deletes such objects, as it does a dead node's pods.
    """

    uid: str
    content: str
    version: str = ""
    may_go: bool = False


@dataclass(frozen=True, slots=True)
class PodState:
    """A pod, whoever made it.

    Attributes:
        node: on which it runs; empty: on none, or it has ended.
        is_going: it is being deleted.
    """

    uid: str
    node: str
    is_going: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """A cluster at a moment.

    Attributes:
        processes: by the machine's name.
        objects: by `KIND/NAMESPACE/NAME` of what the run's namespaces hold, and `node/NAME`.
        pods: by `pod/NAMESPACE/NAME`.
        readiness: of nodes by name, and since when, in words: other ones after it was not ready.
    """

    at_s: float
    processes: Mapping[str, Process] = field(default_factory=dict)
    objects: Mapping[str, ObjectState] = field(default_factory=dict)
    pods: Mapping[str, PodState] = field(default_factory=dict)
    readiness: Mapping[str, str] = field(default_factory=dict)


def foreign_faults(
    faults: Iterable[Injected], *, run: str, start_s: float, end_s: float
) -> list[str]:
    """Why faults that others injected make a run invalid.

    Args:
        run: begins the ids of the run's own, before a dot.
        start_s, end_s: of the run: what was over before it or came after it is of no concern.
    """
    found = [
        fault
        for fault in faults
        if not fault.id.startswith((f"{run}.", GONE))
        and fault.injected_s < end_s
        and (fault.ended_s is None or fault.ended_s > start_s)
    ]
    return [f"somebody else injected the fault {fault.words} during the run" for fault in found]


def foreign_processes(before: View, after: View) -> list[str]:
    """Processes of machines that ended, were replaced or stopped, and no fault did that."""
    found: list[str] = []
    for name, was in before.processes.items():
        now = after.processes.get(name)
        if now is None:
            continue
        ends = now.ends - was.ends
        replaced = (now.pid, now.started) != (was.pid, was.started)
        if now.state in ("gone", "stopped"):
            found.append(f"the process of {name} is {now.state}, which no fault of the plan did")
        elif ends > 0 or (now.kind == "node" and replaced):
            often = f"{ends} times" if ends > 1 else "once"
            found.append(
                f"the process of {name} ended {often} during the run, which no fault of the plan "
                f"did: it was process {was.pid}, and is process {now.pid}"
            )
    return found


def foreign_changes(before: View, after: View, *, operated: Collection[str]) -> list[str]:
    """Objects in the run's namespaces that others created, changed or deleted.

    Args:
        operated: keys of those that the plan's own operations change. They are put back, and
            only what they are then is compared.
    """
    words: dict[str, list[str]] = {"created": [], "deleted": [], "replaced": [], "changed": []}
    for key in sorted({*before.objects, *after.objects}):
        was, now = before.objects.get(key), after.objects.get(key)
        if was is None:
            words["created"].append(key)
        elif now is None:
            words["deleted"] += [] if was.may_go else [key]
        elif key in operated:
            if was.content != now.content:
                words["changed"].append(key)
        elif was != now:
            words["changed" if was.uid == now.uid else "replaced"].append(key)
    return [
        f"somebody else {what} {_named(keys)} during the run"
        for what, keys in words.items()
        if keys
    ]


def foreign_deletions(before: View, after: View, *, entries: Collection[PlanEntry]) -> list[str]:
    """Pods that others deleted, where nothing else can have done that.

    A pod of a node that was not ready meanwhile may have been evicted, and one that `entries` may
    have had deleted is no matter either.
    """
    found: list[str] = []
    for key, was in sorted(before.pods.items()):
        now = after.pods.get(key)
        kept = now is not None and now.uid == was.uid and not now.is_going
        ready = before.readiness.get(was.node)
        if kept or was.is_going or ready is None or after.readiness.get(was.node) != ready:
            continue
        if not any(may_delete(entry, key, node=was.node) for entry in entries):
            found.append(key)
    return [f"somebody else deleted {_named(found)} during the run"] if found else []


def _named(keys: list[str]) -> str:
    more = len(keys) - NAMED_MAX
    named = ", ".join(keys[:NAMED_MAX])
    return f"{named} and {more} more" if more > 0 else named
