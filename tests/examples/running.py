"""Runs the examples as a user does, and looks for what they leave behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEADLINE_S = 150
MARK = "EMU_EXAMPLE_RUN"
NOBODY = 65534


@dataclass
class Run:
    """A directory of its own for all that an example puts somewhere, and its environment."""

    home: Path
    mark: str

    def start(self, *command: str, unprivileged: bool = False) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "XDG_RUNTIME_DIR": str(self.home),
            "HOME": str(self.home),
            "PYTHONDONTWRITEBYTECODE": "1",
            MARK: self.mark,
        }
        return subprocess.Popen(
            [*(self._nobody() if unprivileged else ()), *command],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str]) -> str:
        """Its output, once it has ended well."""
        try:
            output, _ = process.communicate(timeout=DEADLINE_S)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        assert process.returncode == 0, output
        return output

    def _nobody(self) -> tuple[str, ...]:
        """Another user without any privilege but to read, for a Python in somebody's home."""
        if os.geteuid() != 0:
            return ()
        os.chown(self.home, NOBODY, NOBODY)
        who = ("--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
        read = ("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search")
        return ("setpriv", *who, *read)

    def left(self) -> list[str]:
        """Processes that the run started and that still are, and files of clusters."""
        found = [str(path) for path in self.home.rglob("*") if path.name != "demo.json"]
        for process in Path("/proc").iterdir():
            if process.name.isdigit():
                try:
                    environment = (process / "environ").read_bytes()
                    command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                except OSError:
                    continue
                if f"{MARK}={self.mark}".encode() in environment:
                    found.append(f"{process.name}: {command}")
        return found

    def leaves_nothing(self) -> None:
        """Wait until nothing is left; what is killed needs a moment to be gone."""
        end_s = time.monotonic() + 20
        while left := self.left():
            assert time.monotonic() < end_s, left
            time.sleep(0.1)


@contextmanager
def run() -> Iterator[Run]:
    # Short, as sockets below it have a limit of 107 bytes.
    with tempfile.TemporaryDirectory(prefix="e", dir="/tmp") as home:
        yield Run(Path(home), uuid.uuid4().hex)


def python(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, *arguments)
