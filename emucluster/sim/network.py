"""Who can reach whom, and what a connection attempt, a request and a reset look like on the way."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import count
from typing import Literal

from .event_loop import EventLoop
from .flow import Flow, FlowEnd
from .host import Host
from .routes import Decision, Deliver, Deny, Drop, Onward, Refuse, Station

HOP_S = 0.0002
"""One way between two hosts of a region, on average."""
SYN_RETRIES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Waits between SYNs; the last ends in ETIMEDOUT (net.ipv4.tcp_syn_retries = 6)."""
UNACKNOWLEDGED_MAX_S = 924.6
"""How long Linux repeats data that nobody acknowledges (net.ipv4.tcp_retries2 = 15)."""

CheckResult = Literal["passed", "timeout", "refused", "bad-status"]
Then = Callable[[], None]


class Network:
    """Carries connections between stations. Connections are followed from end to end: a forwarder
    on the way passes them on, as NAT and passthrough load balancers do."""

    def __init__(self, loop: EventLoop, *, rng: random.Random) -> None:
        self.stations: dict[str, Station] = {}
        self._loop = loop
        self._rng = rng
        self._numbers = count(1)
        self._ports = count(32768)

    def new_flow(self, client_ip: str) -> Flow:
        """A connection of this client, not dialled yet, from a port of its own."""
        now_s = self._loop.now_s()
        client = (client_ip, 32768 + (next(self._ports) - 32768) % 28232)
        return Flow(next(self._numbers), client, now_s, client_ip, active_s=now_s)

    # --- connecting ------------------------------------------------------------------------------

    def dial(self, flow: Flow, origin: Sequence[Host], decide: Callable[[], Decision]) -> None:
        """Connect: through the client's own hosts, then as `decide` says there.

        Ends in `flow.on_open` or `flow.on_end`.
        """

        def leave_origin(attempt: int) -> None:
            if not flow.has_ended:
                self._carry_out(flow, decide(), lambda: self._again(attempt, flow, leave_origin))

        for host in origin:
            flow.enter(host)
        self._travel(origin, lambda: leave_origin(0))

    def _carry_out(self, flow: Flow, decision: Decision, retry: Then) -> None:
        match decision:
            case Onward():
                self._limit_dialling(flow, decision)
                self._syn(flow, decision, 0)
            case Deliver(server=server, source=source):
                flow.server, flow.source = server, source
                flow.enter(server.host)
                self._travel(flow.hops[-2::-1], lambda: self._opened(flow))
            case Refuse(reason=reason):
                self._end(flow, len(flow.hops), "refused", reason)
            case Deny(reason=reason):
                self._end(flow, len(flow.hops), "denied", reason)
            case Drop(reason=reason):
                flow.reason = reason
                retry()

    def _limit_dialling(self, flow: Flow, onward: Onward) -> None:
        if onward.dial_timeout_s is None:
            return
        depth = len(flow.hops)

        def give_up() -> None:
            if flow.state == "connecting" and flow.server is None:
                self._end(flow, depth, "refused", f"no answer from {onward.to[0]}:{onward.to[1]}")

        self._loop.call_later(onward.dial_timeout_s, give_up)

    def _syn(self, flow: Flow, onward: Onward, attempt: int) -> None:
        self._loop.call_later(self._hop_s(), lambda: self._syn_arrives(flow, onward, attempt))

    def _syn_arrives(self, flow: Flow, onward: Onward, attempt: int) -> None:
        if flow.has_ended or any(not flow.is_known_to(host) for host in flow.hops):
            return
        station = self.stations.get(onward.to[0])
        sender_is_off = bool(flow.hops) and flow.hops[-1].power == "silent"

        def again() -> None:
            if station is not None and flow.hops and flow.hops[-1] is station.host:
                flow.leave(flow.hops.pop())
            self._again(attempt, flow, lambda n: self._syn(flow, onward, n))

        if station is None or sender_is_off or station.host.power == "silent":
            self._again(attempt, flow, lambda n: self._syn(flow, onward, n))
        elif station.host.power == "crashed":
            reason = f"{onward.to[0]}:{onward.to[1]}: connection refused"
            self._end(flow, len(flow.hops), "refused", reason)
        else:
            flow.source = onward.source
            flow.enter(station.host)
            there = station
            there.host.arrive(lambda: self._accept(flow, there, onward, again))

    def _accept(self, flow: Flow, station: Station, onward: Onward, again: Then) -> None:
        if not flow.has_ended and flow.is_known_to(station.host):
            self._carry_out(flow, station.accept(flow, onward), again)

    def _again(self, attempt: int, flow: Flow, send: Callable[[int], None]) -> None:
        """Repeat an unanswered SYN as the client's kernel does, until that gives up."""
        wait_s = SYN_RETRIES_S[min(attempt, len(SYN_RETRIES_S) - 1)]
        gives_up_s = flow.started_s + sum(SYN_RETRIES_S)
        if self._loop.now_s() + wait_s >= gives_up_s:
            self._loop.call_at(gives_up_s, lambda: self._abandon(flow, "connection timed out"))
        else:
            self._loop.call_later(wait_s, lambda: send(attempt + 1))

    def _opened(self, flow: Flow) -> None:
        if flow.state == "connecting":
            flow.state = "open"
            callback, flow.on_open = flow.on_open, None
            if callback is not None:
                callback()

    # --- an open connection ----------------------------------------------------------------------

    def request(self, flow: Flow, answered: Then) -> None:
        """Send one request over an open flow; `answered` runs when its reply is back."""
        now_s = self._loop.now_s()
        idle_s, flow.active_s = now_s - flow.active_s, now_s
        if flow.idle is not None and idle_s >= flow.idle.timeout_s:
            if flow.idle.ends_with == "silence":
                self._unanswered(flow)
            else:
                why = f"idle for {flow.idle.timeout_s:g} s"
                self._loop.call_later(2 * self._hop_s(), lambda: flow.finish("reset", why))
            return
        self._forward(flow, 0, answered)

    def _forward(self, flow: Flow, index: int, answered: Then) -> None:
        if index == len(flow.hops):
            assert flow.server is not None
            server = flow.server
            back = server.host.bound(
                lambda: self._travel(flow.hops[-2::-1], lambda: self._answered(flow, answered))
            )
            server.serve(back)
            return
        host = flow.hops[index]

        def arrived() -> None:
            if flow.is_known_to(host):
                self._forward(flow, index + 1, answered)
            else:
                self._end(flow, index, "reset", f"{host.name} does not know the connection")

        def step() -> None:
            if not host.arrive(arrived):
                self._unanswered(flow)

        self._loop.call_later(self._hop_s(), step)

    def _answered(self, flow: Flow, answered: Then) -> None:
        if not flow.has_ended:
            flow.lost_s, flow.active_s = None, self._loop.now_s()
            answered()

    def _unanswered(self, flow: Flow) -> None:
        """Something was sent into silence; in a quarter of an hour the client's kernel gives up."""
        if flow.lost_s is not None or flow.has_ended:
            return
        flow.lost_s = since_s = self._loop.now_s()

        def give_up() -> None:
            if flow.lost_s == since_s:
                self._abandon(flow, "nobody acknowledged the data")

        self._loop.call_later(UNACKNOWLEDGED_MAX_S, give_up)

    # --- ends ------------------------------------------------------------------------------------

    def hang_up(self, flow: Flow) -> None:
        """The client closes it."""
        self._abandon(flow, "closed by the client")

    def reset(self, flow: Flow, host: Host, reason: str, *, how: FlowEnd = "reset") -> None:
        """`host` ends a connection: by RST, or by FIN when `how` is `closed`."""
        if flow.is_known_to(host):
            index = flow.hops.index(host)
            for beyond in flow.hops[index:]:
                flow.leave(beyond)
            self._end(flow, index, how, reason)

    def reset_all(self, host: Host, reason: str, *, how: FlowEnd = "reset") -> None:
        """As `reset`, for everything that passes `host`."""
        for flow in list(host.flows.values()):
            self.reset(flow, host, reason, how=how)

    def _end(self, flow: Flow, index: int, how: FlowEnd, reason: str) -> None:
        """News of the end go from before hop `index` back to the client; each host forgets."""
        if index == 0:
            flow.finish(how, reason)
            return
        host = flow.hops[index - 1]

        def arrived() -> None:
            flow.leave(host)
            self._end(flow, index - 1, how, reason)

        self._loop.call_later(self._hop_s(), lambda: host.arrive(arrived))

    def _abandon(self, flow: Flow, reason: str) -> None:
        flow.finish("timeout", reason)
        for host in list(flow.hops):
            flow.leave(host)

    # --- health checks ---------------------------------------------------------------------------

    def check(
        self,
        to: tuple[str, int],
        *,
        protocol: Literal["tcp", "http"],
        path: str,
        connect_timeout_s: float,
        timeout_s: float,
        done: Callable[[CheckResult], None],
    ) -> None:
        """One health check of a station's port; `done` is called exactly once."""
        pending, connected = True, False

        def finish(result: CheckResult) -> None:
            nonlocal pending
            if pending:
                pending = False
                connect_limit.cancel()
                limit.cancel()
                done(result)

        def not_connected() -> None:
            if not connected:
                finish("timeout")

        def send(attempt: int) -> None:
            if pending:
                self._loop.call_later(2 * self._hop_s(), lambda: arrive(attempt))

        def again(attempt: int) -> None:
            if attempt < len(SYN_RETRIES_S):
                self._loop.call_later(SYN_RETRIES_S[attempt], lambda: send(attempt + 1))

        def arrive(attempt: int) -> None:
            nonlocal connected
            station = self.stations.get(to[0])
            power = "silent" if station is None else station.host.power
            if station is None or power == "silent":
                again(attempt)
            elif power == "crashed":
                finish("refused")
            elif power == "frozen" and protocol == "tcp":
                finish("passed")  # its kernel accepts
            else:
                connected = True
                station.host.arrive(lambda: answer(station, attempt))

        def answer(station: Station, attempt: int) -> None:
            nonlocal connected
            found = station.answer_check(to[1], protocol, path)
            if found == "dropped":
                connected = False
                again(attempt)
            else:
                finish(found)

        connect_limit = self._loop.call_later(connect_timeout_s, not_connected)
        limit = self._loop.call_later(timeout_s, lambda: finish("timeout"))
        send(0)

    # --- parts -----------------------------------------------------------------------------------

    def _travel(self, hosts: Sequence[Host], then: Then) -> None:
        """Pass host by host; where one is silent or crashed, that is the end of it."""
        if not hosts:
            self._loop.call_later(self._hop_s(), then)
            return
        first, rest = hosts[0], hosts[1:]
        self._loop.call_later(self._hop_s(), lambda: first.arrive(lambda: self._travel(rest, then)))

    def _hop_s(self) -> float:
        return HOP_S * self._rng.uniform(0.5, 1.5)
