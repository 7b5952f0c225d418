"""All listeners and connections of one host (a node, a load balancer, the edge), and their faults.

Every decision is asked of a synchronous callback; what is here only carries it out. A fault acts
on the whole host: `freeze`, `silence` and `close_all_with_reset` are what a stopped, an unplugged
and a crashed machine look like from its neighbours' sockets.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeAlias

from emucluster.core.faults import FaultLease
from emucluster.live.network import packet_filter, tunnel
from emucluster.live.network.check_log import CheckLog
from emucluster.live.network.dialer import DialError, Prepare, TimedOut, dial
from emucluster.live.network.flows import ClosedBy, Flow, FlowLog, How
from emucluster.live.network.links import Links
from emucluster.live.network.listener import BACKLOG, Listener
from emucluster.live.network.pipe import Connection
from emucluster.live.network.routes import Decision, Drop, Refuse, Route
from emucluster.live.network.sockets import Address, close_with_reset
from emucluster.live.network.sweeper import Sweeper

OnAccept: TypeAlias = Callable[[Address, Address], Decision]
FlowTest: TypeAlias = Callable[[Flow], bool]
State: TypeAlias = Literal["running", "frozen", "silent", "crashed"]
Means: TypeAlias = Literal["kernel filter", "imitated"]


class Forwarding:
    """What one host forwards.

    `idle_timeout_s`: a connection on which neither side sent payload for so long is reset
    (`idle_how="rst"`) or from then on ignored (`"drop"`). None: never. `limit` bounds the
    connections at one time; more are refused.
    """

    def __init__(
        self,
        host: str,
        *,
        flows: FlowLog | None = None,
        idle_timeout_s: float | None = None,
        idle_how: Literal["rst", "drop"] = "rst",
        limit: int = 100_000,
    ) -> None:
        self.host = host
        self.flows = FlowLog() if flows is None else flows
        self.checked = CheckLog()
        self.idle_timeout_s = idle_timeout_s
        self.idle_how = idle_how
        self.state: State = "running"
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._running = asyncio.Event()
        self._running.set()
        self._listeners: list[Listener] = []
        self._linked: list[Listener] = []
        self._connections: set[Connection] = set()
        self.links = Links(self._connections, self._linked)
        self._counts: Counter[tuple[str, str]] = Counter()
        self._changed: set[asyncio.Event] = set()
        self._sweeper = Sweeper(self, self._connections)

    # Listening

    def listen(
        self,
        address: str,
        port: int,
        on_accept: OnAccept,
        *,
        hop: str = "",
        service: str = "",
        backlog: int = BACKLOG,
        record: bool = True,
        linked: bool = True,
    ) -> Listener:
        """Forward what arrives at `address`:`port` as `on_accept(client, local)` says.

        `hop` and `service` name the flow where the decision does not; without `record` there is
        none. Not `linked`: its clients are the host itself. Raises OSError.
        """

        def accepted(sock: socket.socket, client: Address, local: Address) -> None:
            connection = self.admit(sock, client, local, hop=hop, service=service, record=record)
            if connection is None:
                return
            if not linked:
                connection.speaks_for(local[0])
            try:
                decision = on_accept(client, local)
            except Exception as error:
                self._report(error)
                decision = Refuse(f"decision failed: {error}")
            self.carry_out(connection, decision)

        listener = Listener(address, port, accepted, backlog=backlog)
        return self.add_listener(listener, linked=linked)

    def add_listener(self, listener: Listener, *, linked: bool = True) -> Listener:
        """Make a listener, of a gateway or a tunnel for example, share the host's faults.

        Not `linked`: those of its links excepted, for its clients are on the host itself.
        """
        self._listeners.append(listener)
        listener.override(self._override())
        if linked:
            self._linked.append(listener)
            listener.follow_links(self.links.rules)
        return listener

    def close_listener(self, listener: Listener) -> None:
        """Close it; its connections go on."""
        listener.close()
        self._listeners.remove(listener)
        if listener in self._linked:
            self._linked.remove(listener)

    # One connection

    def admit(
        self,
        sock: socket.socket,
        client: Address,
        local: Address,
        *,
        hop: str,
        service: str = "",
        record: bool = True,
    ) -> Connection | None:
        """Take charge of an accepted socket; None if it was reset because the host is full.

        Without `record` it leaves no flow record.
        """
        if len(self._connections) >= self._limit:
            close_with_reset(sock)
            return None
        flow = Flow(
            id=secrets.token_hex(16),
            hop=hop,
            host=self.host,
            in_peer=client,
            in_local=local,
            start_s=time.time(),
            service=service,
        )
        connection = Connection(self, sock, flow)
        self._connections.add(connection)
        if record:
            self.flows.open(flow)
        if self.links.active:
            connection.follow_links()
        return connection

    def carry_out(self, connection: Connection, decision: Decision) -> None:
        """Do what was decided about a fresh connection."""
        if isinstance(decision, Route):
            self.run(connection, self._forward(connection, decision))
        elif isinstance(decision, Refuse):
            connection.flow.name_after(decision.hop, decision.service)
            connection.reset("refused", "us", decision.reason)
        else:
            connection.flow.name_after(decision.hop, decision.service)
            self.park(connection, decision)

    def run(self, connection: Connection, work: Coroutine[Any, Any, None]) -> None:
        """Run a connection's dialling or handshake; ends with the connection."""
        connection.task = self._loop.create_task(self._guard(connection, work))

    async def open_far_side(self, connection: Connection, route: Route) -> socket.socket:
        """Name the flow after the route and connect as it says. Raises DialError."""
        flow = connection.flow
        flow.name_after(route.hop, route.service)
        flow.endpoint = route.endpoint or flow.endpoint
        flow.cluster_ip = route.cluster_ip
        self._counts[flow.service, flow.endpoint] += 1
        connection.counted = True
        via = route.via
        connection.leads_to(route)
        await self.links.entered(connection, connection.packets)

        def attempt(prepare: Prepare) -> Coroutine[Any, Any, socket.socket]:
            if via is not None:
                now_s = time.time()
                return tunnel.dial_through(route, flow_id=flow.id, now_s=now_s, prepare=prepare)
            return dial(
                route.destination,
                source=route.source,
                timeout_s=route.dial_timeout_s,
                prepare=prepare,
            )

        if via is not None:
            connection.handshake_out = tunnel.STATUS_BYTES
        return await self.links.dialled(
            attempt,
            lambda: self.links.effect_on(connection, "server"),
            packets=1 if via is None else 2,
            timeout_s=route.dial_timeout_s,
        )

    def park(self, connection: Connection, drop: Drop) -> None:
        """Never answer: keep the socket open and unread, for a bounded time and number."""
        connection.ignore("dropped", drop.reason)
        self._sweeper.park(connection)

    async def _forward(self, connection: Connection, route: Route) -> None:
        try:
            server = await self.open_far_side(connection, route)
        except DialError as error:
            await self.running()
            how: How = "timeout" if isinstance(error, TimedOut) else "refused"
            connection.reset(how, "server", error.reason)
            return
        await connection.pipe(server)

    async def _guard(self, connection: Connection, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            pass  # only ever by reset() and aclose(), which have recorded why
        except Exception as error:
            self._report(error)
            connection.reset("fault", "us", f"{type(error).__name__}: {error}")

    # What a connection asks of its owner

    @property
    def silent(self) -> bool:
        """Whether all sockets are to take nothing in."""
        return self.state == "silent"

    @property
    def halted(self) -> bool:
        """Whether nothing is read now."""
        return self.state != "running"

    async def running(self) -> None:
        """Wait until the host is neither frozen nor silent."""
        if self.state != "running":
            await self._running.wait()

    def ended(self, connection: Connection, how: How, by: ClosedBy, reason: str) -> None:
        """Close the connection's flow record."""
        flow = connection.flow
        self.flows.close(flow, how=how, closed_by=by, end_s=time.time(), reason=reason)
        if connection.counted:
            key = (flow.service, flow.endpoint)
            self._counts[key] -= 1
            if not self._counts[key]:
                del self._counts[key]
        self._announce()

    def forget(self, connection: Connection) -> None:
        """Nothing of the connection is left."""
        self._connections.discard(connection)
        self._sweeper.forget(connection)
        self._announce()

    # Selecting connections

    def counts(self) -> dict[tuple[str, str], int]:
        """Open connections by (service, endpoint)."""
        return dict(self._counts)

    def reset_where(self, test: FlowTest, *, reason: str = "", how: How = "rst") -> int:
        """RST to both sides of each open connection whose flow passes `test`; how many."""
        chosen = [each for each in self._connections if not each.done and test(each.flow)]
        for connection in chosen:
            connection.reset(how, "us", reason)
        return len(chosen)

    async def drain(self, test: FlowTest, *, timeout_s: float, reason: str = "drained") -> int:
        """Wait until the connections that pass `test` have ended; reset what is left at the end.

        Returns the number of those that were reset.
        """
        event = asyncio.Event()
        self._changed.add(event)
        try:
            async with asyncio.timeout(timeout_s):
                while any(not each.done and test(each.flow) for each in self._connections):
                    event.clear()
                    await event.wait()
            return 0
        except TimeoutError:
            return self.reset_where(test, reason=reason)
        finally:
            self._changed.discard(event)

    # Faults

    def freeze(self) -> None:
        """As SIGSTOP: kernels go on accepting and acknowledging, nobody reads or answers."""
        self._enter("frozen")

    def silence(self) -> Means:
        """As loss of power: no FIN, no RST, no answer to a SYN. How it was done is returned."""
        self._enter("silent")
        if not packet_filter.available():
            return "imitated"
        for connection in self._connections:
            connection.silence()
        return "kernel filter"

    def close_all_with_reset(self, reason: str = "crash") -> None:
        """As a crash of the machine: RST on every socket, and nothing listens any more."""
        self._enter("crashed")
        self._reset_all(reason)

    def resume(self) -> None:
        """After `freeze`: go on as before. After `close_all_with_reset`: listen again."""
        if self.state == "silent":
            self.unsilence_with_reset()
        else:
            self._enter("running")

    def unsilence_with_reset(self, reason: str = "reboot") -> None:
        """As a machine that boots again: it knows nothing of its connections and resets them."""
        for listener in self._listeners:
            listener.override("refuse")  # what waits in the accept queues is reset too
        self._reset_all(reason)
        self._enter("running")

    def shape(self, lease: FaultLease, *, local: str | None = None) -> str:
        """Cut or shape what arrives from the lease's networks; the mechanism is returned.

        See `Links.put`.
        """
        return self.links.put(lease, local=local)

    def unshape(self, lease: FaultLease) -> None:
        """Lift what `shape` put into effect."""
        self.links.lift(lease.id)

    async def aclose(self) -> None:
        """Close everything with RST; returns once all sockets are closed."""
        self._sweeper.stop()
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        tasks = [each.task for each in self._connections if each.task is not None]
        self._enter("running")
        self._reset_all("closed")
        await asyncio.gather(*tasks, return_exceptions=True)
        gone = asyncio.Event()
        self._changed.add(gone)
        while self._connections:
            gone.clear()
            await gone.wait()

    def _enter(self, state: State) -> None:
        self.state = state
        if state == "running":
            self._running.set()
        else:
            self._running.clear()
        for listener in self._listeners:
            listener.override(self._override())
        for connection in self._connections:
            connection.update_reading()

    def _override(self) -> Literal["freeze", "refuse", "drop", ""]:
        overrides: dict[State, Literal["freeze", "refuse", "drop", ""]] = {
            "running": "",
            "frozen": "freeze",
            "silent": "drop",
            "crashed": "refuse",
        }
        return overrides[self.state]

    def _reset_all(self, reason: str) -> None:
        for connection in list(self._connections):
            connection.reset("fault", "us", reason)

    def _announce(self) -> None:
        for event in self._changed:
            event.set()

    def _report(self, error: Exception) -> None:
        self._loop.call_exception_handler(
            {"message": f"{self.host}: forwarding failed", "exception": error}
        )
