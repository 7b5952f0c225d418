"""The load of one run: generators in the cluster, driven from here."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Self

from emucluster.client.closing import Closing
from emucluster.client.cluster import Session
from emucluster.client.connection import Connection
from emucluster.client.experiments.load import executed, noise
from emucluster.client.experiments.load.counts import Counts
from emucluster.client.experiments.load.generator import Generator
from emucluster.client.experiments.load.health import LoadHealth, load_health
from emucluster.client.experiments.load.messages import (
    BATCH_S,
    Resolved,
    check_hosts,
    group_message,
    resolved,
)
from emucluster.client.experiments.load.noise import NoiseFloor
from emucluster.client.experiments.load.plan import Portion, plan
from emucluster.client.experiments.load.progress import GroupProgress
from emucluster.client.experiments.load.records import records
from emucluster.core.errors import UsageError
from emucluster.experiment.history import CallRecord, Execution
from emucluster.experiment.spec import ClientGroup
from emucluster.live.clock import wall_s
from emucluster.live.rpc.pb import lab_pb2, lab_pb2_grpc, load_pb2

OPEN_TIMEOUT_S = 90.0
START_AHEAD_S = 0.2
"""Every generator must be told before the first call is due, so that all begin together."""


class Load(Closing):
    """Runs a workload once: `start`, then `stop`, then `records`. Use it in a `with`.

        with Load(session, experiment.workload, run=run_id, seed=seed, duration_s=40) as load:
            floor = load.noise_floor()          # optional, before `start`
            load.start(at_s)
            while ...: load.progress(); load.ended("group")
            load.stop(drain_s=2)
            calls, executed, health = load.records(), load.executions(), load.health()

    Entering resolves every group against the cluster as it is now (so call it when the cluster is
    ready), starts as many generator processes as the rates need, and takes the outside clients'
    addresses. All of them are given back on leaving, and also when this process is killed. Methods
    may be called from any thread, one at a time (`progress` and `ended` at any time); none blocks
    longer than its arguments say plus a few seconds.

    A call costs about 50 bytes here until `records` makes objects of them: 1.2 million calls (2,000
    a second for 10 minutes) were 60 MB while they ran and 420 MB as records, made in 11 s.

    Args:
        session: of the cluster under load.
        groups: the experiment's `workload`.
        run: begins every call id; unique among the runs against this cluster; without `/`.
        seed: of arrivals and think times: the same seed, the same schedule, whatever the number of
            generators.
        duration_s: of the whole load, for ramps that take the whole run. The load itself goes on
            until `stop`.

    Raises on entering UsageError with the path of the bad field (`workload[0].target: ...`), and
    what the cluster refuses.
    """

    def __init__(
        self,
        session: Session,
        groups: Sequence[ClientGroup],
        *,
        run: str,
        seed: int | str,
        duration_s: float,
    ) -> None:
        if not run or "/" in run:
            raise UsageError(f'run: must be a word without "/", got "{run}"')
        self._session = session
        self._groups = list(groups)
        self._run = run
        self._seed = str(seed)
        self._duration_s = duration_s
        self._resolved: list[Resolved] = []
        self._plan: list[list[Portion]] = []
        self._gateways: list[list[str]] = []
        self._generators: list[Generator] = []
        self._counts = Counts([group.name for group in groups])
        self._held = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        return self

    @property
    def generators(self) -> int:
        """How many generator processes there are; for `Environment.generators`."""
        return len(self._generators)

    def noise_floor(self) -> NoiseFloor:
        """Measure the scatter of the median latency; before `start` and without faults.

        Every group calls at its own rate, 80 calls/s at the most, for 1.5 s, or up to 8 s where one
        of them is slow, and as long as its last call takes. See NoiseFloor.
        """
        quiet = [noise.quiet(group) for group in self._groups]
        self._start(quiet, run=f"{self._run}-noise", at_s=0.0, counts=Counts(self._names))
        time.sleep(START_AHEAD_S + noise.takes_s(quiet))
        self.stop(max((group.deadline_s for group in quiet), default=0.0))
        return noise.noise_floor(self.records(), self._names)

    def start(self, at_s: float = 0.0) -> float:
        """Let the calls begin at wall clock `at_s` (0 or past: in 0.2 s); returns when that is."""
        self._counts = Counts(self._names)
        return self._start(self._groups, run=self._run, at_s=at_s, counts=self._counts)

    def progress(self) -> dict[str, GroupProgress]:
        """Every group's counters, from what the generators have told by now (0.25 s late)."""
        return self._counts.progress(wall_s())

    def ended(self, group: str = "") -> int:
        """How many calls of a group (empty: of all) have ended since the start, for triggers."""
        return self._counts.ended(group)

    def stop(self, drain_s: float = 1.0) -> None:
        """Begin no more calls; after `drain_s`, those that are still open stay so for ever."""
        for generator in self._generators:
            generator.ask_to_stop(drain_s)
        for generator in self._generators:
            generator.wait(drain_s)

    def records(self) -> list[CallRecord]:
        """Every call, in the order of when it was due. After `stop`."""
        services = {found.group.name: found.dialled.service for found in self._resolved}
        found = [
            call
            for generator in self._generators
            for batch in _batches(generator)
            for call in records(batch, services)
        ]
        found.sort(key=lambda call: call.intended_s)
        return found

    def executions(self) -> list[Execution]:
        """What the echo pods that live remember of this run's calls. When faults are lifted."""
        status = self._session.status()
        here = next(m.host for m in status.machines if m.kind == "keeper")
        nodes = [
            machine.name
            for machine in status.machines
            if machine.kind == "node" and machine.state == "running" and machine.host == here
        ]
        return executed.executions(self._session.api, nodes, self._run)

    def health(self) -> LoadHealth:
        """Whether the generators were the limit. After `stop`."""
        told = {
            generator.name: [batch.health for batch in _batches(generator)]
            for generator in self._generators
        }
        return load_health(told, {generator.name: generator.lost for generator in self._generators})

    def close(self) -> None:
        """End the generators and give the addresses back. Harmless when done twice."""
        self._generators = []
        self._held.close()

    @property
    def _names(self) -> list[str]:
        return [group.name for group in self._groups]

    def _open(self) -> None:
        self._resolved = resolved(self._groups, self._session.api)
        self._plan = plan(self._groups)
        check_hosts(self._resolved, self._session.machines())
        record = self._session.record
        keeper = Connection("the cluster's keeper", record.lab, record.token)
        self._held.callback(keeper.close)
        lab = keeper.stub(lab_pb2_grpc.LabStub)
        self._gateways = [self._take_seats(found, keeper, lab) for found in self._resolved]
        asked = lab_pb2.OpenGeneratorsRequest(count=len(self._plan))
        held = keeper.hold(lab.OpenGenerators, asked, timeout_s=OPEN_TIMEOUT_S)
        self._held.callback(held.close)
        for one in held.reply.generators:
            generator = Generator(one.name, one.agent, record.token)
            self._held.callback(generator.close)
            self._generators.append(generator)

    def _take_seats(self, found: Resolved, keeper: Connection, lab: Any) -> list[str]:
        """The gateways of a group's clients; those outside get one of their own each."""
        gateways = []
        for number, seat in enumerate(found.seats):
            gateway = seat.gateway
            if not gateway:
                label = f"{found.group.name}/{number}"
                held = keeper.hold(lab.OpenClient, lab_pb2.OpenClientRequest(label=label))
                self._held.callback(held.close)
                gateway = held.reply.gateway
            gateways.append(gateway)
        return gateways

    def _start(
        self, groups: Sequence[ClientGroup], *, run: str, at_s: float, counts: Counts
    ) -> float:
        start_s = max(at_s, wall_s() + START_AHEAD_S)
        for generator, portions in zip(self._generators, self._plan, strict=True):
            spec = load_pb2.LoadSpec(run=run, seed=self._seed, start_s=start_s, batch_s=BATCH_S)
            for portion in portions:
                index = portion.group
                spec.groups.append(
                    group_message(
                        groups[index],
                        self._resolved[index],
                        portion,
                        self._gateways[index],
                        duration_s=self._duration_s,
                    )
                )
            generator.start(spec, counts.add)
        return start_s


def _batches(generator: Generator) -> Iterator[Any]:
    for data in generator.batches:
        yield load_pb2.LoadBatch.FromString(data)
