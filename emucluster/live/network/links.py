"""The links of one host: faults of what arrives there, put on its sockets and lifted again.

A fault acts on what *arrives* from the networks that it names, on established connections as on new
ones. Where the kernel lets us, partition and loss are socket filters, so that SYNs go unanswered
and TCP repeats what was lost. Delays and bandwidth hold bytes in this process: the kernel completes
handshakes at once, so the time that a handshake would have taken comes before the first byte, and a
check that does no more than connect does not notice it, unless it is ours and dials through here.

Without faults nothing of this costs more than one look at `active` for each connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable, Collection, Coroutine, Iterator
from typing import Any, Literal, Protocol, TypeAlias

from emucluster.core.faults import FaultLease
from emucluster.live.network import marks, packet_filter
from emucluster.live.network.dialer import Prepare, Refused, TimedOut, dial
from emucluster.live.network.listener import Listener
from emucluster.live.network.packet_filter import Rule
from emucluster.live.network.shaper import RTO_S
from emucluster.live.network.shapes import NONE, Effect, Ends, Shape, effect_of, shape_of
from emucluster.live.network.sockets import Address

Side: TypeAlias = Literal["client", "server"]

_SYN_REPEATED_S = 1.0
"""TCP_TIMEOUT_INIT of Linux."""
_SETTLING_S = 2.0
"""So long after the last fault, what waited in accept queues may still have its filter."""


class Linked(Protocol):
    """What a connection is to its links."""

    @property
    def client(self) -> socket.socket: ...

    @property
    def forgotten(self) -> bool: ...

    @property
    def done(self) -> bool: ...

    def ends(self, side: Side) -> Ends: ...

    def follow_links(self) -> None: ...

    def forgotten_by(self, side: Side) -> bool: ...

    def answer_with_reset(self) -> None: ...

    def reset(self, how: Literal["fault"], by: Literal["us"], reason: str) -> None: ...


class _Attempt:
    """A dial under way: its socket is no connection's yet."""

    def __init__(self, links: Links, effect: Callable[[], Effect]) -> None:
        self._links, self.effect = links, effect
        self._sock: socket.socket | None = None

    def begin(self, sock: socket.socket) -> None:
        self._sock = sock
        if self._links.mark:
            marks.put(sock, self._links.mark)
        if self._links.active:
            self.follow()

    def follow(self) -> None:
        if self._sock is not None and self._sock.fileno() >= 0:
            filter_by(self._sock, self.effect())


