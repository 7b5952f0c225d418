"""A cluster tells what is so and what is believed, and what its processes took."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import emucluster as emu
from emucluster.client.observations import Observations, Observed
from tests.live.watching import pod_on, until

pytestmark = [pytest.mark.live, pytest.mark.slow]


class Watch:
    """Everything that is observed, collected by a thread."""

    def __init__(self, observations: Observations) -> None:
        self.batches: list[Observed] = []
        self._observations = observations
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()
        until(lambda: any(b.state_done for b in self.batches), "the present state is told")

    def _collect(self) -> None:
        self.batches.extend(self._observations)

    def first(self, **wanted: Any) -> Any:
        """The first record with these attributes; of the time after `since_s` if given."""
        since_s = wanted.pop("since_s", 0.0)
        records = (record for b in list(self.batches) for record in (*b.truths, *b.beliefs))
        return next(
            (
                record
                for record in records
                if record.at_s >= since_s
                and all(getattr(record, name, None) == value for name, value in wanted.items())
            ),
            None,
        )

    def close(self) -> None:
        self._observations.close()
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def watch(web: emu.Cluster) -> Iterator[Watch]:
    watch = Watch(web.lab.observe())
    yield watch
    watch.close()


def test_the_death_of_a_node_is_so_at_once_and_believed_by_one_after_the_other(
    web: emu.Cluster, watch: Watch
) -> None:
    victim = pod_on(web, "node-2")
    subject = f"pod/default/{victim.metadata.name}"
    assert watch.first(subject="node/node-2", state="up", why="running").zone == "zone-b"
    assert watch.first(subject=subject, observer="proxy", where="node-1", state="in")
    assert watch.first(subject=subject, observer="dns", where="node-1", state="in")
    assert watch.first(subject=subject, observer="probe", where="node-2", state="in")
    assert watch.first(subject=subject, observer="api", state="in")
    injected_s = time.time()
    fault = web.inject("power-off", "node/node-2", for_s=30)

    def out(observer: str, about: str, **more: Any) -> Any:
        return until(
            lambda: watch.first(
                observer=observer, subject=about, state="out", since_s=injected_s, **more
            ),
            f"{observer} has {about} out",
        )

    down = until(lambda: watch.first(subject=subject, state="down", since_s=injected_s), "down")
    assert down.why == "node power-off"
    lease = out("lease", "node/node-2")
    assert lease.at_s > down.at_s
    balancer = out("load-balancer", "node/node-2", where="default/web-lb")
    assert balancer.word.startswith("unhealthy")
    for observer in ("proxy", "dns"):
        out(observer, subject, where="node-1")
    out("endpoints", subject, service="default/web")
    web.clear_faults(fault.id)
    until(
        lambda: watch.first(subject=subject, state="up", since_s=down.at_s),
        "the pod is up again",
    )


def test_every_process_tells_its_lag_and_processor_time(web: emu.Cluster) -> None:
    rig = web.lab.rig()
    assert rig.silent == ()
    names = {process.name for process in rig.processes}
    assert {"keeper", "control-plane", "node-1", "node-2", "node-3", "lb/default/web-lb"} <= names
    for process in rig.processes:
        assert 0 <= process.cpu_s < process.to_s
        assert process.to_s >= process.from_s
    keeper = next(process for process in rig.processes if process.name == "keeper")
    assert keeper.lag_max_s is not None
    later = web.lab.rig(since_s=time.time())
    assert all(process.from_s > rig.processes[0].from_s for process in later.processes[:1])
