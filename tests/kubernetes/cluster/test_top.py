"""`kubectl top`: only what was measured."""

from __future__ import annotations

import re
import time

import pytest

from tests.kubernetes.kubectl import Kubectl, needed

pytestmark = [pytest.mark.live, needed]


def test_nodes_tell_what_all_that_runs_on_them_takes(workshop: Kubectl) -> None:
    head, *rows = workshop("top", "node").splitlines()
    assert head.split() == ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"]
    assert sorted(row.split()[0] for row in rows) == ["node-1", "node-2"]
    for row in rows:
        assert re.fullmatch(r"\S+ +\d+m +\d+% +\d+Mi +\d+%", row.strip())
        assert int(row.split()[3].removesuffix("Mi")) > 20


def test_pods_tell_what_their_own_processes_take(workshop: Kubectl) -> None:
    head, *rows = workshop("top", "pod", "--containers").splitlines()
    assert head.split() == ["POD", "NAME", "CPU(cores)", "MEMORY(bytes)"]
    found = {row.split()[0]: row.split()[1:] for row in rows}
    # The containers of `two` share a process, and `nowhere` has none.
    assert found.keys() == {"own", "talker", "echo"}
    for name, _, memory in found.values():
        assert name == "main"
        assert int(memory.removesuffix("Mi")) > 5


@pytest.mark.slow
def test_work_is_seen(workshop: Kubectl) -> None:
    busy = "import time; end = time.monotonic() + 60\nwhile time.monotonic() < end: pass"
    give_up = time.monotonic() + 50
    with workshop.start("exec", "own", "--", "python3", "-c", busy):
        while (cores := workshop("top", "pod", "own", "--no-headers").split()[1]) in ("0m", "10m"):
            assert time.monotonic() < give_up, f"a process that does nothing else takes {cores}"
            time.sleep(0.5)


def test_what_was_not_measured_is_not_found(workshop: Kubectl) -> None:
    assert workshop.run("top", "pod", "two").stderr == (
        'Error from server (NotFound): podmetrics.metrics.k8s.io "workshop/two" not found\n'
    )
    assert workshop.run("top", "pod", "nobody").stderr == (
        'Error from server (NotFound): pods "workshop/nobody" not found\n'
    )


def test_figures_have_the_units_of_metrics_server(workshop: Kubectl) -> None:
    found = workshop.json("get", "pods.v1beta1.metrics.k8s.io", "own")
    assert (found["kind"], found["apiVersion"]) == ("PodMetrics", "metrics.k8s.io/v1beta1")
    assert found["metadata"]["labels"] == {"app": "own"}
    assert re.fullmatch(r"[\d.]+s", found["window"])
    [container] = found["containers"]
    assert re.fullmatch(r"\d+[num]?", container["usage"]["cpu"])
    assert re.fullmatch(r"\d+[KMG]i", container["usage"]["memory"])
