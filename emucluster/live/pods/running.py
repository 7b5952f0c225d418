"""What runs on a node: pods and the instances of their containers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from emucluster.core.kubelet.commands import PodIdentity, StartContainer
from emucluster.live.pods.stdin import ContainerStdin


@dataclass(slots=True)
class RunningContainer:
    """One instance, from the command that starts it until its exit has been told."""

    command: StartContainer
    log: Path
    env: dict[str, str]
    source_dir: str
    pid: int = 0
    ports: Mapping[int, int] = field(default_factory=dict)
    serves: bool = False
    """Whether it has ever listened since it runs, if it declares ports to listen on."""
    stdin: ContainerStdin | None = None
    """Where input is held open for it, if it is."""

    @property
    def started(self) -> bool:
        """Whether it runs: a server of ours listens then, a command's process need not yet."""
        return self.pid != 0


@dataclass(slots=True)
class RunningPod:
    """What the runtime knows of a pod: its live containers by name."""

    identity: PodIdentity
    containers: dict[str, RunningContainer] = field(default_factory=dict)
    frozen: bool = False

    def close_inputs(self) -> None:
        """End the input of every container that is held open."""
        for container in self.containers.values():
            if container.stdin is not None:
                container.stdin.close()
