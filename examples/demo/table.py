"""The table of Service kinds, computed from what `demo.json` holds and from nothing else.

`python -m examples.demo.table demo.json` prints it again.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

COLUMNS = ("ClusterIP", "NodePort", "LoadBalancer", "Headless")
NOT_TRIED = "not tried"
SHOWN_MAX = 4
"""Addresses, or pods, listed in one cell; of more it says how many."""

Data = dict[str, Any]
Call = dict[str, Any]
Cell = Callable[[Data, str], str]


def table(data: Data) -> list[list[str]]:
    """Rows of cells, the header first; a cell may have several lines."""
    speed = data["cluster"]["speed"]
    rows: list[tuple[str, Cell]] = [
        ("reached from outside", lambda d, c: _reached(d, c, "outside")),
        ("  at", lambda d, c: _addresses(d, c, "outside")),
        ("reached from a pod", lambda d, c: _reached(d, c, "pod")),
        ("  at", lambda d, c: _addresses(d, c, "pod")),
        ("calls by entry node", _entry_nodes),
        ("calls by pod", _pods),
        ("lost when node died", _lost),
        ("  for how long", lambda d, c: _outage(d, c, scale=1)),
    ]
    if speed != 1:
        rows.append((f"  x {speed:g}", lambda d, c: _outage(d, c, scale=speed)))
    rows.append(("needs a cloud", _needs_cloud))
    return [["", *COLUMNS], *([name, *(cell(data, c) for c in COLUMNS)] for name, cell in rows)]


def render(rows: Sequence[Sequence[str]]) -> str:
    """The table in fixed columns; a row whose name is indented goes with the one above."""
    split = [[cell.split("\n") for cell in row] for row in rows]
    widths = [max(len(line) for row in split for line in row[i]) for i in range(len(rows[0]))]
    out: list[str] = []
    for cells in split:
        if out and not cells[0][0].startswith(" "):
            out.append("-+-".join("-" * width for width in widths))
        for number in range(max(map(len, cells))):
            line = (cell[number] if number < len(cell) else "" for cell in cells)
            out.append(" | ".join(f"{c:<{w}}" for c, w in zip(line, widths, strict=True)).rstrip())
    return "\n".join(out)


# --- cells


def calls_of(data: Data, column: str, phase: str, source: str = "", group: str = "") -> list[Call]:
    """The calls of one column and phase; empty `source` and `group` mean any."""
    return [
        call
        for call in data["calls"]
        if (call["column"], call["phase"]) == (column, phase)
        and source in ("", call["source"])
        and group in ("", call["group"])
    ]


def _reached(data: Data, column: str, source: str) -> str:
    calls = calls_of(data, column, "reach", source)
    good = sum(call["ok"] for call in calls)
    if not calls:
        return NOT_TRIED
    if good == len(calls):
        return f"yes, {good} of {len(calls)}"
    if good:
        return f"partly, {good} of {len(calls)}"
    return f"no: {why(calls[0])}"


def why(call: Call) -> str:
    """Why a call failed, in two or three words."""
    text = str(call["error"] or call["status"])
    for known in ("<pending>", "no route", "refused", "no pod", "no ready", "no endpoints"):
        if known in text:
            return known
    return str(call["status"]).lower().replace("_", " ")


def _addresses(data: Data, column: str, source: str) -> str:
    calls = [call for call in calls_of(data, column, "reach", source) if call["ok"]]
    return _listed(sorted({call["dialled"] for call in calls})) or "-"


def _listed(lines: Sequence[str]) -> str:
    shown = list(lines[:SHOWN_MAX])
    if len(lines) > SHOWN_MAX:
        shown[-1:] = [f"and {len(lines) - SHOWN_MAX + 1} more"]
    return "\n".join(shown)


def _spreading(data: Data, column: str) -> list[Call]:
    """Answered calls of one client with one address: from outside if that can be, else a pod's."""
    for source in ("outside", "pod"):
        if calls := [c for c in calls_of(data, column, "spread", source) if c["ok"]]:
            return calls
    return []


def _entry_nodes(data: Data, column: str) -> str:
    calls = _spreading(data, column)
    cell = _counts(Counter(str(call["entry_node"]) for call in calls))
    return f"{cell}\n(the client's own)" if calls and calls[0]["source"] == "pod" else cell


def _pods(data: Data, column: str) -> str:
    return _counts(Counter(short(str(call["pod"])) for call in _spreading(data, column)))


def _counts(counts: Counter[str]) -> str:
    return _listed([f"{name}: {count}" for name, count in sorted(counts.items())]) or "-"


def short(pod: str) -> str:
    """The end of a pod's name, which tells the replicas of one Deployment apart."""
    return pod.rsplit("-", 1)[-1]


def groups(data: Data, column: str) -> dict[str, list[Call]]:
    """The calls of the failure, by the group of clients that made them, the dead node's first."""
    found: dict[str, list[Call]] = {}
    for call in calls_of(data, column, "failure"):
        found.setdefault(call["group"], []).append(call)
    dead = (data.get("fault") or {}).get("node")
    return dict(sorted(found.items(), key=lambda item: (item[0] != dead, item[0])))


