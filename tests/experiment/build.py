"""Short ways to say what a test is about."""

from __future__ import annotations

from typing import Any

from emucluster.experiment.history import (
    CallRecord,
    Execution,
    FaultRecord,
    History,
    Outcome,
    PhaseSpan,
)
from emucluster.experiment.plan import PlanEntry
from emucluster.experiment.reading import from_tree
from emucluster.experiment.spec import Experiment
from emucluster.experiment.topology import (
    DeploymentInfo,
    NodeInfo,
    PodInfo,
    ServiceInfo,
    Topology,
)

BASELINE_S, INJECT_S, RECOVER_S, VERIFY_S, END_S = 0.0, 10.0, 20.0, 30.0, 40.0
PHASES = (
    PhaseSpan(phase="baseline", start_s=BASELINE_S, end_s=INJECT_S),
    PhaseSpan(phase="inject", start_s=INJECT_S, end_s=RECOVER_S),
    PhaseSpan(phase="recover", start_s=RECOVER_S, end_s=VERIFY_S),
    PhaseSpan(phase="verify", start_s=VERIFY_S, end_s=END_S),
)


def experiment(*faults: dict[str, Any], **fields: Any) -> Experiment:
    """Phases of 10 s each, one group `users`, no limits, unless `fields` say otherwise."""
    phases = {"baseline": 10, "inject": 10, "recover": 10, "verify": 10}
    tree = {
        "name": "test",
        "workload": [{"name": "users", "target": "service/web"}],
        "phases": phases,
        "limits": {"nodes": "100%", "pods": "100%", "zones": 10},
        "faults": list(faults),
    }
    return from_tree({**tree, **fields})


def topology(nodes: int = 4, zones: int = 2, *, suffix: str = "x", hosts: int = 1) -> Topology:
    """One pod of the Deployment `web` on each node; `suffix` is in the pods' made-up names."""
    names = [f"node-{number + 1}" for number in range(nodes)]
    return Topology(
        nodes=tuple(
            NodeInfo(name=name, zone=f"zone-{'abcdefg'[i % zones]}", host=f"host-{i % hosts + 1}")
            for i, name in enumerate(names)
        ),
        pods=tuple(
            PodInfo(
                name=f"web-{suffix}{nodes - i}",
                node=name,
                owner="deployment/web",
                labels={"app": "web"},
            )
            for i, name in enumerate(names)
        ),
        services=(
            ServiceInfo(name="web", selector={"app": "web"}),
            ServiceInfo(name="web-lb", type="LoadBalancer", selector={"app": "web"}),
        ),
        deployments=(DeploymentInfo(name="web", selector={"app": "web"}),),
    )


def call(
    intended_s: float,
    outcome: Outcome = "ok",
    *,
    taken_s: float | None = 0.01,
    group: str = "users",
    **fields: Any,
) -> CallRecord:
    """A call on a connection as old as the run, answered by `default/web-1`."""
    status = {"ok": "OK", "failed": "UNAVAILABLE", "unknown": "DEADLINE_EXCEEDED"}[outcome]
    answered = {"pod": "default/web-1", "node": "node-1", "zone": "zone-a"}
    own: dict[str, Any] = {
        "client": 0,
        "id": f"{group}-{intended_s:g}",
        "started_s": intended_s,
        "connection": "c1",
        "connection_opened_s": 0.0,
        "service": "default/web",
        **(answered if outcome == "ok" else {}),
    }
    return CallRecord(
        group=group,
        intended_s=intended_s,
        ended_s=None if taken_s is None else intended_s + taken_s,
        status=status,
        outcome=outcome,
        **{**own, **fields},
    )


def steady(
    start_s: float = 0.0, end_s: float = END_S, rate_per_s: float = 10, **fields: Any
) -> list[CallRecord]:
    """Calls due at a constant rate, all alike."""
    count = round((end_s - start_s) * rate_per_s)
    return [call(start_s + number / rate_per_s, **fields) for number in range(count)]


def fault(
    start_s: float = 12.0, end_s: float | None = 18.0, target: str = "node/node-1", **fields: Any
) -> FaultRecord:
    """A node without power that took effect and was seen."""
    own: dict[str, Any] = {
        "id": "power-off.0",
        "fault": "power-off",
        "kind": "power-off",
        "asked_s": start_s,
        "acknowledged_s": start_s,
        "observed_s": start_s + 0.1,
        "observed_by": "client/lab",
        "ended_s": end_s,
        "ended_by": "expiry" if end_s else "",
        "clean_s": end_s,
    }
    return FaultRecord(target=target, planned_s=start_s, **{**own, **fields})


def history(calls: list[CallRecord] | None = None, **fields: Any) -> History:
    return History(phases=PHASES, calls=calls or [], **fields)


def executed(*ids: str, pod: str = "default/web-1", count: int = 1) -> list[Execution]:
    return [Execution(call_id=i, pod=pod, count=count) for i in ids]


def entry(kind: str, target: str, *peers: str, operation: bool = False) -> PlanEntry:
    """One fault of a plan, by what it is and whom it hits."""
    return PlanEntry(
        id=f"{kind}.0",
        fault=kind,
        kind=kind,
        target=target,
        identity=target,
        for_s=1.0,
        peers=peers,
        is_operation=operation,
    )
