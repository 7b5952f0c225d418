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

from emucluster.live.network import packet_filter, tunnel
from emucluster.live.network.dialer import DialError, TimedOut, dial
from emucluster.live.network.flows import ClosedBy, Flow, FlowLog, How
from emucluster.live.network.listener import BACKLOG, Listener
from emucluster.live.network.pipe import Connection
from emucluster.live.network.routes import Decision, Drop, Refuse, Route
from emucluster.live.network.sockets import (
    TCP_CLOSE,
    TCP_CLOSE_WAIT,
    Address,
    close_with_reset,
    read_tcp_info,
)

OnAccept: TypeAlias = Callable[[Address, Address], Decision]
FlowTest: TypeAlias = Callable[[Flow], bool]
State: TypeAlias = Literal["running", "frozen", "silent", "crashed"]
Means: TypeAlias = Literal["kernel filter", "imitated"]

MAX_PARKED = 1024
PARKED_S = 127.0
"""As long as a kernel would repeat an unanswered SYN."""
_SWEEP_S = 1.0
_HALF_CLOSED_GRACE_S = 3.0


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
        self.idle_timeout_s = idle_timeout_s
        self.idle_how = idle_how
        self.state: State = "running"
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._running = asyncio.Event()
        self._running.set()
        self._listeners: list[Listener] = []
        self._connections: set[Connection] = set()
        self._parked: dict[Connection, float] = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._changed: set[asyncio.Event] = set()
        self._sweeper = self._loop.call_later(self._sweep_period_s(), self._sweep)

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
    ) -> Listener:
        """Forward what arrives at `address`:`port` as `on_accept(client, local)` says.

        `hop` and `service` name the flow where the decision does not. Raises OSError.
        """

        def accepted(sock: socket.socket, client: Address, local: Address) -> None:
            connection = self.admit(sock, client, local, hop=hop, service=service)
            if connection is None:
                return
            try:
                decision = on_accept(client, local)
            except Exception as error:
                self._report(error)
                decision = Refuse(f"decision failed: {error}")
            self.carry_out(connection, decision)

        return self.add_listener(Listener(address, port, accepted, backlog=backlog))

    def add_listener(self, listener: Listener) -> Listener:
        """Make a listener, of a gateway or a tunnel for example, share the host's faults."""
        self._listeners.append(listener)
        listener.override(self._override())
        return listener

    def close_listener(self, listener: Listener) -> None:
        """Close it; its connections go on."""
        listener.close()
        self._listeners.remove(listener)

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
        if route.via is None:
            return await dial(
                route.destination, source=route.source, timeout_s=route.dial_timeout_s
            )
        connection.handshake_out = tunnel.STATUS_BYTES
        return await tunnel.dial_through(route, flow_id=flow.id, now_s=time.time())

    def park(self, connection: Connection, drop: Drop) -> None:
        """Never answer: keep the socket open and unread, for a bounded time and number."""
        connection.ignore("dropped", drop.reason)
        if len(self._parked) >= MAX_PARKED:
            next(iter(self._parked)).give_up()
        self._parked[connection] = self._loop.time() + PARKED_S

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
        self._parked.pop(connection, None)
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

    async def aclose(self) -> None:
        """Close everything with RST; returns once all sockets are closed."""
        self._sweeper.cancel()
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

    # What time does

    def _sweep_period_s(self) -> float:
        if self.idle_timeout_s is None:
            return _SWEEP_S
        return min(_SWEEP_S, max(0.05, self.idle_timeout_s / 4))

    def _sweep(self) -> None:
        self._sweeper = self._loop.call_later(self._sweep_period_s(), self._sweep)
        if self.state != "running":
            return
        now_s = self._loop.time()
        for connection in list(self._connections):
            if connection in self._parked:
                self._sweep_parked(connection, now_s)
            elif connection.dialling:
                self._sweep_dialling(connection)
            elif self.idle_timeout_s is not None and not connection.done:
                self._sweep_idle(connection, self.idle_timeout_s)

    def _sweep_parked(self, connection: Connection, now_s: float) -> None:
        gone = read_tcp_info(connection.client).state in (TCP_CLOSE, TCP_CLOSE_WAIT)
        if gone or now_s >= self._parked[connection]:
            connection.give_up()

    def _sweep_dialling(self, connection: Connection) -> None:
        """Stop dialling for a client that has gone; one that only half-closed gets some time."""
        state = read_tcp_info(connection.client).state
        waited_s = time.time() - connection.flow.start_s
        if state == TCP_CLOSE or (state == TCP_CLOSE_WAIT and waited_s > _HALF_CLOSED_GRACE_S):
            connection.reset(
                "timeout", "client", "client gave up while the destination was dialled"
            )

    def _sweep_idle(self, connection: Connection, timeout_s: float) -> None:
        if connection.idle_s() < timeout_s:
            return
        reason = f"idle for {timeout_s:g} s"
        if self.idle_how == "rst":
            connection.reset("timeout", "us", reason)
        else:
            connection.ignore("timeout", reason)
            self._parked[connection] = self._loop.time() + PARKED_S

    def _announce(self) -> None:
        for event in self._changed:
            event.set()

    def _report(self, error: Exception) -> None:
        self._loop.call_exception_handler(
            {"message": f"{self.host}: forwarding failed", "exception": error}
        )
