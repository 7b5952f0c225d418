"""Clients: connections that are held, and calls over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from emucluster.runtime import CALL_TIMEOUT_S, CallResult, Outcome

from .event_loop import EventLoop, Timer
from .flow import Flow, FlowEnd
from .network import Network
from .routes import Server

_RESULTS: dict[FlowEnd, CallResult] = {
    "refused": "refused",
    "denied": "denied",
    "timeout": "timeout",
    "reset": "reset",
    "closed": "reset",
}

Done = Callable[[Outcome], None]
Dial = Callable[[], Flow]
"""Makes a flow and dials it."""


@dataclass(slots=True, eq=False)
class _Call:
    started_s: float
    done: Done
    deadline: Timer | None = None
    is_over: bool = False


class Channel:
    """A client's connection that is dialled again by the first call after its end.

    `begin` is for what goes on beside others; `SimConnection` waits for the outcome.
    """

    def __init__(self, loop: EventLoop, network: Network, dial: Dial) -> None:
        self._loop, self._network, self._dial = loop, network, dial
        self._flow: Flow | None = None
        self._calls: dict[_Call, None] = {}

    def begin(self, timeout_s: float, done: Done) -> None:
        """Start a call; `done` is called once, at the latest after `timeout_s`."""
        call = _Call(self._loop.now_s(), done)
        call.deadline = self._loop.call_later(
            timeout_s, lambda: self._finish(call, "timeout", f"no reply within {timeout_s:g} s")
        )
        self._calls[call] = None
        if self._flow is None or self._flow.has_ended:
            self._flow = flow = self._dial()
            flow.on_open = self._send_all
            flow.on_end = lambda: self._lost(flow)
            if flow.has_ended:
                self._lost(flow)
        elif self._flow.state == "open":
            self._send(self._flow, call)

    def close(self) -> None:
        """End the connection; calls that are under way get no answer."""
        if self._flow is not None:
            self._network.hang_up(self._flow)
            self._flow = None

    def _send_all(self) -> None:
        assert self._flow is not None
        for call in list(self._calls):
            self._send(self._flow, call)

    def _send(self, flow: Flow, call: _Call) -> None:
        self._network.request(flow, lambda: self._answered(flow, call))

    def _answered(self, flow: Flow, call: _Call) -> None:
        assert flow.server is not None
        self._finish(call, "ok", "", server=flow.server, source=flow.source)

    def _lost(self, flow: Flow) -> None:
        """The connection is over, and so is every call that it carried."""
        if flow is not self._flow:
            return
        assert flow.end is not None
        for call in list(self._calls):
            self._finish(call, _RESULTS[flow.end], flow.reason)

    def _finish(
        self,
        call: _Call,
        result: CallResult,
        reason: str,
        *,
        server: Server | None = None,
        source: str = "",
    ) -> None:
        if call.is_over:
            return
        call.is_over = True
        self._calls.pop(call, None)
        if call.deadline is not None:
            call.deadline.cancel()
        latency_s = self._loop.now_s() - call.started_s
        pod, node = (server.pod, server.node) if server is not None else ("", "")
        call.done(Outcome(result, pod, node, source, latency_s, reason))


class SimConnection:
    """`emucluster.runtime.Connection` on virtual time."""

    def __init__(self, loop: EventLoop, channel: Channel) -> None:
        self._loop, self._channel = loop, channel

    def call(self, timeout_s: float = CALL_TIMEOUT_S) -> Outcome:
        """One call; virtual time passes until it is over."""
        outcomes: list[Outcome] = []
        until_s = self._loop.now_s() + timeout_s
        self._channel.begin(timeout_s, outcomes.append)
        while not outcomes:
            self._loop.run_one(until_s)
        return outcomes[0]

    def close(self) -> None:
        self._channel.close()
