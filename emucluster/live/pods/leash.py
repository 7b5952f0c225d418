"""The line between a node and the process of a pod: JSON lines over a unix socket.

It is also how each learns of the other's death: the kernel closes it. The socket has an abstract
name, so that nothing stays behind; who connects must be of our user and show the pod's token.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import os
import secrets
import socket
import struct
from collections.abc import Callable
from typing import Any

import msgspec

from emucluster.core.kubelet.commands import ContainerSpec, PodIdentity, Signal
from emucluster.live.pods.answer_faults import AnswerFault

LINE_MAX = 4 * 1024 * 1024


class Hello(msgspec.Struct, tag="hello", frozen=True):
    """First message of a pod's process."""

    uid: str
    token: str


class Started(msgspec.Struct, tag="started", frozen=True):
    """A container runs; `pid` is that of the process which serves."""

    container: str
    container_id: str
    pid: int
    ports: dict[int, int]


class Exited(msgspec.Struct, tag="exited", frozen=True):
    """A container ended or could not be started."""

    container: str
    container_id: str
    exit_code: int
    reason: str = ""
    message: str = ""
    signal: int = 0


class FaultsTaken(msgspec.Struct, tag="faults-taken", frozen=True):
    """The faults of the message with this number are in force, and no others."""

    number: int


class CallsCounted(msgspec.Struct, tag="calls-counted", frozen=True):
    """What the message with this number asked: calls of each echo container, by its id."""

    number: int
    calls: dict[str, int]


class Start(msgspec.Struct, tag="start", frozen=True):
    """Start a container; its output goes to the file `log`."""

    pod: PodIdentity
    container_id: str
    spec: ContainerSpec
    env: dict[str, str]
    log: str
    source_dir: str
    listen_deadline_s: float
    faults: tuple[AnswerFault, ...] = ()


class SignalTo(msgspec.Struct, tag="signal", frozen=True):
    """SIGTERM or SIGKILL for one container."""

    container: str
    container_id: str
    signal: Signal


class TakeFaults(msgspec.Struct, tag="take-faults", frozen=True):
    """These faults of its answers the pod is to have from now on; `FaultsTaken` follows."""

    number: int
    faults: tuple[AnswerFault, ...]


class CountCalls(msgspec.Struct, tag="count-calls", frozen=True):
    """How many calls have the echo containers executed? `CallsCounted` follows."""

    number: int


class Bye(msgspec.Struct, tag="bye", frozen=True):
    """The pod is over: its process is to exit."""


FromPod = Started | Exited | FaultsTaken | CallsCounted
ToNode = Hello | FromPod
ToPod = Start | SignalTo | TakeFaults | CountCalls | Bye

_encode = msgspec.json.Encoder().encode
_decode_to_node = msgspec.json.Decoder(ToNode).decode
_decode_to_pod = msgspec.json.Decoder(ToPod).decode


def send(writer: asyncio.StreamWriter, message: ToNode | ToPod) -> None:
    """Queue one line; a peer that is gone is noticed by its reader, not here."""
    if not writer.is_closing():
        writer.write(_encode(message) + b"\n")


class PodSide:
    """The pod's end. Raises `OSError` when the node is gone already."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, name: str, *, uid: str, token: str) -> PodSide:
        sock = _unix_socket()
        try:
            await asyncio.get_running_loop().sock_connect(sock, "\0" + name)
        except OSError:
            sock.close()
            raise
        reader, writer = await asyncio.open_unix_connection(sock=sock, limit=LINE_MAX)
        send(writer, Hello(uid, token))
        return cls(reader, writer)

    async def receive(self) -> ToPod | None:
        """The next message; None when the node has died."""
        line = await _line(self._reader)
        return _decode_to_pod(line) if line else None

    def send(self, message: FromPod) -> None:
        send(self._writer, message)

    async def flush(self) -> None:
        with contextlib.suppress(OSError):
            await self._writer.drain()


class Tether:
    """A node's end of one pod's leash, from before the pod connects until it is gone."""

    def __init__(
        self,
        uid: str,
        *,
        on_message: Callable[[FromPod], None],
        on_lost: Callable[[], None],
    ) -> None:
        self.uid = uid
        self.token = secrets.token_hex(16)
        self.pid = 0
        """As the kernel tells it; 0 before the pod has connected."""
        self.connected: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.on_message = on_message
        self.on_lost = on_lost
        self._writer: asyncio.StreamWriter | None = None

    def send(self, message: ToPod) -> None:
        if self._writer is not None:
            send(self._writer, message)

    def attach(self, writer: asyncio.StreamWriter, pid: int) -> None:
        self._writer, self.pid = writer, pid
        if not self.connected.done():
            self.connected.set_result(pid)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


class LeashServer:
    """Accepts the pods of one node. `name` is the socket's abstract name."""

    def __init__(self) -> None:
        self.name = f"emucluster-{secrets.token_hex(16)}"
        self._tethers: dict[str, Tether] = {}
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        listener = _unix_socket()
        listener.bind("\0" + self.name)
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=LINE_MAX)

    async def close(self) -> None:
        """Let go of every pod, which makes their processes exit."""
        if self._server is not None:
            self._server.close()
        for tether in list(self._tethers.values()):
            tether.close()

    def expect(self, tether: Tether) -> None:
        """A process with this token will connect."""
        self._tethers[tether.token] = tether

    def forget(self, tether: Tether) -> None:
        """Refuse it, or let it go; its loss is no longer told."""
        self._tethers.pop(tether.token, None)
        tether.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tether: Tether | None = None
        try:
            tether = await self._greet(reader, writer)
            while tether is not None and (line := await _line(reader)):
                message = _decode_to_node(line)
                if not isinstance(message, Hello) and tether.token in self._tethers:
                    tether.on_message(message)
        except (msgspec.MsgspecError, asyncio.CancelledError):
            pass  # not one of ours, or the node stops
        finally:
            writer.close()
            if tether is not None and self._tethers.pop(tether.token, None) is not None:
                tether.on_lost()

    async def _greet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Tether | None:
        pid, user = _peer(writer)
        hello = _decode_to_node(await _line(reader) or b"null")
        if not isinstance(hello, Hello) or user != os.getuid():
            return None
        for token, tether in self._tethers.items():
            if hmac.compare_digest(token, hello.token) and tether.uid == hello.uid:
                tether.attach(writer, pid)
                return tether
        return None


def _unix_socket() -> socket.socket:
    """Made here, because uvloop takes no abstract names (EINVAL) where asyncio's own loop does."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    return sock


def _peer(writer: asyncio.StreamWriter) -> tuple[int, int]:
    """Process and user at the other end."""
    sock: Any = writer.get_extra_info("socket")
    packed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, user, _ = struct.unpack("3i", packed)
    return pid, user


async def _line(reader: asyncio.StreamReader) -> bytes:
    """One line, or nothing when the other end is gone."""
    try:
        return await reader.readline()
    except (ConnectionError, ValueError):
        return b""
