"""However a cluster ends, nothing of it stays, and nothing of others goes."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from emucluster.client import instances
from emucluster.client.options import StartOptions
from emucluster.client.start import start_cluster, stop_cluster
from emucluster.core.errors import ClusterError, NameTaken
from emucluster.live.keeper import warden
from emucluster.live.rpc.pb import lab_pb2
from tests.live.keeper_cluster import (
    FAKES,
    ROOT,
    LabCalls,
    cluster,
    fakes_importable,
    states,
    traces,
)

pytestmark = pytest.mark.live

ONE_NODE = StartOptions(name="trace-test", nodes=1)


@pytest.fixture(autouse=True)
def _runtime_directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Away from other clusters of this user, whose starts would sweep what is dead here."""
    runtime = tempfile.mkdtemp(prefix="e", dir="/tmp")
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    yield
    os.rmdir(runtime)  # fails if anything was left


def until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, f"still not: {what}"
        time.sleep(0.02)


def test_down_leaves_no_process_socket_or_file() -> None:
    with cluster(ONE_NODE) as record:
        assert states()["trace-test"] == "running"
        lab = LabCalls(record)
        request = lab_pb2.OpenGeneratorsRequest(count=2)
        generators = lab.stub.OpenGenerators(request, metadata=lab.metadata, timeout=60)
        pids = [generator.pid for generator in next(generators).generators]
        assert len(pids) == 2
        assert all(warden.started_ticks(pid) for pid in pids)
        stop_cluster("trace-test")

        assert traces(record) == []
        assert not any(warden.started_ticks(pid) for pid in pids)
        lab.close()


@pytest.mark.slow
def test_a_killed_keeper_leaves_nothing_of_what_a_fault_has_stopped_either() -> None:
    with cluster(ONE_NODE) as record:
        lab = LabCalls(record)
        lab.call("InjectFault", lab_pb2.FaultRequest(kind="freeze", target="control-plane"))
        lab.close()
        os.kill(record.keeper_pid, signal.SIGKILL)

        until(lambda: not traces(record), "nothing is left")
        assert "trace-test" not in states()


@pytest.mark.rare
@pytest.mark.slow
def test_without_a_warden_down_sweeps_a_dead_keepers_processes() -> None:
    with cluster(ONE_NODE) as record:
        os.kill(_warden_of(record.keeper_pid), signal.SIGKILL)
        os.kill(record.keeper_pid, signal.SIGKILL)
        until(lambda: states()["trace-test"] == "dead", "dead")
        assert traces(record)

        stop_cluster("trace-test")

        assert traces(record) == []


@pytest.mark.rare
@pytest.mark.slow
def test_a_frozen_keeper_is_swept_too() -> None:
    with cluster(ONE_NODE) as record:
        os.kill(record.keeper_pid, signal.SIGSTOP)

        instances.sweep(instances.instance("trace-test"), term_wait_s=0.5)

        assert traces(record) == []


@pytest.mark.slow
def test_two_clusters_side_by_side_do_not_touch_each_other() -> None:
    with cluster(ONE_NODE) as one, cluster(StartOptions(name="other-test", nodes=1)) as other:
        assert one.slice != other.slice
        with pytest.raises(NameTaken), fakes_importable():
            start_cluster(ONE_NODE, implementations=FAKES)
        stop_cluster("trace-test")

        assert traces(one) == []
        assert states()["other-test"] == "running"
        assert warden.started_ticks(other.keeper_pid) == other.keeper_started


@pytest.mark.rare
@pytest.mark.slow
def test_a_start_that_fails_says_why_and_leaves_nothing() -> None:
    broken = msgspec.structs.replace(FAKES, node="tests.live.keeper_fakes:NeverUp")
    with pytest.raises(ClusterError, match="node-1: no power"), fakes_importable():
        start_cluster(ONE_NODE, implementations=broken)

    assert "trace-test" not in states()
    until(lambda: not _wardens(), "the warden has gone")