def _by_group(data: Data, column: str, cell: Callable[[list[Call]], str]) -> str:
    found = groups(data, column)
    if not data.get("fault") or not found:
        return NOT_TRIED
    if len(found) == 1:
        return cell(next(iter(found.values())))
    return "\n".join(f"{name}: {cell(calls)}" for name, calls in found.items())


def _lost(data: Data, column: str) -> str:
    return _by_group(data, column, lambda calls: f"{len(lost(calls))} of {len(calls)}")


def lost(calls: Sequence[Call]) -> list[Call]:
    """Those that got no reply."""
    return [call for call in calls if not call["ok"]]


def _outage(data: Data, column: str, *, scale: float) -> str:
    def cell(calls: list[Call]) -> str:
        seconds = outage_s(data, calls)
        if seconds is None:
            return "to the end"
        return f"{seconds * scale:.1f} s" if scale == 1 else f"{seconds * scale:.0f} s"

    return _by_group(data, column, cell)


def outage_s(data: Data, calls: Sequence[Call]) -> float | None:
    """From the loss of power until the last call began that failed; None: no call succeeded since.

    A call that was under way at the loss of power counts as begun at that moment.
    """
    failed = [call["started_s"] for call in lost(calls)]
    if not failed:
        return 0.0
    last_s = max(failed)
    if not any(call["ok"] and call["started_s"] > last_s for call in calls):
        return None
    return max(0.0, float(last_s - data["fault"]["injected_s"]))


def _needs_cloud(data: Data, column: str) -> str:
    """Measured where no cloud's controller looks after the Service, and by the paths of calls."""
    calls = calls_of(data, column, "no-cloud")
    if not calls:
        return NOT_TRIED
    failed = lost(calls)
    if failed:
        return f"yes, else {why(failed[0])}"
    passed = any(hop.startswith("lb/") for call in calls for hop in call["path"])
    return "yes" if passed else "no"


# --- the two causes of loss


CAUSES = ("detection", "endpoints", "no pod left", "on the node", "boot", "unknown")


def causes(data: Data) -> dict[str, list[Call]]:
    """The lost calls of the load balancer's clients, by the last hop that saw each of them."""
    found: dict[str, list[Call]] = {cause: [] for cause in CAUSES}
    for call in lost(calls_of(data, "LoadBalancer", "failure")):
        found[_cause(data, call)].append(call)
    return found


def _cause(data: Data, call: Call) -> str:
    dead, last = data["fault"]["node"], call["last_hop"]
    if call["started_s"] >= data["fault"]["injected_s"] + data["fault"]["for_s"]:
        return "boot"
    if last is None:
        return "unknown"
    if last["kind"] == "load-balancer":
        address = data["cluster"]["nodes"][dead]["address"]
        return "detection" if last["to"].startswith(f"{address}:") else "no pod left"
    if any(hop.partition(":")[0] == dead for hop in call["path"]):
        return "on the node"
    return "endpoints" if last["kind"] == "node-port" else "unknown"


def explain_causes(data: Data) -> list[str]:
    """Why calls through the load balancer were lost, a paragraph for each cause."""
    if not data.get("fault") or not calls_of(data, "LoadBalancer", "failure"):
        return ["No calls went through a load balancer while the node was dead: there is none."]
    found, dead = causes(data), data["fault"]["node"]
    checks = "Its health checks had not failed often enough yet"
    if found["no pod left"]:
        checks += "; later no target was healthy, and then all are used"
    lease = "externalTrafficPolicy is Cluster, and endpoints leave when the lease has run out"
    if not data["fault"]["pods"]:
        lease = "None of the Service's pods ran there"
    words = {
        "detection": (f"the load balancer still sent to {dead}", checks),
        "endpoints": (f"a healthy node chose a pod on {dead}", lease),
        "no pod left": ("a healthy node refused at once", "No ready pod was left to choose"),
        "on the node": (f"had come to {dead}, which fell silent", ""),
        "boot": (f"began after {dead} had its power back", "It was still booting"),
        "unknown": ("of which the records do not tell the cause", ""),
    }
    lines = ["Calls lost behind the load balancer, by the last hop that saw them:"]
    for cause, (what, reason) in words.items():
        if found[cause] or cause in ("detection", "endpoints"):
            lines.append(f"{len(found[cause]):4d}  {what}{_until(data, found[cause])}.")
            lines += [f"      {reason}."] if reason else []
    return lines


def _until(data: Data, calls: Sequence[Call]) -> str:
    if not calls:
        return ""
    last_s = max(0.0, max(call["started_s"] for call in calls) - data["fault"]["injected_s"])
    speed = data["cluster"]["speed"]
    scaled = f" (x {speed:g} = {last_s * speed:.0f} s)" if speed != 1 else ""
    return f", until {last_s:.1f} s{scaled} after the loss of power"


if __name__ == "__main__":
    document = json.loads(Path(sys.argv[1] if len(sys.argv) > 1 else "demo.json").read_text())
    print(render(table(document)))
    print()
    print("\n".join(explain_causes(document)))
