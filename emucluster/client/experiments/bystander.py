"""Looks at a cluster before and after a trial, to tell whether others had a hand in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from emucluster.client.cluster import Session
from emucluster.client.experiments.changes import RESTARTED_AT
from emucluster.client.lab import Fault, Machine
from emucluster.core.errors import EmuclusterError
from emucluster.core.objects import Deployment, Node, Object, Pod, Service
from emucluster.core.objects.codec import to_tree
from emucluster.core.objects.registry import resource_of
from emucluster.experiment.disturbance import (
    Injected,
    ObjectState,
    PodState,
    Process,
    View,
    foreign_changes,
    foreign_deletions,
    foreign_faults,
    foreign_processes,
)
from emucluster.experiment.plan import Plan
from emucluster.experiment.spec import Experiment
from emucluster.live.clock import wall_s

KINDS = ("Deployment", "StatefulSet", "DaemonSet", "Service", "ConfigMap", "Secret", "Pod")
"""What users write into namespaces; Pods that no controller made are theirs to create too."""
_WATCHED = ("node", "load-balancer", "control-plane")


class Bystander:
    """Looks when it is made, and tells later what others have done since.

    Args:
        run: begins the ids of the run's own faults.
        namespaces: in which nobody else is to change anything.

    Raises Unreachable.
    """

    def __init__(
        self, session: Session, plan: Plan, *, run: str, namespaces: Sequence[str]
    ) -> None:
        self._session = session
        self._plan = plan
        self._run = run
        self._namespaces = namespaces
        self._before = view_of(session, namespaces)

    def disturbances(self) -> list[str]:
        """What others did to the cluster meanwhile, or why that is not known."""
        try:
            after = view_of(self._session, self._namespaces)
            faults = injected(self._session.lab.held_faults()[0])
        except EmuclusterError as error:
            return [f"what others did to the cluster meanwhile is not known: {error}"]
        before = self._before
        return [
            *foreign_processes(before, after),
            *foreign_faults(faults, run=self._run, start_s=before.at_s, end_s=after.at_s),
            *foreign_changes(before, after, operated=operated_by(self._plan)),
            *foreign_deletions(before, after, entries=self._plan.entries),
        ]


def namespaces_of(experiment: Experiment, objects: Sequence[Object], plan: Plan) -> list[str]:
    """Of what the run creates, calls and breaks."""
    found = {obj.metadata.namespace or "default" for obj in objects if resource_of(obj).namespaced}
    found |= {group.namespace for group in experiment.workload}
    for entry in plan.entries:
        kind, *path = entry.target.split("/")
        if len(path) == 2 and kind in ("pod", "service", "deployment", "lb"):
            found.add(path[0])
    return sorted(found)


def operated_by(plan: Plan) -> frozenset[str]:
    """Keys of the objects that the plan's operations change."""
    found: set[str] = set()
    for entry in plan.entries:
        if not entry.is_operation:
            continue
        document: Mapping[str, Any] = entry.params.get("document") or {}
        meta = document.get("metadata") or {}
        if document:
            kind = str(document.get("kind", "")).lower()
            found.add(f"{kind}/{meta.get('namespace') or 'default'}/{meta.get('name')}")
        else:
            found.add(entry.target)
    return frozenset(found)


def view_of(session: Session, namespaces: Collection[str]) -> View:
    """The cluster as it is now. Raises Unreachable."""
    processes = {m.name: _process(m) for m in session.machines() if m.kind in _WATCHED}
    at_s = wall_s()
    nodes = [node for node in session.api.list("Node") if isinstance(node, Node)]
    objects: dict[str, ObjectState] = {}
    pods: dict[str, PodState] = {}
    for node in nodes:
        content = "unschedulable" if node.spec.unschedulable else ""
        objects[f"node/{node.metadata.name}"] = ObjectState(node.metadata.uid, content)
    for key, obj in _objects(session, namespaces):
        if isinstance(obj, Pod):
            pods[key] = _pod(obj)
        if not any(owner.controller for owner in obj.metadata.owner_references):
            objects[key] = _state(obj)
    return View(at_s, processes, objects, pods, {n.metadata.name: _readiness(n) for n in nodes})


def injected(faults: Sequence[Fault]) -> list[Injected]:
    """Faults in force and those that ended lately."""
    return [
        Injected(
            fault.id,
            fault.kind,
            fault.target,
            fault.injected_s,
            None if fault.state == "in force" else fault.ends_s,
        )
        for fault in faults
    ]


def _process(machine: Machine) -> Process:
    return Process(
        pid=machine.pid,
        started=machine.started,
        ends=machine.ends,
        state=machine.state,
        kind=machine.kind,
    )


def _objects(session: Session, namespaces: Collection[str]) -> Iterator[tuple[str, Object]]:
    for namespace in namespaces:
        for kind in KINDS:
            for obj in session.api.list(kind, namespace):
                yield f"{kind.lower()}/{namespace}/{obj.metadata.name}", obj


def _pod(pod: Pod) -> PodState:
    ended = pod.status.phase in ("Succeeded", "Failed")
    node = "" if ended else pod.spec.node_name or ""
    return PodState(pod.metadata.uid, node, is_going=bool(pod.metadata.deletion_timestamp))


def _readiness(node: Node) -> str:
    """Another one after each change, of which it has the second."""
    found = [each for each in node.status.conditions if each.type == "Ready"]
    return " ".join(f"{each.status} {each.last_transition_time}" for each in found)


def _state(obj: Object) -> ObjectState:
    meta = obj.metadata
    tree = to_tree(obj)
    told = {key: tree.get(key) for key in ("spec", "data", "binaryData")}
    # What has a generation has a status too, whose writes are its controller's.
    version = str(meta.generation) if meta.generation else meta.resource_version
    if isinstance(obj, Deployment):
        template = (told["spec"] or {}).get("template", {}).get("metadata", {})
        (template.get("annotations") or {}).pop(RESTARTED_AT, None)
        if not template.get("annotations"):
            template.pop("annotations", None)
    elif isinstance(obj, Service) and obj.spec.type == "LoadBalancer":
        version = ""  # its controller writes its status
    elif isinstance(obj, Pod):
        return ObjectState(uid="", content="", may_go=True)
    text = json.dumps([told, meta.labels or {}], sort_keys=True, default=str)
    return ObjectState(meta.uid, hashlib.sha256(text.encode()).hexdigest(), version)