@pytest.mark.slow
def test_a_killed_start_leaves_nothing() -> None:
    """One that is interrupted: tests/live/test_listening.py."""
    program = (
        "from tests.live.keeper_cluster import *\n"
        "import msgspec\n"
        "slow = msgspec.structs.replace(FAKES, node='tests.live.keeper_fakes:SlowToStart')\n"
        "start_cluster(StartOptions(name='trace-test', nodes=1), implementations=slow,\n"
        "    progress=lambda text: print(text, flush=True))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("starting 1 node"):
            break
    keeper = instances.instance("trace-test").keeper
    assert keeper is not None
    process.kill()
    process.wait(30)
    process.stdout.close()

    until(lambda: "trace-test" not in states(), "its directory is gone")
    until(lambda: not warden.members(keeper.pid, keeper.started), "its processes are gone")


_PROGRAM_OF_AN_OWNER = """
import os
{start}
print("up", flush=True)
os.read(0, 1)
os._exit(1)
"""
_WITH_THE_REAL_MACHINES = """
import emucluster as emu
cluster = emu.Cluster(name="trace-test", nodes=1, zones=1).__enter__()
"""
_WITHOUT_AN_OWNER = """
from tests.live.keeper_cluster import *
start_cluster(StartOptions(name="trace-test", nodes=1), implementations=FAKES, owned=False)
"""


@contextmanager
def _program(start: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has started a cluster, and dies without a word at any input."""
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM_OF_AN_OWNER.format(start=start)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "up\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_a_driver_that_exits_without_leaving_its_with_leaves_no_cluster() -> None:
    with _program(_WITH_THE_REAL_MACHINES) as driver:
        record = instances.find("trace-test")
        assert traces(record)
        driver.communicate("x", timeout=30)

        until(lambda: not traces(record), "nothing is left")


@pytest.mark.rare
@pytest.mark.slow
def test_a_cluster_without_an_owner_outlives_the_one_who_started_it() -> None:
    with _program(_WITHOUT_AN_OWNER) as starter:
        starter.kill()
        starter.wait(30)

        # Whoever asks gets an answer: it did not merely take its time to end.
        record = instances.find("trace-test")
        log = Path(record.directory) / "keeper.log"
        lab = LabCalls(record)
        assert lab.call("Status", lab_pb2.StatusRequest()).name == "trace-test"
        lab.close()
        assert "has ended" not in log.read_text()
        stop_cluster("trace-test")
        assert traces(record) == []


@pytest.mark.rare
@pytest.mark.slow
def test_down_ends_a_start_at_once_and_the_starter_is_told() -> None:
    slow = msgspec.structs.replace(FAKES, node="tests.live.keeper_fakes:SlowToStart")
    downs: list[threading.Thread] = []

    def progress(text: str) -> None:
        if text.startswith("starting 1 node"):
            downs.append(threading.Thread(target=stop_cluster, args=["trace-test"]))
            downs[0].start()

    with pytest.raises(ClusterError, match="taken down while it started"), fakes_importable():
        start_cluster(ONE_NODE, implementations=slow, progress=progress)

    downs[0].join(20)
    assert "trace-test" not in states()


@pytest.mark.slow
def test_a_ray_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    program = (
        "import ray\n"
        "ray.init(address='local', include_dashboard=False, log_to_driver=False, num_cpus=1)\n"
        "@ray.remote\n"
        "def answer(): return 42\n"
        "print('up', flush=True)\n"
        "input()\n"
        "print(ray.get(answer.remote()), flush=True)\n"
    )
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    foreign = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=tmp_path,
        env=environment,
    )
    assert foreign.stdout is not None
    assert "up" in foreign.stdout.readline()

    with cluster(ONE_NODE) as record:
        os.kill(record.keeper_pid, signal.SIGKILL)
        until(lambda: not traces(record), "nothing is left")

    output, _ = foreign.communicate("\n", timeout=60)
    assert output.strip().endswith("42")


def _wardens() -> set[int]:
    """The wardens of this test's clusters; other tests may run beside it."""
    base = f"\0{os.environ['XDG_RUNTIME_DIR']}/"
    return {
        pid
        for pid in warden.processes()
        if "keeper/warden.py" in _command(pid) and base in _command(pid)
    }


def _warden_of(keeper: int) -> int:
    return next(pid for pid in _wardens() if str(keeper) in _command(pid).split("\0"))


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""
