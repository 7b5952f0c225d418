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

from emucluster.client.experiments.run_lock import ClusterBusy, run_lock
from emucluster.core.errors import NotRunning

HOLD = """
import sys, time
from types import SimpleNamespace
from emucluster.client.experiments.run_lock import run_lock
with run_lock(SimpleNamespace(name="emu", directory=sys.argv[1]), '"dead-node"'):
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


def test_a_cluster_that_is_gone_has_no_lock(tmp_path: Path) -> None:
    with pytest.raises(NotRunning), run_lock(record(tmp_path / "gone"), "x"):
        pass
