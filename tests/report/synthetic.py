"""A made-up run that looks like a real one: a node loses power under three groups of clients."""

from __future__ import annotations

from random import Random
from typing import Any

from emucluster.experiment.assembly import run_result, trial_result
from emucluster.experiment.history import (
    BeliefRecord,
    CallRecord,
    Execution,
    FaultRecord,
    History,
    Members,
    PhaseSpan,
    TruthRecord,
)
from emucluster.experiment.plan import Plan, expand
from emucluster.experiment.reading import from_tree
from emucluster.experiment.result import RunResult
from emucluster.experiment.rig import Environment
from emucluster.experiment.spec import Experiment
from emucluster.experiment.topology import (
    DeploymentInfo,
    NodeInfo,
    PodInfo,
    ServiceInfo,
    Topology,
)
from emucluster.report import Recording

START_S = 1_790_000_000.0
SERVICES = ("default/web", "default/web-lb")

TREE: dict[str, Any] = {
    "name": "dead-node-behind-a-load-balancer",
    "story": "A worker loses power while three kinds of clients call. The load balancer stops "
    "choosing it when its health check has failed often enough; calls that reach healthy nodes "
    "still go to the dead pods until the node's lease has run out.",
    "cluster": {"nodes": 6, "zones": 3, "cloud": "aws-nlb", "speed": 10},
    "workload": [
        {
            "name": "storefront",
            "target": "service/web-lb",
            "clients": 8,
            "arrival": {"kind": "poisson", "rate": 120},
            "connection": "per-call",
        },
        {
            "name": "checkout",
            "target": "service/web",
            "source": "zone/zone-b",
            "arrival": {"kind": "constant", "rate": 40},
            "connection": "pool:4",
        },
        {
            "name": "legacy",
            "target": "service/web-lb",
            "node": "node-5",
            "arrival": {"kind": "constant", "rate": 10},
        },
    ],
    "faults": [
        {"name": "lost-power", "kind": "power-off", "target": "node/node-2", "at": 2, "for": 14}
    ],
    "hypotheses": [
        {"name": "few lost calls", "kind": "availability", "atLeast": "99%", "group": "storefront"},
        {
            "name": "quick answers",
            "kind": "latency",
            "quantile": "p99",
            "atMost": "500ms",
            "over": ["baseline", "verify"],
        },
        {"kind": "time-to-detect", "atMost": "6s"},
        {"kind": "goodput-recovers", "within": "5s", "group": "checkout"},
        {"kind": "no-fault-left"},
    ],
    "phases": {"baseline": 8, "inject": 18, "recover": 8, "verify": 6},
}
FAULT_AT_S, FAULT_FOR_S = 10.0, 14.0


def topology(nodes: int = 6, zones: int = 3, pods_per_node: int = 1) -> Topology:
    letters = "abcdefghij"
    return Topology(
        nodes=tuple(
            NodeInfo(name=f"node-{i + 1}", zone=f"zone-{letters[i % zones]}", host="host-1")
            for i in range(nodes)
        ),
        pods=tuple(
            PodInfo(
                name=f"web-5c9f7d{i:02d}-{letters[k]}x{i}",
                node=f"node-{i + 1}",
                owner="deployment/web",
                labels={"app": "web"},
            )
            for i in range(nodes)
            for k in range(pods_per_node)
        ),
        services=(
            ServiceInfo(name="web", selector={"app": "web"}),
            ServiceInfo(name="web-lb", type="LoadBalancer", selector={"app": "web"}),
        ),
        deployments=(DeploymentInfo(name="web", selector={"app": "web"}),),
    )


