"""Containers that are executables: they serve gRPC on the HOST and PORT of their environment."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from emucluster.core.kubelet.commands import Signal
from emucluster.live.keeper.warden import MARK as KEEPER_MARK
from emucluster.live.pods import proc_net
from emucluster.live.pods.inside import without_proxies
from emucluster.live.pods.logs import ContainerLog
from emucluster.live.pods.mark import MARK, end_marked, mark_of
from emucluster.live.pods.workload import Exit, StartError, WorkloadContext

DEFAULT_PORT = 50051
LAUNCHER = str(Path(__file__).with_name("launcher.py"))
POLL_S = (0.02, 0.02, 0.05, 0.05, 0.1, 0.2)
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
LAST_WORDS_BYTES = 2048
"""How much of a log's end is looked at, as the kubelet does for termination messages."""


class CommandWorkload:
    """A process group: signals go to all of it, and its end is that of what left it, too."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        ports: Mapping[int, int],
        context: WorkloadContext,
    ) -> None:
        self.pid = process.pid
        self.ports = ports
        self._process = process
        self._context = context

    def signal(self, name: Signal) -> None:
        number = signal.SIGTERM if name == "TERM" else signal.SIGKILL
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def freeze(self, frozen: bool) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGSTOP if frozen else signal.SIGCONT)

    async def wait(self) -> Exit:
        try:
            ended = exit_of(await self._process.wait())
        except asyncio.CancelledError:
            self.signal("KILL")
            end_marked(_mark(self._context))  # nobody waits any more
            raise
        await self.end_rest()
        if ended.exit_code and not ended.signal and (said := last_words(self._context.log)):
            return replace(ended, message=said)
        return ended

    async def end_rest(self) -> None:
        """End whatever its children left behind, in its group or out of it."""
        self.signal("KILL")
        await asyncio.to_thread(end_marked, _mark(self._context))


def exit_of(returncode: int) -> Exit:
    """A process' end in a container's words: 128 + signal for a killed one."""
    if returncode < 0:
        return Exit(128 - returncode, "Error", signal=-returncode)
    return Exit(returncode, "Completed" if returncode == 0 else "Error")


async def start_command(context: WorkloadContext) -> CommandWorkload:
    """Start the executable and wait until it listens on HOST:PORT. Raises `StartError`.

    One that succeeds meanwhile is a container that ran and ended; one that fails has not started.
    An init container is not waited for at all.
    """
    argv = command_line(context)
    ports = _free_ports(context)
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", LAUNCHER, str(os.getpid()), *argv),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=context.log.fileno(),
            stderr=context.log.fileno(),
            cwd=_working_directory(context),
            env=command_environment(context, ports),
        )
    except OSError as error:
        raise StartError(f"{argv[0]}: {error.strerror or error}") from None
    workload = CommandWorkload(process, ports, context)
    if not context.spec.runs_to_completion:
        try:
            await _listening(context, process, next(iter(ports.values())))
        except BaseException:
            workload.signal("KILL")
            with contextlib.suppress(ProcessLookupError):
                process.kill()  # should it not have made its group yet
            await process.wait()
            await workload.end_rest()
            raise
    return workload


def last_words(log: ContainerLog) -> str:
    """The last line that a container wrote: why it ended, if it says so anywhere."""
    try:
        with open(log.path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LAST_WORDS_BYTES))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _ended_early(context: WorkloadContext, returncode: int, port: int) -> StartError:
    ended = exit_of(returncode)
    said = last_words(context.log)
    how = f"was ended by signal {ended.signal}" if ended.signal else f"exited with {returncode}"
    message = (
        f"{context.spec.image.name} {how} before it listened on {context.pod.ip}:{port}"
        f"{': ' + said if said else ''}"
    )
    reason = "StartError" if said.startswith("exec ") else ended.reason
    return StartError(message, reason=reason, exit_code=ended.exit_code)


def _mark(context: WorkloadContext) -> str:
    return mark_of(context.pod.uid, context.container_id or context.spec.name)


def command_line(context: WorkloadContext) -> list[str]:
    """`command` replaces the image's path and `args` follow, as with an image's entrypoint."""
    spec = context.spec
    command = list(spec.command) or ([spec.image.target] if spec.image.target else [])
    if not command:
        raise StartError(f"image {spec.image.name} needs `command` in the container")
    executable = command[0]
    if "/" in executable and not os.path.isabs(executable):
        executable = os.path.join(context.source_dir or os.getcwd(), executable)
    elif "/" not in executable and (context.source_dir and not shutil.which(executable)):
        executable = os.path.join(context.source_dir, executable)
    return [executable, *command[1:], *spec.args]


def _working_directory(context: WorkloadContext) -> str:
    wanted = os.path.join(context.source_dir or "/", context.spec.working_dir)
    if not os.path.isdir(wanted):
        raise StartError(f"working directory {wanted} does not exist on this host")
    return wanted


def command_environment(context: WorkloadContext, ports: Mapping[int, int]) -> dict[str, str]:
    """HOST, PORT, PORT_<number> and PORT_<NAME>, over the container's own and a few of ours."""
    env = {name: os.environ[name] for name in INHERITED if name in os.environ}
    env = without_proxies(env.items()) | dict(context.env)
    env[MARK] = _mark(context)
    if KEEPER_MARK in os.environ:
        env[KEEPER_MARK] = os.environ[KEEPER_MARK]
    env["HOST"] = context.pod.ip
    env["PORT"] = str(next(iter(ports.values())))
    for port, real in ports.items():
        env[f"PORT_{port}"] = str(real)
    for spec in context.spec.ports:
        if spec.name:
            env["PORT_" + re.sub(r"\W", "_", spec.name).upper()] = str(ports[spec.port])
    return env


def _free_ports(context: WorkloadContext) -> dict[int, int]:
    """Ports that are free on the pod's address, which nobody else binds."""
    declared = [port.port for port in context.spec.ports] or [DEFAULT_PORT]
    free: dict[int, int] = {}
    with contextlib.ExitStack() as held:
        for port in declared:
            probe = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            try:
                probe.bind((context.pod.ip, 0))
            except OSError as error:
                raise StartError(f"cannot bind {context.pod.ip}: {error.strerror}") from None
            free[port] = probe.getsockname()[1]
    return free


async def _listening(
    context: WorkloadContext, process: asyncio.subprocess.Process, port: int
) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + context.listen_deadline_s
    polls = iter(POLL_S)
    while loop.time() < deadline:
        if process.returncode:
            raise _ended_early(context, process.returncode, port)
        if process.returncode == 0 or proc_net.is_listening(context.pod.ip, port):
            return
        await asyncio.sleep(next(polls, POLL_S[-1]))
    elsewhere = [
        f"{address}:{number}" for address, number in proc_net.listeners_of_group(process.pid)
    ]
    found = f"listens on {', '.join(elsewhere)}" if elsewhere else "listens nowhere"
    raise StartError(
        f"{context.spec.image.name} {found} after {context.listen_deadline_s:g} s; it must listen "
        f"on HOST and PORT of its environment, here {context.pod.ip}:{port}"
    )
