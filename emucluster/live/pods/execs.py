"""Processes beside those of a container, as `kubectl exec` starts them.

They run with the container's variables, in its directory, as its user, and end with it at the
latest. Whoever asked for one and goes takes it along.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import secrets
import signal
import struct
import termios
import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from emucluster.live.pods.command import launched, told_by_launcher
from emucluster.live.pods.descriptors import ready
from emucluster.live.pods.mark import EXEC_MARK, end_marked
from emucluster.live.pods.stdin import StdinWriter

Stream = Literal["stdout", "stderr"]

_CHUNK = 32 * 1024
_QUEUED_MAX = 4
_DRAIN_S = 0.5
"""How long output of children is still read after the process itself has ended."""


@dataclass(frozen=True, slots=True)
class ExecRequest:
    """What to run, and which of its streams somebody holds. With `tty` there is no stderr."""

    command: tuple[str, ...]
    stdin: bool = False
    stdout: bool = True
    stderr: bool = True
    tty: bool = False


class ExecFailed(Exception):
    """The process did not start; the message is a container runtime's."""


class ExecSession:
    """One such process, from its start until `close`."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        mark: str,
        *,
        stdin: int,
        outputs: Mapping[Stream, int],
        tty: bool,
    ) -> None:
        self._process = process
        self._mark = mark
        self._stdin = StdinWriter(stdin, is_terminal=tty)
        self._outputs = dict(outputs)
        self._tty = tty

    @property
    def pid(self) -> int:
        return self._process.pid

    async def write(self, data: bytes) -> None:
        """To its standard input; what it does not read any more is dropped."""
        await self._stdin.write(data)

    def end_of_stdin(self) -> None:
        """Nothing more comes. A terminal stays open: it is for output, too."""
        self._stdin.close()

    def resize(self, width: int, height: int) -> None:
        """The terminal at the other end has another size."""
        if self._tty and self._stdin.fd >= 0:
            size = struct.pack("HHHH", min(height, 0xFFFF), min(width, 0xFFFF), 0, 0)
            fcntl.ioctl(self._stdin.fd, termios.TIOCSWINSZ, size)

    async def output(self) -> AsyncGenerator[tuple[Stream, bytes], None]:
        """What it writes, until it has ended."""
        queue: asyncio.Queue[tuple[Stream, bytes] | None] = asyncio.Queue(_QUEUED_MAX)
        tasks = [
            asyncio.create_task(self._pump(name, fd, queue)) for name, fd in self._outputs.items()
        ]
        everything = asyncio.create_task(self._ended(tasks, queue))
        try:
            while (item := await queue.get()) is not None:
                yield item
        finally:
            for task in (*tasks, everything):
                task.cancel()
            await asyncio.gather(*tasks, everything, return_exceptions=True)

    async def exit_code(self) -> int:
        """128 + N for one that signal N ended."""
        code = await self._process.wait()
        return code if code >= 0 else 128 - code

    def signal(self, number: signal.Signals) -> None:
        """To its whole group, if it still runs."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def close(self) -> None:
        """End it and all that it has started, if it has not ended by itself; let go of its ends."""
        if self._process.returncode is None:
            self.signal(signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()  # should it not have made its group yet
            sweep = threading.Thread(
                target=end_marked, args=(self._mark,), kwargs={"name": EXEC_MARK}, daemon=True
            )
            sweep.start()
        for fd in {self._stdin.fd, *self._outputs.values()} - {-1}:
            os.close(fd)
        self._stdin.fd = -1
        self._outputs.clear()

    async def _pump(
        self, name: Stream, fd: int, queue: asyncio.Queue[tuple[Stream, bytes] | None]
    ) -> None:
        while True:
            try:
                data = os.read(fd, _CHUNK)
            except BlockingIOError:
                await ready(fd)
                continue
            except OSError:  # EIO: nobody has the terminal open any more
                return
            if not data:
                return
            await queue.put((name, data))

    async def _ended(
        self, pumps: Sequence[asyncio.Task[None]], queue: asyncio.Queue[tuple[Stream, bytes] | None]
    ) -> None:
        await self._process.wait()
        if pumps:
            # Children may hold the streams open for ever.
            await asyncio.wait(pumps, timeout=_DRAIN_S)
        await queue.put(None)


async def start_exec(
    request: ExecRequest, *, env: Mapping[str, str], directory: str
) -> ExecSession:
    """Start it. Raises ExecFailed for what cannot be executed, OSError when no process can be made.

    Source of the words: containerd internal/cri/server/container_execsync.go, runc.
    """
    mark = secrets.token_hex(16)
    env = {**env, EXEC_MARK: mark}
    if request.tty:
        env.setdefault("TERM", "xterm")
    theirs, stdin, outputs = _terminal() if request.tty else _pipes(request)
    told, tell = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *launched("terminal" if request.tty else "group", request.command, tell=tell),
            stdin=theirs[0],
            stdout=theirs[1],
            stderr=theirs[2],
            cwd=directory,
            env=env,
            pass_fds=(tell,),
        )
    except BaseException:
        for fd in {stdin, told, *outputs.values()} - {-1}:
            os.close(fd)
        raise
    finally:
        for fd in {tell, *theirs} - {asyncio.subprocess.DEVNULL}:
            os.close(fd)
    session = ExecSession(process, mark, stdin=stdin, outputs=outputs, tty=request.tty)
    try:
        if problem := await told_by_launcher(told):
            await process.wait()  # the launcher ends with it
            raise ExecFailed(_failed(request.command[0], problem))
    except BaseException:
        session.close()
        raise
    finally:
        os.close(told)
    return session


def _failed(executable: str, problem: str) -> str:
    """A runtime's words for what the launcher says, `exec NAME: REASON`."""
    reason = problem.rpartition(": ")[2]
    reason = reason[:1].lower() + reason[1:]  # as Go has it
    if reason == "no such file or directory":
        missing = "/" in executable and not os.path.exists(executable)
        reason = f"stat {executable}: {reason}" if missing else reason
        reason = reason if "/" in executable else "executable file not found in $PATH"
    return (
        "failed to start exec: OCI runtime exec failed: exec failed: unable to start container "
        f'process: exec: "{executable}": {reason}: unknown'
    )


def _terminal() -> tuple[tuple[int, int, int], int, dict[Stream, int]]:
    """The child's three ends; ours for input, and for output."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    return (theirs, theirs, theirs), ours, {"stdout": ours}


def _pipes(request: ExecRequest) -> tuple[tuple[int, int, int], int, dict[Stream, int]]:
    nothing = asyncio.subprocess.DEVNULL
    stdin, theirs_in = -1, nothing
    if request.stdin:
        theirs_in, stdin = os.pipe()
        os.set_blocking(stdin, False)
    outputs: dict[Stream, int] = {}
    ends = {"stdout": nothing, "stderr": nothing}
    wanted: tuple[tuple[Stream, bool], ...] = (
        ("stdout", request.stdout),
        ("stderr", request.stderr),
    )
    for name, held in wanted:
        if held:
            outputs[name], ends[name] = os.pipe()
            os.set_blocking(outputs[name], False)
    return (theirs_in, ends["stdout"], ends["stderr"]), stdin, outputs
