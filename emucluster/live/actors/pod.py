"""The process of a pod as an actor. Everything after its start goes over the leash to its node."""

import asyncio
import os
import sys
from typing import Any


class PodActor:
    """`config`: uid, token, leash (name of the node's socket) and log (file of its output).

    Only the standard library is imported here: each pod pays for what is.
    """

    def __init__(self, config: dict[str, str]) -> None:
        self._config = config
        fd = os.open(config["log"], os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        os.close(fd)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(line_buffering=True)
        self._life: asyncio.Task[Any] | None = None

    async def start(self) -> int:
        """Connect to the node and return the pid; the process ends when the node does."""
        from emucluster.live.pods.pod_process import PodProcess

        try:
            process = await PodProcess.connect(
                self._config["leash"], uid=self._config["uid"], token=self._config["token"]
            )
        except OSError:
            os._exit(1)  # the node died while this process was made
        self._life = asyncio.get_running_loop().create_task(process.run())
        return os.getpid()
