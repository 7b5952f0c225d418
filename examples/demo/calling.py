"""Chapter 2: calls to each kind of Service, from outside and from a pod."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import emucluster as emu

from . import table
from .setting import NO_CLOUD, Setting
from .story import Story
from .traffic import Group, Traffic

INSIDE = "pod/client"
HEADLESS = "web-headless.default.svc.cluster.local"
CALLS = 6
Record = dict[str, Any]


def groups(setting: Setting) -> list[Group]:
    """Who calls what in chapter 2, in the order in which it is told."""
    cluster_ip = (setting.services["web"].spec.cluster_ip or "", 80)
    pod_ip = (next((ip for _node, ip in setting.web.values()), "127.32.1.2"), 50051)
    return [
        Group("ClusterIP", "web", "outside", "service/web", address=cluster_ip),
        Group("ClusterIP", "web", INSIDE, "service/web"),
        *(
            Group("NodePort", "web-nodeport", "outside", "service/web-nodeport", node=node)
            for node in setting.nodes
        ),
        Group("NodePort", "web-nodeport", INSIDE, "service/web-nodeport"),
        Group("LoadBalancer", "web-lb", "outside", "service/web-lb"),
        Group("LoadBalancer", "web-lb", INSIDE, "service/web-lb"),
        Group("Headless", "web-headless", "outside", "service/web-headless", address=pod_ip),
        Group("Headless", "web-headless", INSIDE, f"{HEADLESS}:50051", asks_dns=True),
    ]


def reach(story: Story, traffic: Traffic, setting: Setting) -> list[Record]:
    """A few calls to every address from everywhere, and who answered."""
    every: list[Record] = []
    rows = [["FROM", "SERVICE", "DIALLED", "ANSWERED", "ENTERED AT", "PODS"]]
    count = max(CALLS, len(setting.web))
    for group in groups(setting):
        calls = traffic.burst(group, "reach", count)
        every += calls
        rows.append([calls[0]["source"], group.name, *_row(calls)])
    story.columns(rows)
    _refusals(story, every)
    story.say()
    story.line("One connection through each, joined from the flow records of its hops:")
    story.columns(_paths(every))
    return every


def _row(calls: list[Record]) -> list[str]:
    good = [call for call in calls if call["ok"]]
    dialled = sorted({call["dialled"] for call in calls if call["dialled"]})
    return [
        f"{len(dialled)} pod IPs, by DNS" if len(dialled) > 1 else "".join(dialled) or "-",
        f"{len(good)} of {len(calls)}" if good else table.why(calls[0]),
        _counts(call["entry_node"] for call in good),
        _counts(table.short(call["pod"]) for call in good),
    ]


def _counts(names: Iterable[str]) -> str:
    counts = Counter(names)
    if len(counts) > table.SHOWN_MAX:
        fewest, most = min(counts.values()), max(counts.values())
        return f"{len(counts)}, each {fewest}" + (f" to {most}" if most > fewest else "")
    return " ".join(f"{name}:{count}" for name, count in sorted(counts.items())) or "-"


def _paths(calls: list[Record]) -> list[list[str]]:
    """Of each kind the longest path, from outside where that can be."""
    rows = []
    for column in table.COLUMNS:
        good = [call for call in calls if call["ok"] and call["column"] == column]
        if good:
            call = max(good, key=lambda c: (c["source"] == "outside", len(c["path"])))
            hops = [hop.removeprefix("lb/default/") for hop in call["path"]]
            start = [] if call["source"] == "outside" else ["pod client"]
            rows.append([column, " > ".join([*start, *hops, f"pod {table.short(call['pod'])}"])])
    return rows


def _refusals(story: Story, calls: list[Record]) -> None:
    refused = {call["column"]: call for call in calls if not call["ok"]}
    if not refused:
        return
    story.say()
    for column, call in refused.items():
        reason = str(call["error"]).partition(": ")[2] or str(call["error"])
        reason = reason.partition(". ")[0]
        story.line(f"{column} from {call['source']}: {reason}")


def spread(traffic: Traffic, setting: Setting) -> list[Record]:
    """What one client with one address sees: the rows on spreading in the table."""
    first = next(iter(setting.nodes))
    wanted = [g for g in groups(setting) if g.node in ("", first) and g.address is None]
    return [call for group in wanted for call in traffic.burst(group, "spread", 30)]


def sharing(story: Story, session: emu.Session) -> list[Record]:
    """gRPC keeps its connection: what is balanced by connection, is not by call."""
    every: list[Record] = []
    with session.client(INSIDE) as inside:
        for column, target in (("ClusterIP", "web"), ("Headless", "web-headless")):
            for call in inside.run(f"service/{target}", emu.Plan(count=12, shared=True)):
                record = {**call.to_json(), "column": column, "group": target, "phase": "shared"}
                every.append({**record, "source": "pod", "dialled": "", "entry_node": None})
                every[-1]["last_hop"] = None
    said = [
        f"{_counts(table.short(c['pod']) for c in every if c['ok'] and c['column'] == column)}"
        for column in ("ClusterIP", "Headless")
    ]
    story.say()
    story.line(
        "gRPC keeps its connection, and Services choose per connection. 12 calls on one channel: "
        f"by ClusterIP {said[0]}; headless, round_robin in the client, {said[1]}."
    )
    return every


def outside_name(story: Story, traffic: Traffic) -> None:
    """ExternalName: a name for a name."""
    name = "legacy.default.svc.cluster.local"
    alias = " ".join(traffic.lookup(name, "CNAME")) or "nothing"
    with traffic.session.client(INSIDE) as inside:
        call = inside.attempt("service/legacy:80", timeout_s=2.0)
    answer = f"a call to it reached {call.pod}" if call.ok else f"it did not answer: {call.error}"
    story.line(f"ExternalName: {name} is a CNAME of {alias} and {answer}, outside.")


def without_cloud(traffic: Traffic, setting: Setting) -> list[Record]:
    """The same pods behind a Service that no cloud's controller looks after."""
    name = NO_CLOUD
    node = next(iter(setting.nodes))
    wanted = [
        Group("ClusterIP", name, INSIDE, f"service/{name}"),
        Group("NodePort", name, "outside", f"service/{name}", node=node),
        Group("LoadBalancer", name, "outside", f"service/{name}"),
        Group("Headless", "web-headless", INSIDE, f"{HEADLESS}:50051", asks_dns=True),
    ]
    return [call for group in wanted for call in traffic.burst(group, "no-cloud", 2)]
