"""The cluster as a picture: who called by which way, who was where, who was hit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from emucluster.experiment.history import FaultRecord
from emucluster.experiment.topology import NodeInfo, Topology, natural
from emucluster.report.page.clients import Client
from emucluster.report.page.marks import marks_of

WIDTH = 1080
GAP = 16
CLIENT_WIDTH, CLIENT_HEIGHT = 204, 62
SMALL_HEIGHT = 34
NODE_WIDTH_MIN, NODE_HEAD, LINE = 158, 26, 18
PODS_MAX = 6
ZONES_A_ROW = 4
NODES_MAX = 60
OUTSIDE = "outside"
HIT, PEER, BOTH = "✕", "→", "↔"
CHAR = 6.7
"""Pixels of a character, generously, for cutting texts that would not fit."""


class Box(Struct, frozen=True, kw_only=True):
    """A rectangle with lines of text.

    Attributes:
        kind: its style.
        title: what a pointer shows.
        mark: `hit`, or `peer` of a link that is hit.
    """

    x: float
    y: float
    width: float
    height: float
    kind: str
    lines: tuple[str, ...] = ()
    title: str = ""
    mark: Literal["", "hit", "peer"] = ""

    def border(self, other: Box) -> tuple[float, float]:
        """Where the line from the middle of this box to that of another one leaves it."""
        x, y = self.x + self.width / 2, self.y + self.height / 2
        dx, dy = other.x + other.width / 2 - x, other.y + other.height / 2 - y
        inside = [
            half / abs(way) for half, way in ((self.width / 2, dx), (self.height / 2, dy)) if way
        ]
        share = min(1.0, *inside) if inside else 0.0
        return round(x + share * dx, 1), round(y + share * dy, 1)


class Link(Struct, frozen=True, kw_only=True):
    """A way that calls take; `is_hit`: one whose packets a fault hits."""

    x1: float
    y1: float
    x2: float
    y2: float
    title: str = ""
    is_hit: bool = False


class Picture(Struct, frozen=True, kw_only=True):
    """Boxes over links; `note` says what was left out, `has_peers` whether links are hit."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    links: tuple[Link, ...]
    note: str = ""
    has_peers: bool = False


def picture(
    topology: Topology, clients: Sequence[Client], faults: Sequence[FaultRecord]
) -> Picture:
    """Clients above, then load balancers, then zones with their nodes and pods."""
    return _Drawing(topology, clients, faults).picture()


