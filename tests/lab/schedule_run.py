"""One random schedule of faults on a running cluster, and what it leaves behind.

Faults are driven as a run drives them, by its driver and ledger, without load. A schedule may be
abandoned: its driver falls silent in the midst of it, as a runner that was killed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import msgspec

import emucluster as emu
from emucluster.client.cluster import Session
from emucluster.client.experiments.driver import FaultDriver
from emucluster.client.experiments.hands import LabHands
from emucluster.client.experiments.journal import Journal
from emucluster.client.experiments.topology import read_topology
from emucluster.client.ready import NotReady
from emucluster.core.errors import EmuclusterError
from emucluster.core.faults import kinds
from emucluster.core.objects import Pod
from emucluster.experiment.history import FaultRecord
from emucluster.experiment.ledger import OVERSTAY_GRACE_S, Ledger
from emucluster.experiment.plan import Plan, expand
from emucluster.experiment.reading import from_tree
from emucluster.experiment.schedules import random_faults
from emucluster.live.clock import wall_s
from tests.lab.processes import actors
from tests.lab.socket_filters import filtered

INJECT_S = 1.6
FAULTS = 5
TICK_S = 0.05
WHOLE_S = 60.0
"""A pod that crashed twice waits for its back-off of 10 s, at any speed."""
QUICK_S = 0.15
"""Less than the shortest delay that is drawn: a call that is held up by nothing."""
LB, INSIDE = "service/web-lb", "service/web"

Kinds = Sequence[tuple[str, str]] | None


@dataclass(slots=True)
class Ran:
    """One schedule that was run.

    Attributes:
        abandoned_s: after so long nobody drove it any more; None: driven to its end.
        whole_s: from its end until everything was well again.
        problems: what it left behind; empty: nothing.
        filters_seen: whether sockets were looked at; it takes a privilege.
    """

    seed: int
    plan: Plan
    abandoned_s: float | None
    records: list[FaultRecord] = field(default_factory=list)
    whole_s: float = 0.0
    problems: list[str] = field(default_factory=list)
    filters_seen: bool = True

    def __str__(self) -> str:
        """Enough to run it again."""
        plan = msgspec.json.encode(self.plan.entries).decode()
        how = "" if self.abandoned_s is None else f", abandoned after {self.abandoned_s:.2f} s"
        return f"seed {self.seed}{how}: {'; '.join(self.problems)}\n  plan: {plan}"


class Schedules:
    """Runs schedules on one cluster, each from a whole one.

    Args:
        kinds: (kind, target kind) of what may be drawn; None: all.
    """

    def __init__(self, cluster: Session, directory: Path, *, kinds: Kinds = None) -> None:
        self._cluster = cluster
        self._directory = directory
        self._kinds = kinds
        self._filtered = self._filters()
        self._actors = self._processes()

    def run(self, seed: int) -> Ran:
        """Every third is abandoned."""
        topology = read_topology(self._cluster)
        experiment = random_faults(BASE, topology, seed, count=FAULTS, allowed=self._kinds)
        plan = expand(experiment, topology, seed)
        rng = Random(f"{seed}/abandon")
        abandoned_s = rng.uniform(0.3, INJECT_S) if seed % 3 == 0 else None
        ran = Ran(seed, plan, abandoned_s, filters_seen=self._filtered is not None)
        nodes = {f"{pod.namespace}/{pod.name}": pod.node for pod in topology.pods}
        hands = LabHands(self._cluster.lab, run=f"schedule-{seed}", nodes=nodes)
        journal = Journal(self._directory / f"{seed}.jsonl")
        try:
            ledger = Ledger(plan, start_s=wall_s())
            self._drive(FaultDriver(ledger, hands, hands, journal, clock=wall_s), ran)
        finally:
            journal.close()
        ran.records = ledger.records()
        ended_s = time.monotonic()
        ran.problems += self._left(hands)
        ran.whole_s = time.monotonic() - ended_s
        return ran

    # --- driving ---------------------------------------------------------------------------------

    def _drive(self, driver: FaultDriver, ran: Ran) -> None:
        ledger = driver.ledger
        until_s = ran.plan.duration_s if ran.abandoned_s is None else ran.abandoned_s
        while wall_s() < ledger.start_s + until_s:
            driver.step()
            time.sleep(TICK_S)
        if ran.abandoned_s is not None:
            driver.finish()
            self._must_end_by_themselves(ledger, ran)
            return
        driver.stop()
        end_s = time.monotonic() + WHOLE_S
        while time.monotonic() < end_s and (
            not ledger.is_clean or ledger.may_yet_be_seen_over(now_s=wall_s())
        ):
            driver.step()
            time.sleep(TICK_S)
        driver.finish()
        if not ledger.is_clean:
            ran.problems.append(f"not seen to be clean: {[e.id for e in ledger.in_force()]}")
        refused = [
            f"{record.id} was refused though nothing was down: {record.error}"
            for record in ledger.records()
            if record.error and not _may_be_down(ran.plan, record.id)
        ]
        late = [
            reason
            for reason in ledger.invalid_reasons()
            if "did not end by itself" in reason or "still seen by others" in reason
        ]
        ran.problems += [*refused, *late]

    def _must_end_by_themselves(self, ledger: Ledger, ran: Ran) -> None:
        """Nobody clears anything any more."""
        last_s = max((entry.end_s or 0.0 for entry in ran.plan.entries), default=0.0)
        time.sleep(max(0.0, ledger.start_s + last_s + OVERSTAY_GRACE_S - wall_s()))
        ran.problems += _until_nothing(self._overdue, timeout_s=5)

    # --- afterwards ------------------------------------------------------------------------------

    def _left(self, hands: LabHands) -> list[str]:
        """What is not as before, each asked until it is or its time is over."""
        found = _until_nothing(self._in_force)
        found += _until_nothing(self._machines)
        try:
            self._cluster.wait_ready(WHOLE_S)
        except NotReady as error:
            return [*found, str(error)]
        found += _until_nothing(self._calls)
        found += _until_nothing(self._filters_left)
        found += _until_nothing(self._processes_left)
        self._forget_restarts()
        return found

    def _overdue(self) -> list[str]:
        """What is told to be in force; who is silent, as a plane that crashed, is asked later."""
        faults, _ = self._cluster.lab.held_faults()
        return [
            f"{f.id}: {f.kind} on {f.target} is in force" for f in faults if f.state == "in force"
        ]

    def _in_force(self) -> list[str]:
        _, silent = self._cluster.lab.held_faults()
        return [*self._overdue(), *(f"{name} does not tell its faults" for name in silent)]

    def _machines(self) -> list[str]:
        return [f"{m.name} is {m.state}" for m in self._cluster.machines() if m.state != "running"]

    def _calls(self) -> list[str]:
        """Through the load balancer, and from every node by ClusterIP to every pod."""
        nodes = [m.name for m in self._cluster.machines() if m.kind == "node"]
        made: list[tuple[str, emu.Call]] = []
        with self._cluster.client() as client:
            plan = emu.Plan(count=4 * len(nodes), timeout_s=1)
            made += [("outside", call) for call in client.run(LB, plan)]
        for node in nodes:
            with self._cluster.client(f"node/{node}") as client:
                plan = emu.Plan(count=2 * len(nodes), timeout_s=1)
                made += [(node, call) for call in client.run(INSIDE, plan)]
        return [
            f"a call from {source} took {call.latency_s * 1000:.0f} ms: {call.status} {call.error}"
            for source, call in made
            if not call.ok or call.latency_s > QUICK_S
        ][:4]

    def _filters(self) -> int | None:
        """Sockets with one, wherever; source ranges have some too, all the time. None: unknown."""
        try:
            return sum(filtered(m.pid) for m in self._cluster.machines() if m.pid)
        except PermissionError:
            return None

    def _filters_left(self) -> list[str]:
        found, before = self._filters(), self._filtered
        if found is None or before is None or found <= before:
            return []
        return [f"{found} sockets have a filter, {before} had before"]

    def _processes(self) -> Counter[str]:
        machine = next(m for m in self._cluster.machines() if m.kind == "node")
        return actors(machine.pid)

    def _processes_left(self) -> list[str]:
        more = self._processes() - self._actors
        return [f"{count} more {title}" for title, count in more.items()]

    def _forget_restarts(self) -> None:
        """Pods that crashed are deleted: those of the next schedule have no back-off yet."""
        for pod in self._cluster.get("pods"):
            assert isinstance(pod, Pod)
            if any(status.restart_count for status in pod.status.container_statuses):
                self._cluster.delete("pod", pod.metadata.name, grace_period_s=0)
        self._cluster.wait_ready(WHOLE_S)


BASE = from_tree(
    {
        "name": "random-schedule",
        "workload": [{"name": "nobody", "target": LB}],
        "phases": {"baseline": 0, "inject": INJECT_S, "recover": 0, "verify": 0},
        "limits": {"nodes": "100%", "pods": "100%", "zones": 9},
    }
)


def _may_be_down(plan: Plan, entry_id: str) -> bool:
    """Whether a fault may find its target, or the control plane, gone by another one's doing."""
    entry = plan.entry(entry_id)
    others = [other for other in plan.entries if other is not entry]
    return any(
        kinds.concrete(other.kind, other.target.partition("/")[0]).layer in ("machine", "process")
        for other in others
        if not other.peers and (other.at_s or 0.0) <= (entry.at_s or 0.0)
    )


def _until_nothing(problems: Callable[[], list[str]], *, timeout_s: float = WHOLE_S) -> list[str]:
    """The problems there still are after `timeout_s`."""
    end_s = time.monotonic() + timeout_s
    while True:
        try:
            found = problems()
        except EmuclusterError as error:
            found = [str(error)]
        if not found or time.monotonic() >= end_s:
            return found
        time.sleep(0.1)
