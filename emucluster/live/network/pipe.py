"""One forwarded connection: two uvloop transports, each writing what the other reads.

Once both are up, a leg's `data_received` *is* the other transport's `write`: no Python code of ours
runs for a chunk. Bytes are counted, and idleness is seen, by asking the kernel (TCP_INFO).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol, cast

from emucluster.live.network import packet_filter
from emucluster.live.network.flows import ClosedBy, Flow, How
from emucluster.live.network.sockets import payload_received, read_tcp_info, reset_on_close

_UNREAD_BYTES = 262144

if TYPE_CHECKING:
    from typing import Self

WRITE_BUFFER_BYTES = 512 * 1024
"""Above this much unsent data the other leg stops reading (uvloop reads up to 256 KB at once)."""


class Owner(Protocol):
    """What a connection needs of the set that it belongs to."""

    @property
    def halted(self) -> bool:
        """Whether nothing shall be read now."""

    async def running(self) -> None:
        """Wait until the host is neither frozen nor silent."""

    def ended(self, connection: Connection, how: How, by: ClosedBy, reason: str) -> None:
        """The connection's fate is known; its sockets may still be flushing."""

    def forget(self, connection: Connection) -> None:
        """Nothing of the connection is left."""


class Leg(asyncio.Protocol):
    """One side of a connection."""

    other: Self
    data_received: Callable[[bytes], None]  # type: ignore[assignment]

    def __init__(self, connection: Connection, side: Literal["client", "server"]) -> None:
        self.connection = connection
        self.side = side
        self.transport: asyncio.Transport | None = None
        self.full = False
        self.fin = False
        self.gone = False
        self.early: list[bytes] = []
        self.data_received = self.early.append

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self.connection.made(self)

    def write_what_it_reads(self, target: asyncio.Transport) -> None:
        """From now on pass everything on to `target`, first what came too early."""
        assert self.transport is not None
        for chunk in self.early:
            target.write(chunk)
        self.early.clear()
        self.data_received = target.write
        self.transport.set_protocol(self)  # uvloop looks `data_received` up here, once

    def pause_writing(self) -> None:
        self.full = True
        self.other.read_or_wait()

    def resume_writing(self) -> None:
        self.full = False
        self.other.read_or_wait()

    def read_or_wait(self) -> None:
        """Read unless the other side is full or the host is halted."""
        if self.transport is None or self.fin:
            return
        if self.other.full or self.connection.owner.halted:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def eof_received(self) -> bool:
        self.fin = True
        self.connection.half_closed(self)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        self.connection.lost(self, exc)


