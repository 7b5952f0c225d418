"""A workload in a running cluster: where clients stand, what is recorded, what is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

import emucluster as emu
from emucluster.client.experiments.load import Load
from emucluster.client.fault_request import FaultRequest
from emucluster.core.errors import EmuclusterError, UsageError
from emucluster.core.quantities import decode_quantity
from emucluster.experiment.spec import ClientGroup

pytestmark = [pytest.mark.live, pytest.mark.slow]

DEADLINE_S = 30.0

WORKLOAD: list[dict[str, Any]] = [
    {"name": "lb", "target": "service/web-lb", "clients": 3, "connection": "per-call"},
    {"name": "node-port", "target": "service/web-nodeport", "node": "node-2", "clients": 2},
    {"name": "cluster-ip", "target": "service/web", "source": "pod/client", "clients": 2},
    {
        "name": "headless",
        "target": "service/web-headless",
        "source": "zone/zone-a",
        "clients": 2,
        "lbPolicy": "round_robin",
    },
    {"name": "outside-name", "target": "service/legacy:80", "source": "node/node-3"},
]


def groups(*trees: dict[str, Any], **more: Any) -> list[ClientGroup]:
    common = {"arrival": {"kind": "constant", "rate": 30}, "deadline": "10s", **more}
    return [
        msgspec.convert({**common, **tree}, ClientGroup, dec_hook=decode_quantity) for tree in trees
    ]


def until(condition: Callable[[], object], what: str) -> None:
    end_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end_s, f"still not: {what}"
        time.sleep(0.05)


def generators(cluster: emu.Cluster) -> list[int]:
    return [m.pid for m in cluster.machines() if m.kind == "load-generator"]


def test_clients_reach_each_kind_of_service_and_pods_remember_each_call_once(
    web: emu.Cluster,
) -> None:
    workload = groups(*WORKLOAD)
    with Load(web, workload, run="ways", seed=1, duration_s=3) as load:
        assert len(generators(web)) == load.generators == 1
        load.start()
        until(lambda: all(load.ended(g.name) >= 40 for g in workload), "40 calls of each group")
        seen = load.progress()
        load.stop(5)
        calls, executions, health = load.records(), load.executions(), load.health()
        opened = [m for m in web.machines() if m.kind == "load-generator"]
        with pytest.raises(EmuclusterError):
            web.lab.inject(FaultRequest("freeze", opened[0].name))
    until(lambda: not generators(web), "the generators have ended")

    assert {call.outcome for call in calls} == {"ok"}, Counter(c.error for c in calls)
    assert all(seen[g.name].ok and not seen[g.name].failed for g in workload)
    by_group = {g.name: [c for c in calls if c.group == g.name] for g in workload}
    assert load.ended("lb") == len(by_group["lb"])
    assert {c.service for c in by_group["lb"]} == {"default/web-lb"}
    assert {c.connection for c in by_group["lb"]} == {c.id for c in by_group["lb"]}
    assert len({c.pod for c in by_group["lb"]}) == 3
    assert {c.client for c in by_group["lb"]} == {0, 1, 2}
    assert len({c.connection for c in by_group["node-port"]}) == 2
    assert len({c.connection for c in by_group["cluster-ip"]}) == 2
    balanced = Counter((c.client, c.pod) for c in by_group["headless"])
    assert len(balanced) == 6, "each client calls each pod"
    assert {c.pod for c in by_group["outside-name"]} == {"legacy"}
    for call in calls:
        assert call.intended_s <= call.started_s
        assert call.ended_s is not None
        assert call.connection_opened_s is not None
    inside = [c for c in calls if c.group != "outside-name"]
    assert sorted(e.call_id for e in executions) == sorted(c.id for c in inside)
    assert {e.count for e in executions} == {1}
    assert {c.id: c.pod for c in inside} == {e.call_id: e.pod for e in executions}
    assert health.expired_late == 0
    assert health.lost == {}
    assert list(health.lag_p99_s) == [m.name for m in opened]


def test_the_noise_floor_is_measured_on_the_groups_own_path(web: emu.Cluster) -> None:
    closed = {"kind": "closed", "concurrency": 6}
    workload = groups(WORKLOAD[0], {**WORKLOAD[2], "delay": "50ms"}, arrival=closed)
    with Load(web, workload, run="quiet", seed=1, duration_s=1) as load:
        floor = load.noise_floor()
        load.start()
        until(lambda: load.ended() > 5, "calls after it")
        load.stop(5)
        calls = load.records()
    assert {call.id.partition("/")[0] for call in calls} == {"quiet"}
    assert floor.median_s["cluster-ip"] >= 0.05
    assert floor.floor_s == max(floor.scatter_s["lb"], floor.scatter_s["cluster-ip"])


def test_a_call_that_is_open_when_the_load_stops_has_no_end_and_may_have_run(
    web: emu.Cluster,
) -> None:
    workload = groups({**WORKLOAD[2], "delay": "60s", "deadline": "90s", "inFlightMax": 4})
    with Load(web, workload, run="open", seed=1, duration_s=1) as load:
        load.start()
        until(lambda: load.ended() >= 3, "calls that found no slot")
        load.stop(0.1)
        calls = load.records()
    still_open = [call for call in calls if call.ended_s is None]
    assert [call.outcome for call in still_open] == ["unknown"] * 4
    assert {(c.status, c.outcome) for c in calls if c.ended_s} == {("NOT_STARTED", "failed")}


def test_what_cannot_be_dialled_names_the_field_and_starts_nothing(web: emu.Cluster) -> None:
    for change, words in (
        ({"target": "service/web"}, "workload[1].target: service/web: is of type ClusterIP"),
        ({"target": "service/none"}, "workload[1].target: services"),
        ({"source": "zone/mars"}, 'workload[1].source: no node is in zone "mars"; zones: zone-a'),
        ({"source": "pod/none"}, "workload[1].source: pods"),
    ):
        with pytest.raises(UsageError) as refused:
            Load(
                web, groups(WORKLOAD[0], {**WORKLOAD[0], "name": "b", **change}), **_RUN
            ).__enter__()
        assert str(refused.value).startswith(words)
    assert generators(web) == []


_RUN: dict[str, Any] = {"run": "r", "seed": 1, "duration_s": 1}


def test_many_generators_keep_the_schedule_of_one(
    web: emu.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emucluster.client.experiments.load.plan.CALLS_PER_CORE_S", 25.0)
    workload = groups({**WORKLOAD[0], "clients": 4, "connection": "shared"})
    with Load(web, workload, run="many", seed=1, duration_s=3) as load:
        assert load.generators == len(generators(web)) == 2
        start_s = load.start()
        until(lambda: load.ended() >= 30, "30 calls")
        load.stop(5)
        calls = load.records()
    assert [c.id for c in calls] == [f"many/lb/{n % 4}/{n + 1}" for n in range(len(calls))]
    due_s = [c.intended_s - start_s for c in calls]
    assert due_s == pytest.approx([n / 30 for n in range(len(calls))], abs=1e-3)
    assert len({c.connection for c in calls}) == 4


def test_a_generator_that_dies_makes_the_run_invalid(web: emu.Cluster) -> None:
    with Load(web, groups(WORKLOAD[0]), run="died", seed=1, duration_s=3) as load:
        load.start()
        until(load.ended, "a call")
        os.kill(generators(web)[0], signal.SIGKILL)
        until(lambda: web.machines()[-1].state == "gone", "the generator is seen to be gone")
        load.stop(0.1)
        calls, reasons = load.records(), load.health().invalid_reasons
    assert calls
    assert len(reasons) == 1
    assert reasons[0].startswith("not all calls of load-generator-")


def test_a_killed_run_leaves_no_generator(web: emu.Cluster) -> None:
    program = (
        "import sys, time, emucluster as emu\n"
        "from emucluster.client.experiments.load import Load\n"
        "from emucluster.experiment.spec import ClientGroup\n"
        "group = ClientGroup(name='lb', target='service/web-lb', clients=2)\n"
        "load = Load(emu.connect(sys.argv[1]), [group], run='killed', seed=1, duration_s=9)\n"
        "with load:\n"
        "    load.start()\n"
        "    while not load.ended(): time.sleep(0.01)\n"
        "    print('calling', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, web.name], stdout=subprocess.PIPE, text=True
    ) as runner:
        assert runner.stdout is not None
        assert runner.stdout.readline() == "calling\n"
        assert len(generators(web)) == 1
        runner.send_signal(signal.SIGKILL)
    until(lambda: not generators(web), "the generator has ended")