class Links:
    """Faults in force on what arrives at one host.

    `connections` and `listeners` are the host's own, as they are at any time.
    """

    def __init__(self, connections: Collection[Linked], listeners: Collection[Listener]) -> None:
        self.active = False
        """Whether any fault is in force, or has just been lifted."""
        self.mark = 0
        """What all that this host dials carries, if it is a load balancer; see `marks`."""
        self._connections = connections
        self._listeners = listeners
        self._shapes: dict[str, Shape] = {}
        self._forgotten: dict[str, list[Linked]] = {}
        self._attempts: set[_Attempt] = set()
        self._others: list[int] = []
        self._changed = asyncio.Event()
        self._settled: asyncio.TimerHandle | None = None
        self._rng = random.Random()

    # Putting on and lifting

    def put(self, lease: FaultLease, *, local: str | None = None) -> str:
        """Put a fault in force and return how it is done.

        `local`: it hits what arrives for this address only. Raises EmuclusterError without peers,
        and ValueError when the networks of all faults do not fit into one filter.
        """
        shape = shape_of(lease, local=local)
        if shape.kind == "reset":
            for connection in self._between(shape):
                connection.reset("fault", "us", "reset")
            return "sockets reset"
        if shape.kind == "half-open":
            self._forgotten[shape.id] = [
                each for each in self._connections if self._forget(each, shape)
            ]
            return "kernel filter" if packet_filter.available() else "imitated"
        self._shapes[shape.id] = shape
        try:
            self._apply()
        except ValueError:
            self.lift(shape.id)
            raise
        return _mechanism(shape)

    def lift(self, fault_id: str) -> None:
        """End a fault; what it held goes on at once.

        Raises what keeps it from ending; it is in force still, and can be lifted again.
        """
        for connection in self._forgotten.pop(fault_id, []):
            with contextlib.suppress(OSError):  # closed meanwhile
                connection.answer_with_reset()
        shape = self._shapes.pop(fault_id, None)
        if shape is None:
            return
        try:
            self._apply()
        except BaseException:
            self._shapes[fault_id] = shape
            raise

    def _apply(self) -> None:
        self.active = True
        if self._settled is not None:
            self._settled.cancel()
            self._settled = None
        if not self._shapes:
            loop = asyncio.get_running_loop()
            self._settled = loop.call_later(_SETTLING_S, self._settle)
        rules = self.rules
        for listener in self._listeners:
            listener.follow_links(rules)
        for descriptor in self._others:
            packet_filter.screen(descriptor, allow=None, rules=rules)
        for attempt in self._attempts:
            attempt.follow()
        for connection in list(self._connections):
            connection.follow_links()
        self._changed.set()
        self._changed = asyncio.Event()

    def _settle(self) -> None:
        self.active = False

    def _forget(self, connection: Linked, shape: Shape) -> bool:
        for side, other in _SIDES:
            if not connection.done and shape.hits(connection.ends(side), connection.ends(other)):
                return connection.forgotten_by(side)
        return False

    def _between(self, shape: Shape) -> Iterator[Linked]:
        for connection in list(self._connections):
            near, far = connection.ends("client"), connection.ends("server")
            if not connection.done and (shape.hits(near, far) or shape.hits(far, near)):
                yield connection

    # What is so now

    @property
    def rules(self) -> tuple[Rule, ...]:
        """What listeners drop: where the source of a SYN tells whose it is."""
        if not packet_filter.available():
            return ()
        return tuple(
            Rule(shape.networks, shape.marks, 1.0 if shape.cuts else shape.share)
            for shape in self._shapes.values()
            if shape.networks is not None
            and shape.local is None
            and (shape.cuts or shape.kind == "loss")
        )

    def effect_on(self, connection: Linked, side: Side) -> Effect:
        """What hits packets that arrive on one side of a connection."""
        if not self._shapes:
            return NONE
        other: Side = "server" if side == "client" else "client"
        return effect_of(self._shapes.values(), connection.ends(side), connection.ends(other))

    def also(self, sockets: Collection[socket.socket]) -> None:
        """Sockets of the host that are none of its listeners: partition and loss act on them."""
        self._others.extend(sock.fileno() for sock in sockets)

    # New connections

    async def entered(self, connection: Linked, packets: int) -> None:
        """Return when so many packets, one after the other, have come in on the client's side."""
        if not self.active:
            return
        connection.follow_links()
        while (effect := self.effect_on(connection, "client")).cut:
            await self._changed.wait()
            connection.follow_links()
        await asyncio.sleep(self._taken_s(effect, packets))

    async def dial(
        self,
        destination: Address,
        *,
        source: str | None = None,
        timeout_s: float,
    ) -> socket.socket:
        """As `dialer.dial`, for the host itself: through its links."""

        def attempt(prepare: Prepare) -> Coroutine[Any, Any, socket.socket]:
            return dial(destination, source=source, timeout_s=timeout_s, prepare=prepare)

        here, beyond = Ends((destination[0],)), Ends((source,) if source else ())
        return await self.dialled(
            attempt,
            lambda: effect_of(self._shapes.values(), here, beyond),
            packets=1,
            timeout_s=timeout_s,
        )

    async def dialled(
        self,
        work: Callable[[Prepare], Coroutine[Any, Any, socket.socket]],
        effect: Callable[[], Effect],
        *,
        packets: int,
        timeout_s: float,
    ) -> socket.socket:
        """Dial by `work`, which hands its socket over before it connects.

        Of the answers, which are `packets` one after the other, `effect` tells what hits them now.
        Raises DialError.
        """
        attempt = _Attempt(self, effect)
        self._attempts.add(attempt)
        try:
            if not self.active:
                return await work(attempt.begin)
            return await self._dialled(work, attempt, packets, timeout_s)
        finally:
            self._attempts.discard(attempt)

    async def _dialled(
        self,
        work: Callable[[Prepare], Coroutine[Any, Any, socket.socket]],
        attempt: _Attempt,
        packets: int,
        timeout_s: float,
    ) -> socket.socket:
        sock: socket.socket | None = None
        try:
            async with asyncio.timeout(timeout_s):
                while attempt.effect().cut and not packet_filter.available():
                    await self._changed.wait()
                try:
                    sock = await work(attempt.begin)
                except Refused:
                    await asyncio.sleep(self._taken_s(attempt.effect(), 1))
                    raise
                await asyncio.sleep(self._taken_s(attempt.effect(), packets))
                return sock
        except TimeoutError as error:
            if sock is not None:
                sock.close()
            raise TimedOut(f"no answer in {timeout_s:g} s") from error

    def _taken_s(self, effect: Effect, packets: int) -> float:
        """How long so many packets of a handshake take, one after the other."""
        taken_s = sum(effect.draw_s() for _ in range(packets))
        if effect.loss and not packet_filter.available():
            repeated_s = _SYN_REPEATED_S
            for _ in range(packets):
                wait_s = repeated_s
                while self._rng.random() < effect.loss and wait_s < 64:
                    taken_s, wait_s = taken_s + wait_s, 2 * wait_s
                repeated_s = RTO_S
        return taken_s


_SIDES: tuple[tuple[Side, Side], ...] = (("client", "server"), ("server", "client"))


def filter_by(sock: socket.socket, effect: Effect) -> None:
    """Have the kernel drop for one connected socket what the links lose, if it can."""
    if not packet_filter.available():
        return
    with contextlib.suppress(OSError):  # closed meanwhile
        if effect.cut:
            packet_filter.drop_all(sock)
        else:
            packet_filter.drop_fraction(sock, effect.loss)


def _mechanism(shape: Shape) -> str:
    if shape.delay is not None or shape.bytes_per_s:
        return "held bytes"
    if not packet_filter.available():
        return "imitated"
    return "kernel filter + held bytes" if shape.holds_sent else "kernel filter"
