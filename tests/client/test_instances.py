"""How clusters are named, found and swept, with plain processes in the place of keepers."""

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emucluster.client import instances
from emucluster.client.instances import NameClaim
from emucluster.core.errors import ClusterError, NameTaken, NotRunning, UsageError
from emucluster.live.keeper import warden
from emucluster.live.keeper.settings import ClusterRecord

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture(autouse=True)
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    runtime = tempfile.mkdtemp(prefix="e", dir="/tmp")  # pytest's own directories are too long
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    monkeypatch.delenv("EMUCLUSTER", raising=False)
    found = instances.base_directories()[:1]
    monkeypatch.setattr(instances, "base_directories", lambda: found)
    yield found[0]
    shutil.rmtree(runtime)


def start(claim: NameClaim, arguments: list[str] = SLEEP) -> "subprocess.Popen[bytes]":
    """A process in a session of its own that holds the claim, as a keeper does."""
    process = subprocess.Popen(
        arguments, start_new_session=True, pass_fds=[claim.descriptor], stdout=subprocess.PIPE
    )
    claim.note_keeper(process.pid, claim.instance.directory.parent / ".ray-0")
    os.close(claim.descriptor)
    return process


def write_record(claim: NameClaim, pid: int) -> None:
    started = warden.started_ticks(pid)
    assert started is not None
    ClusterRecord(
        name=claim.instance.name,
        directory=str(claim.instance.directory),
        lab="127.16.255.2:7443",
        api="127.16.200.7:7444",
        dns="127.16.200.7:1053",
        keeper_pid=pid,
        keeper_started=started,
        started_wall_s=0.0,
        slice=0,
        nodes=1,
        zones=["zone-a"],
        packing="pod",
        cloud="none",
        speed=1.0,
        version="0",
        ray_address="",
        several_hosts=False,
        outside={},
    ).write()


def running(name: str) -> "subprocess.Popen[bytes]":
    claim = instances.claim_name(name)
    process = start(claim)
    write_record(claim, process.pid)
    return process


def end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.communicate()


def test_the_directory_and_the_token_are_for_this_user_alone(base: Path) -> None:
    claim = instances.claim_name("one")

    assert base.stat().st_mode & 0o777 == 0o700
    assert (base / "one").stat().st_mode & 0o777 == 0o700
    assert (base / "one" / "token").stat().st_mode & 0o777 == 0o600
    assert len((base / "one" / "token").read_text()) == 64
    os.close(claim.descriptor)


def test_a_name_in_use_is_refused_and_the_default_moves_on() -> None:
    first, second = instances.claim_name(None), instances.claim_name(None)

    assert (first.instance.name, second.instance.name) == ("emu", "emu-2")
    with pytest.raises(NameTaken, match='cluster "emu" is already starting'):
        instances.claim_name("emu")
    os.close(first.descriptor)
    os.close(second.descriptor)


def test_clusters_may_start_while_the_last_other_one_goes(base: Path) -> None:
    over = threading.Event()

    def others_go() -> None:  # what `sweep` and the keeper's warden do last
        while not over.is_set():
            with contextlib.suppress(OSError):
                base.rmdir()
            time.sleep(0)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(others_go)
        try:
            for number in range(100):
                claim = instances.claim_name(f"one-{number}")
                assert [found.name for found in instances.list_instances()] == [f"one-{number}"]
                os.close(claim.descriptor)
                shutil.rmtree(claim.instance.directory)
                instances.list_instances()
        finally:
            over.set()


def test_the_name_of_a_dead_cluster_is_free() -> None:
    claim = instances.claim_name("one")
    (claim.instance.directory / "left-over").touch()
    os.close(claim.descriptor)

    again = instances.claim_name("one")

    assert not (again.instance.directory / "left-over").exists()
    os.close(again.descriptor)


@pytest.mark.parametrize("name", ["", "One", "-a", "a-", "a.b", "a" * 41, "../x"])
def test_names_that_are_no_short_dns_labels_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="lower-case letters"):
        instances.check_name(name)


def test_find_takes_the_only_cluster_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    process = running("one")

    assert instances.find().name == "one"
    assert instances.find("one").keeper_pid == process.pid
    with pytest.raises(NotRunning, match=r'no cluster "two" is running \(running: one\)'):
        instances.find("two")
    end(process)


def test_where_several_run_one_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = [running("one"), running("two")]

    with pytest.raises(UsageError, match="one, two"):
        instances.find()
    monkeypatch.setenv("EMUCLUSTER", "two")
    assert instances.find().name == "two"
    assert instances.find("one").name == "one"
    for process in processes:
        end(process)


def test_a_cluster_that_is_not_ready_yet_is_not_found_but_can_be_swept() -> None:
    process = start(instances.claim_name("half"))

    assert [found.state for found in instances.list_instances()] == ["starting"]
    with pytest.raises(NotRunning):
        instances.find("half")
    instances.sweep(instances.instance("half"))
    assert process.wait() == -15
    assert instances.list_instances() == []
    process.communicate()


