"""What the page says and draws, before a browser draws it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from emucluster.experiment.history import FaultRecord
from emucluster.experiment.measures.rates import Goodput
from emucluster.experiment.result import Trial
from emucluster.report.notes import notes
from emucluster.report.page.budgets import budgets
from emucluster.report.page.clients import clients_of
from emucluster.report.page.marks import WAYS_MAX
from emucluster.report.page.topology import Picture, picture
from emucluster.report.page.trial import goodput, trial_view
from tests.experiment.build import fault
from tests.report.synthetic import TREE, run, topology


def drawn(*faults: FaultRecord) -> Picture:
    return picture(topology(), clients_of(TREE, topology()), faults)


def link(target: str, *peers: str, **fields: Any) -> FaultRecord:
    return fault(fault="slow", kind="latency", target=target, peers=peers, **fields)


def marks(found: Picture) -> dict[str, str]:
    return {box.lines[0]: box.mark for box in found.boxes if box.mark}


def test_the_peers_of_a_link_are_marked_apart_from_who_is_hit() -> None:
    found = drawn(link("node/node-3", "node/node-1", "node/node-5"))
    assert marks(found) == {"node-3": "hit", "node-1": "peer", "node-5": "peer"}
    lines = {box.lines[0]: box.lines[1:] for box in found.boxes if box.kind == "node"}
    assert lines["node-3"] == ("✕ slow",)
    assert lines["node-1"] == ("→ slow",)
    hit = [one for one in found.links if one.is_hit]
    assert [one.title for one in hit] == [
        "slow: from node/node-1 to node/node-3",
        "slow: from node/node-5 to node/node-3",
    ]


@pytest.mark.parametrize(
    ("peer", "first"),
    [
        ("control-plane", "control plane"),
        ("lb/default/web-lb", "load balancer default/web-lb"),
        ("pod/default/web-5c9f7d00-ax0", "→ web-5c9f7d00-ax0"),
    ],
)
def test_peers_of_every_kind_are_marked(peer: str, first: str) -> None:
    assert marks(drawn(link("node/node-3", peer)))[first] == "peer"


def test_who_is_hit_both_ways_is_told_so_in_one_line() -> None:
    both = link("node/node-3", "node/node-1"), link("node/node-1", "node/node-3")
    found = drawn(*both)
    assert marks(found) == {"node-1": "hit", "node-3": "hit"}
    assert found.has_peers
    lines = {box.lines[0]: box.lines[1:] for box in found.boxes if box.kind == "node"}
    assert lines["node-1"] == lines["node-3"] == ("↔ slow",)


def test_clients_outside_are_marked_and_inside_not() -> None:
    found = drawn(link("node/node-3", "outside"))
    assert [name for name, mark in marks(found).items() if mark == "peer"] == [
        "storefront",
        "legacy",
    ]
    assert next(b for b in found.boxes if b.lines[0] == "legacy").lines[-1] == "→ slow"


def test_who_is_cut_off_from_everybody_is_marked_without_a_web_of_lines() -> None:
    names = [f"node/node-{n}" for n in range(1, WAYS_MAX + 3)]
    assert [one for one in drawn(link("node/node-3", *names)).links if one.is_hit] == []


def test_a_fault_that_never_took_effect_marks_nobody() -> None:
    refused = link("node/node-3", "node/node-1", acknowledged_s=None, observed_s=None)
    assert marks(drawn(refused)) == {}
    assert not drawn(refused).has_peers


def test_ways_end_at_the_borders_of_their_boxes() -> None:
    found = drawn(link("node/node-3", "node/node-1", "outside", "control-plane"))
    for one in [one for one in found.links if one.is_hit]:
        for x, y in ((one.x1, one.y1), (one.x2, one.y2)):
            assert any(
                (x in (b.x, b.x + b.width) and b.y <= y <= b.y + b.height)
                or (abs(y - b.y) < 0.2 or abs(y - b.y - b.height) < 0.2)
                for b in found.boxes
            )


# --- groups and budgets --------------------------------------------------------------------------


def asked(*hypotheses: dict[str, Any]) -> Trial:
    result, _ = run(hypotheses=list(hypotheses))
    return result.trials[0]


def test_client_groups_are_told_in_the_order_of_the_file() -> None:
    result, (recording,) = run()
    (trial,) = result.trials
    order = ["storefront", "checkout", "legacy"]
    assert [one.group for one in trial.runs] == order
    assert list(dict.fromkeys(row.group for row in trial.groups)) == order
    charts = trial_view(result, trial, recording).charts
    assert [group["name"] for group in charts["groups"]] == order


def test_the_bins_of_charts_begin_with_the_faults() -> None:
    result, (recording,) = run()
    (trial,) = result.trials
    charts = trial_view(result, trial, recording).charts
    (shade,) = charts["faults"]
    for group in charts["groups"]:
        assert shade["from"] in group["edges"]
        assert len(group["edges"]) == len(group["ok"]) + 1 == len(group["p99"]) + 1
        assert (group["edges"][0], group["edges"][-1]) == (0, charts["end"])
        before = group["edges"].index(shade["from"])
        assert not any(group["failed"][: before - 1])


def test_an_availability_has_an_error_budget() -> None:
    (budget,) = budgets(asked({"kind": "availability", "atLeast": "99%", "group": "storefront"}))
    assert budget.told == "148 lost of 48.3 allowed: 307 % spent"
    assert (budget.width, budget.is_over) == (100.0, True)


def test_one_of_every_stretch_has_the_budget_of_all_and_of_the_worst_stretch() -> None:
    (budget,) = budgets(
        asked(
            {
                "kind": "availability",
                "atLeast": "90%",
                "every": "5s",
                "over": ["inject"],
                "group": "checkout",
            }
        )
    )
    assert budget.told == "29 lost of 73.1 allowed: 40 % spent; worst stretch 73 %"
    assert not budget.is_over


def test_where_nothing_may_be_lost_there_is_no_share_of_it() -> None:
    (budget,) = budgets(asked({"kind": "availability", "atLeast": "100%"}))
    assert (budget.told, budget.width) == ("185 lost, and none may be", 100.0)


def test_other_questions_have_no_error_budget() -> None:
    assert list(budgets(asked({"kind": "no-fault-left"}, {"kind": "outage", "atMost": 1}))) == []


def test_a_latency_of_every_stretch_has_no_error_budget() -> None:
    latency = {"kind": "latency", "quantile": "p50", "atMost": "1s", "every": "5s"}
    (verdict,) = asked(latency).verdicts
    assert "budget_allowed_calls" not in verdict.evidence.numbers


def test_without_a_fault_nothing_is_called_metastable() -> None:
    down = Goodput(state="metastable", baseline_per_s=10, after_per_s=1)
    trial = asked({"kind": "no-fault-left"})
    runs = tuple(replace(one, goodput=down) for one in trial.runs[:1])
    told = notes(replace(trial, runs=runs))
    assert told[-1] == "storefront: metastable, 1/s of 10/s succeed although the fault is gone"
    told = notes(replace(trial, runs=runs, faults=()))
    assert told[-1] == "storefront: 1/s of 10/s succeed at the end, though nothing was broken"
    assert "metastable" in goodput(down, was_broken=True)
    assert goodput(down, was_broken=False).startswith("below the baseline, though nothing was")
