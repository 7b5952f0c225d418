"""A cluster on a Ray that is already there."""

import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import emucluster as emu
from emucluster.client.options import StartOptions
from emucluster.client.sockets_in_use import listening
from emucluster.core.errors import ClusterError
from emucluster.live.keeper import warden
from emucluster.live.rpc.pb import lab_pb2
from tests.live.conftest import WEB
from tests.live.keeper_cluster import ROOT, LabCalls, cluster, states, traces

pytestmark = pytest.mark.live

BIND = "127.0.0.77"
"""Stands for the machine's address, so that the test listens on loopback alone."""

HEAD = """
import sys, time
from pathlib import Path
from emucluster.live.keeper import ray_head
address = ray_head.start_private(sys.argv[1], "theirs")
print(address, flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Theirs:
    address: str
    token_path: Path
    process: "subprocess.Popen[str]"


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theirs]:
    """Somebody else's Ray, with a token, in a session of its own."""
    token_path = tmp_path_factory.mktemp("ray") / "token"
    token_path.write_text(secrets.token_hex(32))
    directory = Path(f"/tmp/emu-test-{os.getpid()}")
    directory.mkdir(mode=0o700)
    process = subprocess.Popen(
        [sys.executable, "-c", HEAD, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        cwd=directory,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token_path),
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
        },
    )
    started = warden.started_ticks(process.pid)
    assert process.stdout is not None
    assert started is not None
    yield Theirs(process.stdout.readline().strip(), token_path, process)
    warden.end_session(process.pid, started)
    process.communicate()
    warden.remove_tree(str(directory))


@pytest.mark.slow
def test_a_cluster_runs_on_it_and_leaves_it_as_it_was(
    theirs: Theirs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(theirs.token_path))
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    before = _workers(theirs)
    with cluster(StartOptions(name="join-test", nodes=2, ray_address=theirs.address)) as record:
        lab = LabCalls(record)
        status = lab.call("Status", lab_pb2.StatusRequest())
        lab.close()
        pids = {machine.pid for machine in status.machines if machine.kind != "keeper"}
        assert {machine.state for machine in status.machines} == {"running"}
        assert {warden.session_of(pid) for pid in pids} == {theirs.process.pid}
        assert status.ray_address == theirs.address

    assert traces(record) == []
    end = time.monotonic() + 60
    while any(warden.started_ticks(pid) is not None for pid in pids):
        assert time.monotonic() < end, "its actors are still there"
        time.sleep(0.05)
    assert theirs.process.poll() is None
    assert before & _workers(theirs), "Ray's own processes live on"


def _workers(theirs: Theirs) -> set[int]:
    return {pid for pid in warden.processes() if warden.session_of(pid) == theirs.process.pid}


@pytest.mark.rare
@pytest.mark.slow
def test_only_the_edge_listens_at_bind(theirs: Theirs, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `--bind`: loopback for everything but what was asked for."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(theirs.token_path))
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    with emu.Cluster(nodes=2, speed=10, ray_address=theirs.address, bind=BIND) as cluster:
        cluster.apply(WEB)
        cluster.wait_ready()
        found = cluster.status()
        held = _sockets_of(found.keeper_pid)
        at_bind = {e.port for e in listening() if e.address == BIND and e.inode in held}
        everywhere = {entry.port for entry in listening() if entry.address == BIND}
        published = {int(place.rpartition(":")[2]) for place in found.published.values()}

        assert {"lb/default/web-lb:8080", "node-1:30080", "node-2:30080"} <= set(found.published)
        assert at_bind == everywhere == published
        assert {m.address.split(".")[0] for m in found.machines} == {"127"}
        with cluster.client() as outside:
            assert outside.call("service/web-lb").ok
    assert not [entry for entry in listening() if entry.address == BIND]
    assert theirs.process.poll() is None
    assert warden.started_ticks(theirs.process.pid) is not None


def _sockets_of(pid: int) -> set[int]:
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            text = os.readlink(entry)
        except OSError:
            continue
        if text.startswith("socket:["):
            found.add(int(text[8:-1]))
    return found


def test_an_address_where_nobody_listens_is_one_clear_error() -> None:
    options = StartOptions(name="join-test", nodes=1, ray_address="127.0.0.1:1")
    with pytest.raises(ClusterError, match=r"Ray at 127.0.0.1:1 is unreachable: .*refused"):
        cluster(options).__enter__()

    assert "join-test" not in states()


def test_an_address_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMUCLUSTER_RAY_DEADLINE_S", "1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        accepting = threading.Thread(target=silent.accept, daemon=True)
        accepting.start()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        options = StartOptions(name="join-test", nodes=1, ray_address=address)
        with pytest.raises(ClusterError, match="unreachable or token refused"):
            cluster(options).__enter__()

    assert "join-test" not in states()
