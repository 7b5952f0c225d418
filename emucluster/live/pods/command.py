"""Containers that are executables: they serve on the HOST and PORT of their environment.

As in Kubernetes such a container runs as soon as its process does: whether it serves yet is for its
probes to find out.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from emucluster.core.kubelet.commands import ContainerSpec, PodIdentity, Signal
from emucluster.live.keeper.warden import MARK as KEEPER_MARK
from emucluster.live.pods.descriptors import ready
from emucluster.live.pods.inside import without_proxies
from emucluster.live.pods.logs import ContainerLog
from emucluster.live.pods.mark import MARK, end_marked, mark_of
from emucluster.live.pods.stdin import open_for_process
from emucluster.live.pods.workload import Exit, StartError, WorkloadContext

DEFAULT_PORT = 50051
_LAUNCHER = str(Path(__file__).with_name("launcher.py"))
_STDERR = 2
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

    @property
    def echo_calls(self) -> int | None:
        return None

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
    """Start the executable and return once it runs. Raises `StartError` if it cannot be executed.

    A kubelet's runtime ends such a container in the same words: reason StartError and exit code 128
    (containerd internal/cri/server/container_start.go).
    """
    argv = command_line(context)
    ports = _free_ports(context)
    stdin = _stdin(context)
    told, tell = os.pipe()
    try:
        try:
            process = await asyncio.create_subprocess_exec(
                *launched("group", argv, tell=tell),
                stdin=stdin,
                stdout=context.log.fileno(),
                stderr=context.log.fileno(),
                cwd=_existing_directory(context),
                env=command_environment(
                    context.pod, context.spec, context.container_id, context.env, ports
                ),
                pass_fds=(tell,),
            )
        except OSError as error:
            raise StartError(f"{argv[0]}: {error.strerror or error}") from None
        finally:
            os.close(tell)
            if stdin >= 0:
                os.close(stdin)
        workload = CommandWorkload(process, ports, context)
        try:
            if problem := await told_by_launcher(told):
                raise StartError(f"{context.spec.image.name}: {problem}")
        except BaseException:
            workload.signal("KILL")
            with contextlib.suppress(ProcessLookupError):
                process.kill()  # should it not have made its group yet
            await process.wait()
            await workload.end_rest()
            raise
    finally:
        os.close(told)
    return workload


def _stdin(context: WorkloadContext) -> int:
    """What the process reads: what is held open for it, or nothing."""
    if not context.spec.stdin:
        return asyncio.subprocess.DEVNULL
    try:
        return open_for_process(context.log.path)
    except OSError as error:
        raise StartError(f"standard input: {error.strerror}") from None


async def told_by_launcher(fd: int) -> str:
    """What the launcher has to say, or nothing: it has become the executable."""
    os.set_blocking(fd, False)
    said = b""
    while True:
        await ready(fd)
        piece = os.read(fd, LAST_WORDS_BYTES)
        if not piece:
            return said.decode(errors="replace").strip()
        said += piece


def last_words(log: ContainerLog) -> str:
    """The last line that a container wrote: why it ended, if it says so anywhere."""
    try:
        with open(log.path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LAST_WORDS_BYTES))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


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


def _existing_directory(context: WorkloadContext) -> str:
    wanted = working_directory(context.spec, context.source_dir)
    if not os.path.isdir(wanted):
        raise StartError(f"working directory {wanted} does not exist on this host")
    return wanted


def working_directory(spec: ContainerSpec, source_dir: str) -> str:
    """Where a container's processes begin."""
    return os.path.join(source_dir or "/", spec.working_dir)


def launched(
    place: Literal["group", "terminal"], argv: Sequence[str], *, tell: int = _STDERR
) -> list[str]:
    """The command line by which this process starts `argv`, with no descriptors but 0, 1 and 2.

    Why it cannot be executed goes to the descriptor `tell`; see `launcher`.
    """
    return [sys.executable, "-I", "-S", _LAUNCHER, str(os.getpid()), place, str(tell), *argv]


def command_environment(
    pod: PodIdentity,
    spec: ContainerSpec,
    container_id: str,
    own: Mapping[str, str],
    ports: Mapping[int, int],
) -> dict[str, str]:
    """HOST, PORT, PORT_<number> and PORT_<NAME>, over the container's own and a few of ours."""
    env = {name: os.environ[name] for name in INHERITED if name in os.environ}
    env = without_proxies(env.items()) | dict(own)
    env[MARK] = mark_of(pod.uid, container_id or spec.name)
    if KEEPER_MARK in os.environ:
        env[KEEPER_MARK] = os.environ[KEEPER_MARK]
    env["HOST"] = pod.ip
    env["PORT"] = str(next(iter(ports.values())))
    for port, real in ports.items():
        env[f"PORT_{port}"] = str(real)
    for port_spec in spec.ports:
        if port_spec.name:
            env["PORT_" + re.sub(r"\W", "_", port_spec.name).upper()] = str(ports[port_spec.port])
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
