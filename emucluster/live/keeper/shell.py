"""The thin Ray side of our actors: a plain class does the work, Ray places and ends its process.

One class for each kind, so that `ps` and Ray's tools name them. They are given the path of the
plain class instead of inheriting from it: the keeper then need not import what its actors run.
"""

import contextlib
import importlib
import os
import shutil
import subprocess
import sys
from typing import Any


class ActorShell:
    """Builds `implementation` (`module:Class`) with its config, starts it, and leaves when told."""

    def __init__(self, implementation: str, config: dict[str, Any]) -> None:
        self._implementation = implementation
        self._config = config
        self._inner: Any = None
        self._started: dict[str, Any] | None = None
        self._broom: subprocess.Popen[bytes] | None = None

    async def start(self, late: dict[str, Any]) -> dict[str, Any]:
        """What the plain class's `start` tells: pid, agent, ...; a second call changes nothing.

        `late` completes the config by what was not known when this process was asked for.
        """
        if self._started is None:
            if self._config.get("remove_directory"):
                self._broom = start_broom(self._config["directory"])
            module, _, name = self._implementation.partition(":")
            config = {**self._config, **late}
            self._inner = getattr(importlib.import_module(module), name)(config)
            self._started = {"pid": os.getpid(), **dict(await self._inner.start())}
        return self._started

    async def stop(self, grace_s: float) -> None:
        """Drain for up to `grace_s`, then end this process. The caller sees the actor die."""
        import ray

        if self._inner is not None:
            await self._inner.stop(grace_s)
        if self._broom is not None:
            shutil.rmtree(self._config["directory"], ignore_errors=True)
        ray.actor.exit_actor()

    async def ping(self) -> bool:
        """Answers while the process lives and its loop turns."""
        return True


_BROOM = """
import os, shutil, sys
if os.fork():
    os._exit(0)
os.setsid()
while os.read(0, 64):
    pass
shutil.rmtree(sys.argv[1], ignore_errors=True)
"""


def start_broom(directory: str) -> "subprocess.Popen[bytes]":
    """A small process that removes `directory` when this one ends, however that happens.

    On a machine other than the keeper's nobody else would: an actor whose driver is killed dies
    without a word. It waits at the end of a pipe that only this process holds, and is no child of
    it, since Ray ends the children of its workers.
    """
    os.makedirs(directory, mode=0o700, exist_ok=True)
    broom = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _BROOM, directory],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
    )
    with contextlib.suppress(subprocess.TimeoutExpired):
        broom.wait(timeout=10.0)
    return broom


class ControlPlane(ActorShell):
    """Store, controllers, scheduler, API and DNS. Ray restarts it when it dies."""


class Node(ActorShell):
    """A worker machine."""


class LoadBalancer(ActorShell):
    """A cloud load balancer of one Service."""


class LoadGenerator(ActorShell):
    """Makes calls, and is no part of the cluster."""