class Connection:
    """An accepted socket from its acceptance until the last of its sockets is gone."""

    def __init__(self, owner: Owner, client: socket.socket, flow: Flow) -> None:
        self.owner = owner
        self.client = client
        self.server: socket.socket | None = None
        self.flow = flow
        self.done = False
        self.counted = False
        self.task: asyncio.Task[None] | None = None
        self.handshake_in = 0
        """Bytes from the client that were for us: a CONNECT request, a tunnel header."""
        self.handshake_out = 0
        """Bytes from the server that were for us: the tunnel's status."""
        self._near: Leg | None = None
        self._far: Leg | None = None
        self._first_fin: ClosedBy = ""
        self._answer = b""
        flow.meter = self._meter

    async def pipe(
        self, server: socket.socket, *, early_in: bytes = b"", answer: bytes = b""
    ) -> None:
        """Join the accepted socket to `server`, which is connected.

        `early_in` is what the client sent already; `answer` goes to the client first of all.
        """
        self.server = server
        self.flow.out_local, self.flow.out_peer = server.getsockname(), server.getpeername()
        await self.owner.running()
        loop = asyncio.get_running_loop()
        near, far = Leg(self, "client"), Leg(self, "server")
        near.other, far.other = far, near
        if early_in:
            near.early.append(early_in)
        self._near, self._far, self._answer = near, far, answer
        await loop.connect_accepted_socket(lambda: far, server)
        if self.done:
            self.client.close()
            near.gone = True
            self._forget_when_gone()
            return
        await loop.connect_accepted_socket(lambda: near, self.client)

    def made(self, leg: Leg) -> None:
        """A leg's transport is up; with the second one, the client's, forwarding begins."""
        assert leg.transport is not None
        if self.done:
            reset_on_close(
                self.client if leg.side == "client" else cast(socket.socket, self.server)
            )
            leg.transport.abort()
            return
        if leg.side == "server":
            return
        near, far = leg, leg.other
        assert near.transport is not None
        assert far.transport is not None
        if self._answer:
            near.transport.write(self._answer)
        far.write_what_it_reads(near.transport)
        near.write_what_it_reads(far.transport)
        if far.fin:
            self.half_closed(far)
        if self.owner.halted:
            # uvloop starts to read when this call returns.
            asyncio.get_running_loop().call_soon(self.update_reading)

    def half_closed(self, leg: Leg) -> None:
        """One side sent FIN: pass it on; with the second FIN the connection is over."""
        self._first_fin = self._first_fin or leg.side
        target = leg.other.transport
        if target is None or self.done:
            return
        if leg.other.fin:
            self._end("fin", self._first_fin, "")
            assert leg.transport is not None
            leg.transport.close()
            target.close()
        elif not target.is_closing():
            target.write_eof()

    def lost(self, leg: Leg, exc: Exception | None) -> None:
        """One transport is gone; if it was not our doing, its peer's reset is passed on."""
        if not self.done:
            how: How = "timeout" if isinstance(exc, TimeoutError) else "rst"
            self.reset(how, leg.side, "" if exc is None else str(exc))
        self._forget_when_gone()

    def update_reading(self) -> None:
        """Follow a change of `owner.halted`."""
        for leg in (self._near, self._far):
            if leg is not None and not self.done:
                leg.read_or_wait()

    def reset(self, how: How, by: ClosedBy, reason: str) -> None:
        """RST to both sides, at once, whatever was on its way."""
        self._end(how, by, reason)
        if self.task is not None and not self.task.done() and self._near is None:
            self.task.cancel()
        reset_on_close(self.client)
        if self.server is not None:
            reset_on_close(self.server)
        if self._near is None:
            self._close_sockets()
            return
        for leg in (self._near, self._far):
            if leg is not None and leg.transport is not None:
                leg.transport.abort()

    def close_after(self, answer: bytes, how: How, by: ClosedBy, reason: str) -> None:
        """Send a last short answer instead of being piped, then close with FIN."""
        self._end(how, by, reason)
        try:
            self.client.send(answer)
            self.client.recv(_UNREAD_BYTES)  # close() with unread data would be a reset
        except OSError:
            pass
        self._close_sockets()

    @property
    def dialling(self) -> bool:
        """Whether a destination is being looked for or dialled."""
        return self.server is None and not self.done

    def idle_s(self) -> float:
        """Seconds since either side sent payload."""
        socks = [self.client] if self.server is None else [self.client, self.server]
        return min(read_tcp_info(sock).silent_s for sock in socks)

    def ignore(self, how: How, reason: str) -> None:
        """Record the end and say nothing to anyone: never read, write or close again."""
        self._end(how, "us", reason)
        for leg in (self._near, self._far):
            if leg is not None and leg.transport is not None:
                leg.transport.pause_reading()

    def give_up(self) -> None:
        """Close an ignored connection at last."""
        self.reset("dropped", "us", "")

    def _close_sockets(self) -> None:
        """Close what is not yet in the hands of a transport."""
        self.client.close()
        if self.server is not None:
            self.server.close()
        self.owner.forget(self)

    def silence(self) -> None:
        """Let the kernel drop whatever still arrives for this connection."""
        for sock in (self.client, self.server):
            if sock is not None and sock.fileno() >= 0:
                packet_filter.drop_all(sock)

    def _end(self, how: How, by: ClosedBy, reason: str) -> None:
        if not self.done:
            self.done = True
            self.owner.ended(self, how, by, reason)

    def _forget_when_gone(self) -> None:
        if self._near is not None and self._far is not None and self._near.gone and self._far.gone:
            self.owner.forget(self)

    def _meter(self) -> tuple[int, int]:
        near_fin = self._near is not None and self._near.fin
        received = payload_received(self.client, fin_seen=near_fin) - self.handshake_in
        if self.server is None:
            return max(0, received), 0
        far_fin = self._far is not None and self._far.fin
        answered = payload_received(self.server, fin_seen=far_fin) - self.handshake_out
        return max(0, received), max(0, answered)
