"""One forwarded connection: two uvloop transports, each writing what the other reads.

Once both are up, a leg's `data_received` *is* the other transport's `write`: no Python code of ours
runs for a chunk, unless a fault of the link delays it. Bytes are counted, and idleness is seen, by
asking the kernel (TCP_INFO).
"""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol, cast

from emucluster.live.network import marks, packet_filter
from emucluster.live.network.flows import ClosedBy, Flow, How
from emucluster.live.network.leg import Leg
from emucluster.live.network.links import Links, Side, filter_by
from emucluster.live.network.routes import Route
from emucluster.live.network.shapes import Ends
from emucluster.live.network.sockets import payload_received, read_tcp_info, reset_on_close

_UNREAD_BYTES = 262144


class Owner(Protocol):
    """What a connection needs of the set that it belongs to."""

    links: Links

    @property
    def silent(self) -> bool:
        """Whether all sockets are to take nothing in."""

    @property
    def halted(self) -> bool:
        """Whether nothing shall be read now."""

    async def running(self) -> None:
        """Wait until the host is neither frozen nor silent."""

    def ended(self, connection: Connection, how: How, by: ClosedBy, reason: str) -> None:
        """The connection's fate is known; its sockets may still be flushing."""

    def forget(self, connection: Connection) -> None:
        """Nothing of the connection is left."""


def _vanish(_: bytes) -> None:
    """What is sent to nobody."""


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
        self.packets = 1
        """How many come one after the other before the destination is known: SYN, a header."""
        self.forgotten = False
        """Whether its peer has forgotten it, so that whoever still holds it is not told."""
        self._resets_arrivals = False
        self._near_ends: tuple[str, ...] = (flow.in_peer[0],)
        self._far_ends: tuple[str, ...] = ()
        flow.meter = self._meter

    # Whose it is

    def speaks_for(self, address: str) -> None:
        """Its client is the host's own, or a pod of it: one at `address`."""
        self._near_ends = (address,)

    def introduced(self, address: str) -> None:
        """Its client is another host, which speaks for `address`."""
        self._near_ends = (*self._near_ends, address)
        self.packets += 1

    def leads_to(self, route: Route) -> None:
        """Where its far side is, or will be: whom it dials, and who is meant by that."""
        via = route.destination if route.via is None else route.via.address
        meant, _, _ = route.endpoint.partition(":")
        self._far_ends = (via[0], meant or route.destination[0])

    def ends(self, side: Side) -> Ends:
        """Who stands on that side, as far as it is known by now."""
        if side == "server":
            return Ends(self._far_ends)
        return Ends(self._near_ends, marks.read(self.client))

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
        if self.owner.links.active:
            self.follow_links()
        far.join()
        near.join()
        if far.fin:
            far.pass_fin()
        if self.owner.halted or self.owner.links.active:
            # uvloop starts to read when this call returns.
            asyncio.get_running_loop().call_soon(self.update_reading)

    def half_closed(self, leg: Leg) -> None:
        """One side sent FIN: pass it on; with the second FIN the connection is over."""
        self._first_fin = self._first_fin or leg.side
        target = leg.other.transport
        if self._resets_arrivals:
            self.give_up()
        if target is None or self.done:
            return
        leg.fin_passed = True
        if leg.other.fin_passed:
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
                if leg.shaper is not None:
                    leg.shaper.run()

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

    # Faults

    def follow_links(self) -> None:
        """Take over what the links of both sides are like now."""
        if self.forgotten or self.owner.silent:
            return
        links = self.owner.links
        near, far = links.effect_on(self, "client"), links.effect_on(self, "server")
        if self.client.fileno() >= 0:
            filter_by(self.client, near)
        if self.server is not None and self.server.fileno() >= 0:
            filter_by(self.server, far)
        if self._near is None or self._far is None or self.done:
            return
        truly = packet_filter.available()
        for leg, here, beyond in ((self._near, near, far), (self._far, far, near)):
            cut = here.cut and not truly
            leg.follow(here, stalls=0.0 if truly else here.loss, blocked=cut or beyond.holds_sent)

    def forgotten_by(self, side: Side) -> bool:
        """The peer on `side` forgets the connection, and who holds it is not told.

        The one gets RST; what the other sends vanishes. False: it is not established yet.
        """
        near, far = self._near, self._far
        if near is None or far is None or near.transport is None or far.transport is None:
            return False
        lost, kept = (near, far) if side == "client" else (far, near)
        self._end("fault", "us", "half-open")
        self.forgotten = True
        assert lost.transport is not None
        assert kept.transport is not None
        assert self.server is not None
        reset_on_close(self.client if side == "client" else self.server)
        lost.transport.abort()
        kept.receive_by(_vanish)
        kept.transport.resume_reading()
        if packet_filter.available():
            packet_filter.drop_all(self.server if side == "client" else self.client)
        return True

    def answer_with_reset(self) -> None:
        """The peer can be reached again and knows nothing: what is sent to it is answered by RST.

        Who sends nothing goes on believing.
        """
        for leg, sock in ((self._near, self.client), (self._far, self.server)):
            if leg is None or leg.gone or sock is None:
                continue
            if leg.fin:
                self.give_up()
                return
            packet_filter.clear(sock)
            self._resets_arrivals = True
            leg.receive_by(lambda _: self.give_up())

    def silence(self) -> None:
        """Let the kernel drop whatever still arrives for this connection."""
        for sock in (self.client, self.server):
            if sock is not None and sock.fileno() >= 0:
                packet_filter.drop_all(sock)

    def _end(self, how: How, by: ClosedBy, reason: str) -> None:
        if not self.done:
            self.done = True
            for leg in (self._near, self._far):
                if leg is not None and leg.shaper is not None:
                    leg.shaper.close()
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
