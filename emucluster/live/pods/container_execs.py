"""The processes that `exec` starts in containers, by the container beside whose own they run."""

from __future__ import annotations

import signal
from collections.abc import Callable

from emucluster.core.errors import NotFound
from emucluster.live.pods.command import command_environment, working_directory
from emucluster.live.pods.execs import ExecRequest, ExecSession, start_exec
from emucluster.live.pods.running import RunningContainer


class ContainerExecs:
    """All of one node. A container is known by its id."""

    def __init__(self) -> None:
        self._sessions: dict[str, set[ExecSession]] = {}

    async def start(
        self, container: RunningContainer, request: ExecRequest, *, wanted: Callable[[], bool]
    ) -> ExecSession:
        """Start a process in a container; end it by `end`.

        Raises NotFound when the container is not `wanted` any more by the time it runs.
        """
        command = container.command
        env = command_environment(
            command.pod, command.spec, command.container_id, container.env, container.ports
        )
        directory = working_directory(command.spec, container.source_dir)
        session = await start_exec(request, env=env, directory=directory)
        if not wanted():
            session.close()
            raise NotFound(f'container not found ("{command.spec.name}")')
        self._sessions.setdefault(command.container_id, set()).add(session)
        return session

    def end(self, session: ExecSession) -> None:
        """End a process, if it still runs, and forget it."""
        session.close()
        for container_id, sessions in list(self._sessions.items()):
            sessions.discard(session)
            if not sessions:
                del self._sessions[container_id]

    def pids(self, container_id: str) -> list[int]:
        """What was started and not ended yet."""
        return [session.pid for session in self._sessions.get(container_id, ())]

    def signal(self, container_id: str, number: signal.Signals) -> None:
        """Send a signal to all of it."""
        for session in self._sessions.get(container_id, ()):
            session.signal(number)
