"""Chapter 3: a node loses power while clients of every kind call."""

from __future__ import annotations

import threading
import time
from typing import Any

import emucluster as emu

from . import table
from .calling import HEADLESS, INSIDE
from .setting import Setting
from .story import Story
from .traffic import Group, Made, Steady, Traffic
from .watch import Watch

LEASE_PATH_S = 65.0
"""Until a dead node is NotReady at the latest: 50 s of grace, and the lease's and monitor's turns;
divided by the speed as they are."""
MARGIN_S = 2.5
RECOVERY_S = 30.0
BEFORE_S = 1.5
AFTER_S = 1.0


def groups(setting: Setting, cloud: str) -> list[Group]:
    """The clients: each makes one call at a time, each call on a connection of its own."""
    dead, healthy, node_port = setting.victim, setting.healthy, "service/web-nodeport"
    found = [
        Group("ClusterIP", "web", INSIDE, "service/web", lanes=3),
        Group("NodePort", dead, "outside", node_port, node=dead, lanes=2),
        Group("NodePort", healthy, "outside", node_port, node=healthy, lanes=3),
    ]
    if cloud != "none":
        found.append(Group("LoadBalancer", "web-lb", "outside", "service/web-lb", lanes=6))
    name = f"{HEADLESS}:50051"
    return [*found, Group("Headless", "web-headless", INSIDE, name, asks_dns=True, lanes=3)]


class Failure:
    """The loss of power and what follows; `run` tells it and returns what demo.json keeps."""

    def __init__(self, story: Story, traffic: Traffic, setting: Setting, cloud: str) -> None:
        self._story = story
        self._traffic = traffic
        self._setting = setting
        self._groups = groups(setting, cloud)
        self._cloud = cloud
        self._injected_s = 0.0
        self._ends_s = float("inf")
        self._first: dict[Group, float] = {}
        self._lock = threading.Lock()
        self._events: list[dict[str, Any]] = []

    def run(self) -> dict[str, Any]:
        """All of it, until everything is as before."""
        session, node = self._traffic.session, self._setting.victim
        for_s = LEASE_PATH_S / self._story.speed + MARGIN_S
        watch = Watch(session, node, self._notice)
        steady = Steady(self._traffic, self._groups, self._failed)
        with watch, steady:
            time.sleep(BEFORE_S)
            fault = self._inject(session, for_s)
            watch.wait(lambda: not watch.node_ready and self._out(watch), for_s)
            time.sleep(max(0.0, self._ends_s - time.time()))
            self._notice(self._ends_s, "power", f"is back at {node}, which boots", False)
            if not watch.wait(lambda: self._whole(watch), RECOVERY_S):
                self._notice(time.time(), "demo", f"{node} did not come back in time", False)
            time.sleep(AFTER_S)
        calls = self._traffic.records(steady.made)
        data = {"fault": self._fault(fault, for_s), "events": self._events, "calls": calls}
        self._summary(data)
        return data

    def _inject(self, session: emu.Session, for_s: float) -> emu.Fault:
        node = self._setting.victim
        zone = self._setting.nodes[node][0]
        pods = ", ".join(map(table.short, self._setting.pods_on(node))) or "no pod of web"
        self._injected_s = time.time()  # clients may fail before the call below returns
        fault = session.inject("power-off", f"node/{node}", for_s=for_s)
        self._injected_s = fault.injected_s
        self._ends_s = fault.ends_s or fault.injected_s + for_s
        how = f"{fault.mechanism}, for {for_s:.1f} s"
        self._notice(fault.injected_s, "power", f"is off at {node} ({zone}, {pods}): {how}", False)
        return fault

    def _out(self, watch: Watch) -> bool:
        """Whether nobody uses the dead node any more."""
        is_out = watch.target == "unhealthy" or self._cloud == "none"
        return is_out and not watch.endpoints_ready

    def _whole(self, watch: Watch) -> bool:
        uses = watch.target == "healthy" or self._cloud == "none"
        pods = not self._setting.pods_on(watch.node) or watch.endpoints_ready > 0
        return uses and watch.node_ready and pods

    def _failed(self, made: Made) -> None:
        """The first failure of each group of clients is news."""
        if made.call.ok or not self._injected_s:
            return
        with self._lock:
            if made.group in self._first:
                return
            self._first[made.group] = made.call.ended_s
        node = self._setting.victim
        where = {"NodePort": f"NodePort at {made.group.name}"}.get(made.group.column)
        text = f"first lost call: {where or made.group.column}"
        if made.group.name == node:
            text += ", the node without power"
        self._notice(made.call.ended_s, "clients", text, False)

    def _notice(self, wall_s: float, who: str, what: str, scales: bool = True) -> None:
        after_s = wall_s - self._injected_s
        scales = scales and wall_s < self._ends_s  # recovery has another beginning
        self._events.append({"wall_s": round(wall_s, 3), "by": who, "what": what})
        self._story.event(after_s, who, what, scales=scales)

    def _fault(self, fault: emu.Fault, for_s: float) -> dict[str, Any]:
        return {
            "node": self._setting.victim,
            "kind": fault.kind,
            "mechanism": fault.mechanism,
            "injected_s": fault.injected_s,
            "for_s": for_s,
            "pods": self._setting.pods_on(self._setting.victim),
        }

    def _summary(self, data: dict[str, Any]) -> None:
        """Calls and losses of each group, and when."""
        rows = [["CLIENTS", "CALLS", "LOST", "LOST CALLS BEGAN"]]
        for group in self._groups:
            calls = [c for c in data["calls"] if c["group"] == group.name]
            failed = [c["started_s"] - self._injected_s for c in table.lost(calls)]
            span = f"{max(0.0, min(failed)):.1f} to {max(failed):.1f} s after" if failed else "-"
            name = f"NodePort at {group.name}" if group.column == "NodePort" else group.column
            rows.append([f"{group.lanes} x {name}", str(len(calls)), str(len(failed)), span])
        self._story.say()
        self._story.columns(rows)
