"""One side of a forwarded connection: it passes on what it reads, at once or by way of a shaper."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from emucluster.live.network.links import Side
from emucluster.live.network.shaper import Shaper
from emucluster.live.network.shapes import Effect

if TYPE_CHECKING:
    from typing import Self

    from emucluster.live.network.pipe import Connection

WRITE_BUFFER_BYTES = 512 * 1024
"""Above this much unsent data the other leg stops reading (uvloop reads up to 256 KB at once)."""


class Leg(asyncio.Protocol):
    """One side of a connection."""

    other: Self
    data_received: Callable[[bytes], None]  # type: ignore[assignment]

    def __init__(self, connection: Connection, side: Side) -> None:
        self.connection = connection
        self.side: Side = side
        self.transport: asyncio.Transport | None = None
        self.full = False
        self.fin = False
        self.fin_passed = False
        self.gone = False
        self.blocked = False
        """Whether a link is cut so that nothing may go from here to the other side."""
        self.shaper: Shaper | None = None
        self.joined = False
        self.early: list[bytes] = []
        self.data_received = self.early.append

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self.connection.made(self)

    def join(self) -> None:
        """From now on pass everything on to the other side, first what came too early."""
        assert self.transport is not None
        assert self.other.transport is not None
        self.joined = True
        onward = self.other.transport.write if self.shaper is None else self.shaper.take
        for chunk in self.early:
            onward(chunk)
        self.early.clear()
        self.receive_by(onward)

    def receive_by(self, take: Callable[[bytes], None]) -> None:
        """Have `take` called with what arrives."""
        self.data_received = take
        if self.transport is not None:
            self.transport.set_protocol(self)  # uvloop looks `data_received` up here, once

    def pause_writing(self) -> None:
        self.full = True
        self.other.read_or_wait()

    def resume_writing(self) -> None:
        self.full = False
        self.other.read_or_wait()

    def read_or_wait(self) -> None:
        """Read unless the other side is full, too much waits here, or nothing may pass."""
        if self.transport is None or self.fin or self.gone or self.connection.forgotten:
            return
        waits = self.shaper is not None and self.shaper.full
        if self.other.full or self.other.gone or waits or self.stopped:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def eof_received(self) -> bool:
        self.fin = True
        self.pass_fin()
        return True

    def pass_fin(self) -> None:
        """Tell the other side of the FIN, behind all that waits."""
        if self.shaper is None:
            self.connection.half_closed(self)
        else:
            self.shaper.call(lambda: self.connection.half_closed(self))

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        if self.shaper is None or self.connection.done or not isinstance(exc, ConnectionError):
            self.connection.lost(self, exc)
        else:
            self.shaper.call(lambda: self.connection.lost(self, exc))  # a RST takes as long

    # Under a fault of the link

    def follow(self, effect: Effect, *, stalls: float, blocked: bool) -> None:
        """Pass on as the link is now."""
        self.blocked = blocked
        if self.shaper is None and (effect.holds_bytes or stalls):
            self.shaper = Shaper(self, random.Random())
            if self.joined:
                self.receive_by(self.shaper.take)
        if self.shaper is not None:
            self.shaper.follow(effect, stalls=stalls)
        self.read_or_wait()

    @property
    def stopped(self) -> bool:
        """Whether nothing may be passed on now."""
        return self.blocked or self.connection.owner.halted or self.other.transport is None

    def write(self, data: bytes) -> None:
        """What the shaper lets go of."""
        assert self.other.transport is not None
        self.other.transport.write(data)

    def room_changed(self) -> None:
        self.read_or_wait()

    def emptied(self) -> None:
        """The fault is over, and nothing of it is left: the fast path again."""
        self.shaper = None
        if self.joined and not self.connection.done:
            self.join()