def test_sweep_ends_every_process_of_the_session_and_nothing_else(base: Path) -> None:
    program = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],\n"
        "    process_group=0)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)"
    )
    bystander = subprocess.Popen(SLEEP, start_new_session=True)
    process = start(instances.claim_name("one"), [sys.executable, "-c", program])
    assert process.stdout is not None
    child = int(process.stdout.readline())

    instances.sweep(instances.instance("one"))

    assert warden.started_ticks(child) is None
    assert process.wait() != 0
    assert bystander.poll() is None
    assert not base.exists()
    end(bystander)
    process.communicate()


def test_a_keeper_that_ignores_sigterm_is_killed() -> None:
    program = (
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(flush=True)\n"
        "time.sleep(600)"
    )
    process = start(instances.claim_name("one"), [sys.executable, "-c", program])
    assert process.stdout is not None
    process.stdout.readline()

    instances.sweep(instances.instance("one"), term_wait_s=0.1)

    assert process.wait() == -9
    process.communicate()


def test_a_process_that_left_the_session_is_known_by_its_mark() -> None:
    keeper = start(instances.claim_name("one"))
    started = warden.started_ticks(keeper.pid)
    environment = {**os.environ, warden.MARK: f"{keeper.pid}.{started}"}
    escaped = subprocess.Popen(SLEEP, start_new_session=True, env=environment)

    instances.sweep(instances.instance("one"))

    assert escaped.wait() == -9
    keeper.communicate()


def test_a_process_that_was_given_a_dead_keepers_pid_is_left_alone() -> None:
    stranger = subprocess.Popen(SLEEP, start_new_session=True)
    claim = instances.claim_name("one")
    started = warden.started_ticks(stranger.pid)
    assert started is not None
    os.pwrite(claim.descriptor, f"{stranger.pid} {started - 1} /tmp/none\n".encode(), 0)
    os.close(claim.descriptor)

    instances.sweep(instances.instance("one"))

    assert stranger.poll() is None
    assert instances.list_instances() == []
    end(stranger)


def test_a_base_directory_made_by_somebody_else_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.setattr(instances, "base_directories", lambda: [tmp_path / "link"])

    with pytest.raises(ClusterError, match="belongs to somebody else"):
        instances.claim_name("one")


def test_ray_directories_leave_room_for_its_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("XDG_RUNTIME_DIR", os.path.realpath(tempfile.gettempdir()) + "/." * 20)

    for directory in instances.base_directories():
        assert len(f"{directory}/.ray-0") <= instances.RAY_PATH_MAX


def test_what_interrupted_starts_and_removals_left_is_swept(base: Path) -> None:
    living = subprocess.Popen(SLEEP)
    started = warden.started_ticks(living.pid)
    for name in (
        ".gone-one-1",
        ".gone-one-two-2",
        f".new-{living.pid}-{started}-00ff",
        f".new-{living.pid}-1-00ff",
        ".new-00ff",
    ):
        (base / name).mkdir(parents=True)
        (base / name / "token").touch()

    instances.sweep_dead()

    assert [entry.name for entry in base.iterdir()] == [f".new-{living.pid}-{started}-00ff"]
    end(living)
    instances.sweep_dead()
    assert not base.exists()


def test_a_grave_of_another_cluster_does_not_hold_up_a_sweep(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.close(instances.claim_name("one").descriptor)
    (base / ".gone-one-1").mkdir()
    monkeypatch.setattr(instances, "_POLL_S", float("nan"))  # any wait would raise

    instances.sweep(instances.instance("one"))

    assert not base.exists()


def test_a_process_whose_first_thread_has_ended_lives_while_others_do() -> None:
    program = (
        "import ctypes, threading, time\n"
        "threading.Thread(target=time.sleep, args=(600,)).start()\n"
        "print(flush=True)\n"
        "ctypes.PyDLL(None).pthread_exit(None)"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    state = Path(f"/proc/{process.pid}/stat")
    while state.read_text().rpartition(") ")[2][0] != "Z":
        time.sleep(0.01)
    assert warden.started_ticks(process.pid) is not None
    os.kill(process.pid, signal.SIGKILL)
    while warden.started_ticks(process.pid) is not None:
        time.sleep(0.01)
    process.wait()
    process.stdout.close()


def test_a_warden_that_is_stopped_is_ended_with_its_cluster() -> None:
    claim = instances.claim_name("one")
    guard = subprocess.Popen(SLEEP, start_new_session=True)
    warden.note(str(claim.instance.directory), guard.pid)
    os.kill(guard.pid, signal.SIGSTOP)
    os.close(claim.descriptor)

    instances.sweep(instances.instance("one"))

    assert guard.wait() == -9


def test_a_process_that_was_given_a_dead_wardens_pid_is_left_alone() -> None:
    stranger = subprocess.Popen(SLEEP, start_new_session=True)
    claim = instances.claim_name("one")
    note = claim.instance.directory / warden.NOTE_FILE
    note.write_text(f"{stranger.pid} {(warden.started_ticks(stranger.pid) or 0) - 1}\n")
    os.close(claim.descriptor)

    instances.sweep(instances.instance("one"))

    assert stranger.poll() is None
    end(stranger)


def test_a_claim_on_a_full_disk_says_so_and_leaves_nothing(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)

    with pytest.raises(ClusterError, match=f"{base}: No space left on device"):
        instances.claim_name("one")
    assert list(base.iterdir()) == []
