"""The same for a user without privileges: kernel filters may be refused, then faults are imitated.

The other user may read everything (this Python may live in a directory that is closed to others)
and has no other capability.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.conftest import WEB

pytestmark = pytest.mark.live

NOBODY = 65534
ROOT = Path(__file__).parents[2]


@pytest.fixture
def as_nobody() -> list[str]:
    """The words before a command that make it run as another user."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root can become another user, with setpriv of util-linux")
    capability = "-all,+dac_read_search"
    command = [
        "setpriv",
        *(f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
        *(f"--{which}={capability}" for which in ("inh-caps", "ambient-caps", "bounding-set")),
    ]
    tried = subprocess.run([*command, sys.executable, "-c", "import emucluster"], check=False)
    if tried.returncode != 0:
        pytest.skip("setpriv is not permitted here")
    return command


@pytest.fixture
def home() -> Iterator[Path]:
    """A home of that user's own, short enough for the paths of sockets."""
    path = Path(tempfile.mkdtemp(prefix="n", dir="/tmp"))
    os.chown(path, NOBODY, NOBODY)
    yield path
    shutil.rmtree(path)


@pytest.mark.slow
def test_failures_work_for_a_user_without_privileges(as_nobody: list[str], home: Path) -> None:
    program = [sys.executable, "-m", "tests.live.unprivileged_run", str(WEB)]
    done = subprocess.run(
        [*as_nobody, *program],
        cwd=ROOT,
        env={**os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(home), "TMPDIR": str(home)},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["uid"] == NOBODY
    assert seen["mechanism"] == seen["failure_mode"]
    assert seen["mechanism"] in ("kernel filter", "imitated")
    assert seen["silent"] == ["DEADLINE_EXCEEDED"], "silence, whatever it is made with"
    assert seen["late_entries"] == ["node-1"]
    assert not list((home / "emucluster").glob("[!.]*")), "nothing is left"
