"""A target that acknowledges a fault, or its end, and does nothing makes the run invalid."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

import emucluster as emu
from emucluster.cli import run as command
from emucluster.experiment.result import Trial, from_json
from tests.live.watching import pods

pytestmark = [pytest.mark.live, pytest.mark.slow]


@contextmanager
def kept(pid: int, number: signal.Signals, begin: Callable[[], bool]) -> Iterator[None]:
    """A process that never stays stopped, or awake, from some time on: whoever wants it otherwise
    believes that it is."""
    ended = threading.Event()

    def keep() -> None:
        while not ended.wait(0.0005):
            if begin():
                os.kill(pid, number)

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        os.kill(pid, signal.SIGCONT)


def frozen(target: str) -> dict[str, Any]:
    return {
        "name": "lying-target",
        "cluster": {"nodes": 3, "zones": 2, "packing": "pod", "speed": 10},
        "workload": [{"name": "users", "target": "service/web-lb"}],
        "faults": [{"kind": "freeze", "target": target, "for": "1s"}],
        "phases": {"baseline": "500ms", "inject": "2s", "recover": "500ms", "verify": "500ms"},
        "hypotheses": [{"kind": "availability", "atLeast": "1%"}],
    }


def pod_of_a_call(web: emu.Cluster) -> tuple[str, int]:
    with web.client() as client:
        call = client.call("service/web-lb")
    name = call.pod.rpartition("/")[2]
    assert name in {pod.metadata.name for pod in pods(web)}
    return name, call.pid


def carried_out(web: emu.Cluster, pod: str, directory: Path) -> tuple[Trial, int]:
    file, out = directory / "lying.yaml", directory / "out"
    file.write_text(yaml.safe_dump(frozen(f"pod/{pod}")))
    code = command(["run", str(file), "--cluster", web.name, "--out", str(out), "-q"])
    result = from_json((out / "results.json").read_bytes())
    assert result.overall == "invalid"
    (trial,) = result.trials
    return trial, code


def test_a_fault_that_nobody_but_its_target_sees_makes_the_run_invalid(
    web: emu.Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The pod is told to freeze, says that it does, and somebody wakes it each time."""
    name, pid = pod_of_a_call(web)
    with kept(pid, signal.SIGCONT, lambda: True):
        trial, code = carried_out(web, name, tmp_path)

    (fault,) = trial.faults
    assert fault.acknowledged_s is not None
    assert fault.observed_s is None
    assert code == 2
    why = "acknowledged, and nobody but its target saw it"
    assert any(why in reason for reason in trial.invalid_reasons), trial.invalid_reasons
    assert why in " ".join(capsys.readouterr().out.split()), "and people are told"


def test_a_fault_that_its_target_calls_over_and_others_still_see_makes_the_run_invalid(
    web: emu.Cluster, tmp_path: Path
) -> None:
    """The pod is told to go on, says that it does, and somebody stops it each time."""
    name, pid = pod_of_a_call(web)
    seen_in_force: list[float] = []

    def lifted() -> bool:
        if not seen_in_force:
            seen_in_force.extend(f.injected_s for f in web.faults() if f.kind == "freeze")
            return False
        return time.time() > seen_in_force[0] + 0.5

    with kept(pid, signal.SIGSTOP, lifted):
        trial, code = carried_out(web, name, tmp_path)

    (fault,) = trial.faults
    assert (fault.ended_by, fault.clean_s is not None) == ("expiry", True), "by its word"
    assert fault.observed_s is not None
    assert fault.gone_s is None
    why = "was over by its target's word, and still seen by others"
    assert any(why in reason for reason in trial.invalid_reasons), trial.invalid_reasons
    assert code == 2
