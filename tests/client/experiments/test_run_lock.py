"""One run at a time in a cluster; the lock goes with whoever holds it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from emucluster.client.experiments.run_lock import (
    ClusterBusy,
    Holder,
    note,
    run_lock,
    unfinished,
)
from emucluster.core.errors import NotRunning

HOLD = """
import sys, time
from types import SimpleNamespace
from emucluster.client.experiments.run_lock import note, run_lock
with run_lock(SimpleNamespace(name="emu", directory=sys.argv[1]), '"dead-node"') as lock:
    for notes in sys.argv[2:]:
        note(lock, notes, "scale")
    print("held", flush=True)
    time.sleep(600)
"""


def record(directory: Path) -> Any:
    return SimpleNamespace(name="emu", directory=str(directory))


def test_a_second_run_is_refused_at_once_and_told_by_whom(tmp_path: Path) -> None:
    with run_lock(record(tmp_path), '"dead-node"'):
        with pytest.raises(ClusterBusy) as refused, run_lock(record(tmp_path), '"other"'):
            pass
        assert str(refused.value).startswith(
            f'cluster "emu" is in use: process {os.getpid()} runs "dead-node" in it since '
        )
        assert str(refused.value).endswith("wait for its end, or run without --cluster")
    with run_lock(record(tmp_path), '"other"'):
        pass


def test_the_lock_goes_with_its_holder_however_that_ends(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ClusterBusy, match=f"process {holder.pid} runs"):  # noqa: SIM117
            with run_lock(record(tmp_path), '"other"'):
                pass
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    with run_lock(record(tmp_path), '"other"'):
        pass


def test_who_inherits_the_lock_holds_it_while_the_cluster_is_put_back(tmp_path: Path) -> None:
    with run_lock(record(tmp_path), '"dead-node"') as lock:
        heir = subprocess.Popen(["sleep", "600"], pass_fds=[lock])
        (tmp_path / "run.lock").write_text(
            '{"pid": 1, "started": -1, "what": "\\"dead-node\\"", "since_s": 0}'
        )
    try:
        with pytest.raises(ClusterBusy, match="is being put back after the run of"):  # noqa: SIM117
            with run_lock(record(tmp_path), '"other"'):
                pass
    finally:
        heir.kill()
        heir.wait()
    until_s = time.monotonic() + 10
    while time.monotonic() < until_s:
        try:
            with run_lock(record(tmp_path), '"other"'):
                return
        except ClusterBusy:
            time.sleep(0.01)
    raise AssertionError("never free")


def killed(directory: Path) -> None:
    """A run that noted what is to be put back was killed, and its guard was too."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory), "/notes"], stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    with holder, holder.stdout:
        assert holder.stdout.readline() == b"held\n"
        assert unfinished(str(directory)) is None, "it is under way"
        holder.kill()


def test_what_a_killed_run_left_is_put_back_by_the_next_before_it_begins(tmp_path: Path) -> None:
    killed(tmp_path)
    told = unfinished(str(tmp_path))
    assert told is not None
    assert told.named.startswith('the run of "dead-node" that began at ')

    def fails(_unfinished: Holder) -> None:
        raise ClusterBusy("not now")

    found: list[Holder] = []
    with pytest.raises(ClusterBusy, match="not now"):  # noqa: SIM117
        with run_lock(record(tmp_path), '"other"', recover=fails):
            pass
    with run_lock(record(tmp_path), '"other"', recover=found.append):
        assert [(h.what, h.directory, h.leaves) for h in found] == [
            ('"dead-node"', "/notes", "scale")
        ]
    with run_lock(record(tmp_path), '"third"', recover=fails):
        pass
    assert unfinished(str(tmp_path)) is None


def test_what_was_put_back_is_noted_no_more(tmp_path: Path) -> None:
    with run_lock(record(tmp_path), '"dead-node"') as lock:
        note(lock, "/notes", "scale")
        note(lock, "")
    found: list[Holder] = []
    with run_lock(record(tmp_path), '"other"', recover=found.append):
        assert found == []


def test_a_cluster_that_is_gone_has_no_lock(tmp_path: Path) -> None:
    with pytest.raises(NotRunning), run_lock(record(tmp_path / "gone"), "x"):
        pass