class Scene:
    """One trial: who is dead from when to when, and when each observer got to know it."""

    def __init__(self, seed: int, *, scale: float = 1.0, top: Topology | None = None) -> None:
        self.rng = Random(seed)
        self.top = top or topology()
        self.scale = scale
        self.dead_s = FAULT_AT_S + self.rng.uniform(0, 0.05)
        self.alive_s = FAULT_AT_S + FAULT_FOR_S + 0.4
        self.balancer_out_s = self.dead_s + self.rng.uniform(2.4, 3.6)
        self.lease_s = self.dead_s + self.rng.uniform(4.2, 5.2)
        self.back_s = self.alive_s + self.rng.uniform(1.0, 2.0)
        self.dead_pods = [p for p in self.top.pods if p.node == "node-2"]

    def proxy_s(self, node: int) -> float:
        return self.lease_s + 0.05 + 0.03 * node

    def calls(self) -> list[CallRecord]:
        return [
            *self._group("storefront", 120 * self.scale, "default/web-lb", per_call=True),
            *self._group("checkout", 40 * self.scale, "default/web", per_call=False),
            *self._group("legacy", 10 * self.scale, "default/web-lb", per_call=False),
        ]

    def _group(self, name: str, rate: float, service: str, *, per_call: bool) -> list[CallRecord]:
        found: list[CallRecord] = []
        at_s = 0.0
        while (at_s := at_s + self.rng.expovariate(rate)) < 40.0:
            found.append(self._call(name, len(found), at_s, service, per_call=per_call))
        return found

    def _call(
        self, group: str, number: int, at_s: float, service: str, *, per_call: bool
    ) -> CallRecord:
        nodes = [n.name for n in self.top.nodes]
        is_dead = self.dead_s <= at_s < self.alive_s
        entries = [n for n in nodes if n != "node-2" or at_s < self.balancer_out_s or at_s > 26]
        entry = self.rng.choice(entries) if group == "storefront" else "node-5"
        pods = [
            p
            for p in self.top.pods
            if p.node != "node-2" or at_s < self.lease_s or at_s > self.back_s
        ]
        pod = self.rng.choice(pods)
        lost = is_dead and (entry == "node-2" or pod.node == "node-2")
        taken_s = 0.002 + self.rng.expovariate(1 / 0.0015)
        if self.rng.random() < 0.01:
            taken_s += self.rng.uniform(0.01, 0.04)
        refused = lost and entry != "node-2" and self.rng.random() < 0.4
        opened_s = at_s + 0.001 if per_call else (self.lease_s if at_s > self.lease_s else 0.1)
        return CallRecord(
            group=group,
            client=number % 8,
            id=f"{group}-{number}",
            intended_s=START_S + at_s,
            started_s=START_S + at_s + 0.0002,
            ended_s=START_S + at_s + (0.02 if refused else 1.0 if lost else taken_s),
            status="UNAVAILABLE" if refused else "DEADLINE_EXCEEDED" if lost else "OK",
            outcome="failed" if refused else "unknown" if lost else "ok",
            pod="" if lost else f"default/{pod.name}",
            node="" if lost else pod.node,
            zone="" if lost else {n.name: n.zone for n in self.top.nodes}[pod.node],
            connection="" if lost and per_call else f"c{number}" if per_call else f"{group}-1",
            connection_opened_s=None if lost and per_call else START_S + opened_s,
            attempts=1,
            service=service,
            error="" if not lost else "connection refused" if refused else "deadline exceeded",
        )

    def beliefs(self) -> list[BeliefRecord]:
        found: list[BeliefRecord] = []

        def held(at_s: float, observer: Any, subject: str, state: Any, **more: str) -> None:
            found.append(
                BeliefRecord(
                    at_s=START_S + at_s, observer=observer, subject=subject, state=state, **more
                )
            )

        for node in self.top.nodes:
            subject = f"node/{node.name}"
            held(0.0, "lease", subject, "in", word="Ready")
            held(0.0, "load-balancer", subject, "in", where="default/web-lb", word="healthy")
        held(self.balancer_out_s, "load-balancer", "node/node-2", "out", where="default/web-lb",
             word="unhealthy: timeout")  # fmt: skip
        held(self.back_s + 1, "load-balancer", "node/node-2", "in", where="default/web-lb",
             word="healthy")  # fmt: skip
        held(self.lease_s, "lease", "node/node-2", "out", word="Unknown")
        held(self.back_s, "lease", "node/node-2", "in", word="Ready")
        for pod in self.top.pods:
            is_dead = pod.node == "node-2"
            changes = [(0.0, "in", "ready")]
            if is_dead:
                changes += [(self.lease_s, "out", "ready=false"), (self.back_s, "in", "ready")]
            for at_s, state, word in changes:
                held(at_s, "api", pod.target, state, word=word)
                for service in SERVICES:
                    held(at_s + 0.01, "endpoints", pod.target, state, service=service, word=word)
                    held(at_s + 0.02, "dns", pod.target, state, service=service, where="node-1")
                    for number, node in enumerate(self.top.nodes):
                        delay_s = 0.05 + 0.03 * number
                        held(at_s + delay_s, "proxy", pod.target, state, where=node.name,
                             service=service)  # fmt: skip
        return found

    def truths(self) -> list[TruthRecord]:
        zones = {n.name: n.zone for n in self.top.nodes}
        found: list[TruthRecord] = []
        for subject, node, services in [
            *((f"node/{n.name}", n.name, ()) for n in self.top.nodes),
            *((p.target, p.node, SERVICES) for p in self.top.pods),
        ]:
            states = [(0.0, "up", "started")]
            if node == "node-2":
                states += [(self.dead_s, "down", "lost-power"), (self.alive_s, "up", "started")]
            found += [
                TruthRecord(
                    at_s=START_S + at_s,
                    subject=subject,
                    state=state,  # type: ignore[arg-type]
                    why=why,
                    node=node,
                    zone=zones[node],
                    services=services,
                )
                for at_s, state, why in states
            ]
        return found

    def fault(self) -> FaultRecord:
        return FaultRecord(
            id="lost-power.0",
            fault="lost-power",
            kind="power-off",
            target="node/node-2",
            planned_s=START_S + FAULT_AT_S,
            asked_s=START_S + FAULT_AT_S,
            acknowledged_s=START_S + self.dead_s,
            observed_s=START_S + self.dead_s + 0.21,
            observed_by="node/node-1",
            observed_what="no answer to a probe of its kubelet port within 200 ms",
            mechanism="kernel filter",
            ended_s=START_S + self.alive_s - 0.4,
            ended_by="expiry",
            clean_s=START_S + self.alive_s,
        )

    def history(self) -> History:
        calls = self.calls()
        spans = (("baseline", 0, 8), ("inject", 8, 26), ("recover", 26, 34), ("verify", 34, 40))
        pods = tuple(f"{p.namespace}/{p.name}" for p in self.top.pods)
        return History(
            phases=tuple(
                PhaseSpan(phase=phase, start_s=START_S + start_s, end_s=START_S + end_s)  # type: ignore[arg-type]
                for phase, start_s, end_s in spans
            ),
            calls=calls,
            faults=(self.fault(),),
            beliefs=self.beliefs(),
            truths=self.truths(),
            executions=[
                Execution(call_id=c.id, pod=c.pod, count=2 if i % 977 == 0 else 1)
                for i, c in enumerate(calls)
                if c.ok
            ],
            members=Members(
                nodes=tuple(n.name for n in self.top.nodes),
                zones=tuple(self.top.zones),
                pods={service: pods for service in SERVICES},
            ),
        )