class _Drawing:
    """One picture in the making, from top to bottom."""

    def __init__(
        self, topology: Topology, clients: Sequence[Client], faults: Sequence[FaultRecord]
    ) -> None:
        self._topology = topology
        self._clients = clients
        self._boxes: list[Box] = []
        self._links: list[Link] = []
        self._marks = marks_of(faults)
        self._nodes: dict[str, Box] = {}
        self._zones: dict[str, Box] = {}
        self._balancers: dict[str, Box] = {}
        self._by_target: dict[str, list[Box]] = {}

    def picture(self) -> Picture:
        outside = [client for client in self._clients if client.place == OUTSIDE]
        drawn = self._row_of_clients(outside)
        y = self._row_of_balancers(drawn[0][1].height + 44 if drawn else 0)
        shown = self._topology.sorted_nodes[:NODES_MAX]
        height = self._rows_of_zones(y, shown)
        for client, box in drawn:
            self._connect(client, box)
        for box in self._balancers.values():
            for zone in self._zones.values():
                self._link(box, zone, "the load balancer's targets are nodes")
        self._draw_hit_ways()
        left_out = len(self._topology.nodes) - len(shown)
        return Picture(
            width=WIDTH,
            height=max(height, 1),
            boxes=tuple(self._boxes),
            links=tuple(self._links),
            note=f"{left_out} more nodes are not drawn." if left_out else "",
            has_peers=bool(self._marks.peers),
        )

    # --- rows ------------------------------------------------------------------------------------

    def _row_of_clients(self, outside: Sequence[Client]) -> list[tuple[Client, Box]]:
        drawn: list[tuple[Client, Box]] = []
        if not outside:
            return drawn
        width = min(CLIENT_WIDTH, (WIDTH - GAP * (len(outside) - 1)) / len(outside))
        for index, client in enumerate(outside):
            way = f"{client.target} at {client.node}" if client.node else client.target
            told = (client.name, way, client.load)
            title, marks = " | ".join(told), self._marks_of(OUTSIDE)
            lines = (*told, *marks)
            height = CLIENT_HEIGHT + LINE * len(marks)
            x = index * (width + GAP)
            box = self._box(x, 1, width, height, "client", lines, target=OUTSIDE, title=title)
            drawn.append((client, box))
        return drawn

    def _row_of_balancers(self, y: float) -> float:
        names = self._topology.load_balancers
        x, lowest = 0.0, 0.0
        for target in [*names, "control-plane"]:
            name = target.removeprefix("lb/")
            label = f"load balancer {name}" if target != name else "control plane"
            lines = (label, *self._marks_of(target))
            height = SMALL_HEIGHT + LINE * (len(lines) - 1)
            most = max(map(len, lines))
            width = min(300.0, max(140.0, most * CHAR + 28))
            if target == "control-plane":
                x = WIDTH - width
            box = self._box(x, y + 1, width, height, "balancer", lines, target=target)
            lowest = max(lowest, height)
            if target != "control-plane":
                self._balancers[name] = box
            x += width + GAP
        return y + lowest + 44

    def _rows_of_zones(self, y: float, nodes: Sequence[NodeInfo]) -> float:
        by_zone: dict[str, list[NodeInfo]] = {}
        for node in nodes:
            by_zone.setdefault(node.zone, []).append(node)
        zones = sorted(by_zone, key=natural)
        a_row = max(1, min(ZONES_A_ROW, len(zones)))
        width = (WIDTH - GAP * (a_row - 1)) / a_row
        for first in range(0, len(zones), a_row):
            row = zones[first : first + a_row]
            places = [column * (width + GAP) for column in range(len(row))]
            heights = [
                self._nodes_of(x, y, width, zone, by_zone[zone])
                for x, zone in zip(places, row, strict=True)
            ]
            for x, zone in zip(places, row, strict=True):
                lines = (zone or "no zone", *self._inside(zone))
                self._zones[zone] = self._box(x, y, width, max(heights), "zone", lines)
            y += max(heights) + GAP
        return y

    def _inside(self, zone: str) -> list[str]:
        """Client groups that stand in a zone."""
        return [
            f"{client.name} > {client.target}, {client.load}"
            for client in self._clients
            if client.place == f"zone/{zone}"
        ]

    def _nodes_of(
        self, x: float, y: float, width: float, zone: str, nodes: Sequence[NodeInfo]
    ) -> float:
        """Draw a zone's nodes; returns the height that the zone needs."""
        a_row = max(1, int((width - 8) // (NODE_WIDTH_MIN + 8)))
        node_width = (width - 8 - 8 * a_row) / a_row
        at_y = y + 30 + LINE * len(self._inside(zone))
        for first in range(0, len(nodes), a_row):
            row = nodes[first : first + a_row]
            heights = [
                self._node(x + 8 + column * (node_width + 8), at_y, node_width, node)
                for column, node in enumerate(row)
            ]
            at_y += max(heights) + 8
        return at_y - y

    def _node(self, x: float, y: float, width: float, node: NodeInfo) -> float:
        pods = [pod for pod in self._topology.sorted_pods if pod.node == node.name]
        inside = [c for c in self._clients if c.place == f"node/{node.name}"]
        notes = [(f"{client.name} > {client.target}", "", "in") for client in inside]
        for part in ("kube-proxy", "dns"):
            if f"{part}/{node.name}" in self._marks.hit:
                notes.append((part, f"{part}/{node.name}", "pod"))
        notes += [(pod.name, pod.target, "pod") for pod in pods[:PODS_MAX]]
        if len(pods) > PODS_MAX:
            notes.append((f"and {len(pods) - PODS_MAX} more pods", "", "in"))
        lines = (node.name, *self._marks_of(f"node/{node.name}"))
        head = NODE_HEAD + LINE * (len(lines) - 1)
        height = head + len(notes) * (LINE + 2) + 6
        self._nodes[node.name] = self._box(
            x, y, width, height, "node", lines, target=f"node/{node.name}"
        )
        for index, (text, target, kind) in enumerate(notes):
            at_y = y + head + index * (LINE + 2)
            self._box(x + 6, at_y, width - 12, LINE, kind, (text,), target=target)
        return height

    # --- pieces ----------------------------------------------------------------------------------

    def _box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        kind: str,
        lines: tuple[str, ...],
        *,
        target: str = "",
        title: str = "",
    ) -> Box:
        hit, peers = self._marks.hit.get(target, ()), self._marks.peers.get(target, ())
        if kind == "pod" and (hit or peers):
            lines = (f"{BOTH if hit and peers else HIT if hit else PEER} {lines[0]}",)
        told = [f"hit by {', '.join(hit)}"] if hit else []
        told += [f"its packets are hit by {', '.join(peers)}"] if peers else []
        box = Box(
            x=round(x, 1),
            y=round(y, 1),
            width=round(width, 1),
            height=round(height, 1),
            kind=kind,
            lines=tuple(cut(line, width - 14) for line in lines),
            title=f"{title or target}: {'; '.join(told)}" if told else title or target,
            mark="hit" if hit else "peer" if peers else "",
        )
        self._boxes.append(box)
        if target:
            self._by_target.setdefault(target, []).append(box)
        return box

    def _marks_of(self, target: str) -> tuple[str, ...]:
        """A line for each kind of mark, with the names of the faults."""
        hit, peers = self._marks.hit.get(target, ()), self._marks.peers.get(target, ())
        kinds = {
            HIT: [name for name in hit if name not in peers],
            PEER: [name for name in peers if name not in hit],
            BOTH: [name for name in hit if name in peers],
        }
        return tuple(f"{mark} {', '.join(names)}" for mark, names in kinds.items() if names)

    def _draw_hit_ways(self) -> None:
        for way in self._marks.ways:
            for one in self._by_target.get(way.peer, ()):
                for other in self._by_target.get(way.target, ()):
                    (x1, y1), (x2, y2) = one.border(other), other.border(one)
                    title = f"{way.fault}: from {way.peer} to {way.target}"
                    self._links.append(Link(x1=x1, y1=y1, x2=x2, y2=y2, title=title, is_hit=True))

    def _connect(self, client: Client, box: Box) -> None:
        """To the load balancer of its Service, to its node, or to all zones."""
        service = client.target.removeprefix("service/").partition(":")[0]
        balancer = next(
            (b for name, b in self._balancers.items() if name.partition("/")[2] == service), None
        )
        if client.node:
            ends = [self._nodes[client.node]] if client.node in self._nodes else []
        elif balancer is not None:
            ends = [balancer]
        else:
            ends = list(self._zones.values())
        for end in ends:
            self._link(box, end, f"{client.name} to {client.target}")

    def _link(self, one: Box, other: Box, title: str) -> None:
        self._links.append(
            Link(
                x1=one.x + one.width / 2,
                y1=one.y + one.height,
                x2=other.x + other.width / 2,
                y2=other.y,
                title=title,
            )
        )


def cut(text: str, width: float) -> str:
    """The text, or as much of it as fits."""
    most = max(1, int(width / CHAR))
    return text if len(text) <= most else f"{text[: most - 1]}…"
