"""kubectl as it is found on the machine, against a server of the tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

TIMEOUT_S = 120.0
needed = pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl here")


@dataclass(frozen=True)
class Kubectl:
    """Runs commands with a kubeconfig; its caches are in `home`.

    `namespace` is where commands act that name none; empty: what the kubeconfig says.
    """

    kubeconfig: Path
    home: Path
    namespace: str = ""

    def __call__(self, *args: str, stdin: str = "", **environment: str) -> str:
        """What a command prints. Fails the test if the command fails."""
        done = self.run(*args, stdin=stdin, **environment)
        assert done.returncode == 0, f"kubectl {' '.join(args)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def fails(self, *args: str, stdin: str = "") -> str:
        """What a command that is refused says."""
        done = self.run(*args, stdin=stdin)
        assert done.returncode != 0, f"kubectl {' '.join(args)}\n{done.stdout}{done.stderr}"
        return done.stderr

    def run(
        self, *args: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """A command, however it ends."""
        return subprocess.run(
            self.command(*args),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            env=self.env | environment,
        )

    def raw(self, *args: str, stdin: bytes = b"") -> bytes:
        """What a command prints, byte for byte. Fails the test if the command fails."""
        command = self.command(*args)
        done = subprocess.run(
            command, input=stdin, capture_output=True, timeout=TIMEOUT_S, env=self.env
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def json(self, *args: str) -> Any:
        """The tree that a command prints with `-o json`."""
        return json.loads(self(*args, "-o", "json"))

    def rows(self, *args: str) -> list[list[str]]:
        """The words of each line that a command prints."""
        return [line.split() for line in self(*args).splitlines()]

    def apply(self, *objects: Any) -> str:
        """Create or change objects, given as trees."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        return self("apply", "-f", "-", stdin=json.dumps(listed))

    @contextmanager
    def start(self, *args: str) -> Iterator[subprocess.Popen[str]]:
        """A command that goes on, with both its streams as one; it ends with the block."""
        process = subprocess.Popen(
            self.command(*args),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.env,
            text=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=TIMEOUT_S)

    def command(self, *args: str) -> list[str]:
        """The whole command line."""
        where = [f"--namespace={self.namespace}"] if self.namespace else []
        return ["kubectl", *where, *args]

    @property
    def env(self) -> dict[str, str]:
        """Its environment."""
        own = {"KUBECONFIG": str(self.kubeconfig), "HOME": str(self.home)}
        return {"PATH": os.environ["PATH"], **own}