ENVIRONMENT = Environment(
    versions={"emucluster": "0.1.0", "python": "3.11.2", "grpc": "1.80.0", "ray": "2.60.1"},
    cores=2,
    packing="pod",
    cloud="aws-nlb",
    speed=10,
    failure_mode="kernel filter",
    data_path="client > load balancer > NodePort > kube-proxy > tunnel > pod, all TCP",
    noise_floor_s=0.0004,
    loop_lag_p99_s={"node-1": 0.004, "node-2": 0.003, "load-balancer": 0.006, "generator-0": 0.011},
    cpu_share=0.71,
    generators=1,
)


def plan(experiment: Experiment, top: Topology, seed: int) -> Plan:
    return expand(experiment, top, seed)


def run(
    *, trials: int = 1, scale: float = 1.0, top: Topology | None = None, **fields: Any
) -> tuple[RunResult, list[Recording]]:
    """A whole run with its records; `fields` replace those of the experiment."""
    asked = from_tree({**TREE, "trials": trials, **fields})
    found, recordings = [], []
    for number in range(trials):
        scene = Scene(number, scale=scale, top=top)
        drawn = plan(asked, scene.top, number)
        history = scene.history()
        found.append(trial_result(asked, drawn, history, ENVIRONMENT, number=number, clean=True))
        recordings.append(Recording(history=history, plan=drawn, topology=scene.top))
    rerun = f"emucluster run examples/experiments/dead-node.yaml --seed 0 --trials {trials}"
    result = run_result(asked, found, ENVIRONMENT, seed=0, started_s=START_S, rerun=rerun)
    return result, recordings
