"""Who noticed what, and when: the API server's watch, and what the load balancer believes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import emucluster as emu
from emucluster.client.api import ApiClient, Change
from emucluster.client.lab import AgentClient
from emucluster.core.objects import EndpointSlice, Node, Pod

from .table import short

POLL_S = 0.1

Say = Callable[[float, str, str], None]
"""Told of each thing noticed: wall clock, by whom, what."""


class Watch:
    """Watches one node, the endpoints and pods on it, and the load balancer's view of it."""

    def __init__(self, session: emu.Session, node: str, say: Say) -> None:
        self.node = node
        self.node_ready = True
        self.endpoints_ready = 0
        self.restarts: dict[str, int] = {}
        self.target = ""
        self._say = say
        self._stop = threading.Event()
        self._slices: dict[str, dict[str, bool]] = {}
        self._started = False
        record = session.record
        self._api = ApiClient(record.api, record.token)
        balancers = [m for m in session.machines() if m.kind == "load-balancer"]
        self._agent = AgentClient(balancers[0], record.token) if balancers else None
        self._balancer = balancers[0].name.rpartition("/")[2] if balancers else ""
        self._threads = [threading.Thread(target=self._follow, daemon=True)]
        if self._agent is not None:
            self._threads.append(threading.Thread(target=self._poll, daemon=True))

    def __enter__(self) -> Watch:
        for thread in self._threads:
            thread.start()
        self.wait(lambda: self._started, 10)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        self._api.close()
        for thread in self._threads:
            thread.join(timeout=5)
        if self._agent is not None:
            self._agent.close()

    def wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Whether the condition came true in time."""
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline_s:
                return False
            time.sleep(POLL_S / 2)
        return True

    # --- the control plane's view

    def _follow(self) -> None:
        try:
            kinds = ("Node", "EndpointSlice", "Pod")
            for change in self._api.watch(kinds, timeout_s=None):
                if change is None:
                    self._started = True
                else:
                    self._take(change)
        except (emu.EmuclusterError, ValueError):
            pass  # closed at the end

    def _take(self, change: Change) -> None:
        obj = change.object
        if isinstance(obj, Node) and obj.metadata.name == self.node:
            self._take_node(obj)
        elif isinstance(obj, EndpointSlice):
            self._take_slice(obj)
        elif isinstance(obj, Pod) and obj.spec.node_name == self.node:
            self._take_pod(obj)

    def _take_node(self, node: Node) -> None:
        ready = next((c for c in node.status.conditions if c.type == "Ready"), None)
        is_ready = ready is not None and ready.status == "True"
        if is_ready != self.node_ready:
            words = "is Ready again" if is_ready else "is NotReady: the lease ran out"
            self._notice("control plane", f"{self.node} {words}")
        self.node_ready = is_ready

    def _take_slice(self, piece: EndpointSlice) -> None:
        self._slices[piece.metadata.name] = {
            (end.target_ref.name if end.target_ref else None) or "?": True
            for end in piece.endpoints
            if end.node_name == self.node and end.conditions.ready is not False
        }
        before, self.endpoints_ready = self.endpoints_ready, sum(map(len, self._slices.values()))
        if before and not self.endpoints_ready:
            self._notice("control plane", "its endpoints have left every Service")
        elif self.endpoints_ready and not before:
            self._notice("control plane", "its pods are endpoints again")

    def _take_pod(self, pod: Pod) -> None:
        for status in pod.status.container_statuses:
            name, count = pod.metadata.name, status.restart_count
            if count > self.restarts.get(name, count):
                text = f"pod {short(name)} was restarted (restart count {count})"
                self._notice(f"kubelet {self.node}", text)
            self.restarts[name] = count

    # --- the load balancer's view

    def _poll(self) -> None:
        assert self._agent is not None
        known = -1
        while not self._stop.wait(POLL_S):
            try:
                history = json.loads(self._agent.describe())["history"]
            except emu.EmuclusterError:
                continue
            mine = [entry for entry in history if entry["node"] == self.node]
            for entry in mine[known:] if known >= 0 else []:
                self._take_target(entry)
            known = len(mine)

    def _take_target(self, entry: dict[str, Any]) -> None:
        self.target = entry["state"]
        reason = entry["reason"].removeprefix("health check: ")
        text = {
            "unhealthy": f"takes {self.node} out: health check {reason}",
            "healthy": f"uses {self.node} again",
        }.get(self.target, f"{self.node} is {self.target}: {entry['reason']}")
        self._say(entry["wall_s"], f"lb {self._balancer}", text)

    def _notice(self, who: str, what: str) -> None:
        if self._started:
            self._say(time.time(), who, what)
