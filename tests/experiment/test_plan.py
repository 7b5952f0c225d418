from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emucluster.experiment.plan import PlanEntry, PlanError, expand, trial_seed

from .build import experiment, topology


def one(kind: str, target: Any, **fields: Any) -> dict[str, Any]:
    return {"kind": kind, "target": target, **fields}


def entries(*faults: dict[str, Any], seed: int = 1, **fields: Any) -> tuple[PlanEntry, ...]:
    return expand(experiment(*faults, **fields), topology(), seed).entries


def targets(*faults: dict[str, Any], seed: int = 1, **fields: Any) -> list[str]:
    return [entry.target for entry in entries(*faults, seed=seed, **fields)]


# --- time ----------------------------------------------------------------------------------------


def test_a_fault_starts_in_the_inject_phase_and_lasts_to_its_end_unless_told_otherwise() -> None:
    (whole,) = entries(one("crash", "node/node-1"))
    assert (whole.at_s, whole.for_s) == (10, 10)
    (part,) = entries(one("crash", "node/node-1", at="2s", **{"for": "3s"}))
    assert (part.at_s, part.end_s) == (12, 15)


def test_times_are_real_seconds_and_only_a_scaled_experiment_divides_them_by_the_speed() -> None:
    fault = one("slow", "node/node-1", at="2s", params={"delay": "1s"}, **{"for": "5s"})
    fast = {"cluster": {"speed": 10}}
    (real,) = entries(fault, **fast)
    (scaled,) = entries(fault, scaled=True, **fast)
    assert (real.at_s, real.for_s) == (12, 5)
    assert (scaled.at_s, scaled.for_s) == (1.2, 0.5)
    assert real.params == scaled.params == {"delay": 1.0, "jitter": 0.0}


def test_rolling_faults_start_one_after_the_other() -> None:
    fault = one("crash", {"kind": "node", "select": "all"}, stagger="2s", **{"for": "1s"})
    found = entries(fault)
    assert [entry.at_s for entry in found] == [10, 12, 14, 16]
    assert [entry.target for entry in found] == [f"node/node-{n}" for n in (1, 2, 3, 4)]


def test_zones_roll_as_wholes() -> None:
    found = entries(one("crash", {"kind": "zone", "select": "all"}, stagger="4s", **{"for": "2s"}))
    assert [(entry.at_s, entry.target) for entry in found] == [
        (10, "node/node-1"),
        (10, "node/node-3"),
        (14, "node/node-2"),
        (14, "node/node-4"),
    ]


def test_rolling_beyond_the_inject_phase_is_refused() -> None:
    with pytest.raises(PlanError, match='fault "crash": node/node-3 is hit from 20 s'):
        entries(one("crash", {"kind": "node", "select": "all"}, stagger="5s", **{"for": "5s"}))


@given(st.integers())
def test_a_drawn_start_is_within_its_bounds(seed: int) -> None:
    (found,) = entries(one("crash", "node/node-1", at="1s", within="3s"), seed=seed)
    assert found.at_s is not None
    assert 11 <= found.at_s <= 14


def test_a_trigger_makes_an_entry_for_each_time() -> None:
    trigger = {"after": 100, "every": 50, "times": 3, "group": "users"}
    found = entries(one("crash", "node/node-1", trigger=trigger, **{"for": "1s"}))
    assert [entry.trigger.after for entry in found if entry.trigger] == [100, 150, 200]
    assert {entry.at_s for entry in found} == {None}
    assert [entry.id for entry in found] == ["crash.0", "crash.1", "crash.2"]


# --- targets -------------------------------------------------------------------------------------


def test_a_selector_takes_one_all_so_many_or_a_share() -> None:
    def count(select: str) -> int:
        return len(targets(one("crash", {"kind": "node", "select": select})))

    assert [count(s) for s in ("one", "all", "fixed:3", "percent:50", "percent:1")] == [
        1, 4, 3, 2, 1,
    ]  # fmt: skip


def test_candidates_are_those_that_fit_all_that_is_said() -> None:
    in_b = {"kind": "node", "zone": "zone-b", "select": "all"}
    assert sorted(targets(one("crash", in_b))) == ["node/node-2", "node/node-4"]
    behind = {"kind": "pod", "service": "web", "node": "node-2", "select": "all"}
    assert targets(one("crash", behind)) == ["pod/default/web-x3"]
    assert targets(one("crash", {"kind": "pod", "labels": {"app": "web"}, "select": "all"})) == [
        f"pod/default/web-x{n}" for n in (4, 3, 2, 1)
    ]


def test_a_fault_of_pods_on_a_service_hits_pods_behind_it() -> None:
    (found,) = targets(one("gray", "service/web"))
    assert found.startswith("pod/default/web-")
    assert targets(one("wrong-port", "service/web")) == ["service/default/web"]


def test_dns_and_kube_proxy_without_a_name_are_those_of_every_node() -> None:
    assert targets(one("stale", "kube-proxy")) == [f"kube-proxy/node-{n}" for n in (1, 2, 3, 4)]
    assert targets(one("error", "dns/node-2")) == ["dns/node-2"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            one("crash", "node/node-9"),
            'no node fits its target "node-9"; there are: node-1, node-2',
        ),
        (one("crash", "zone/moon"), 'no zone fits its target "moon"; there are: zone-a, zone-b'),
        (one("freeze", "lb/web"), "there are: lb/default/web-lb"),
        (one("crash", {"kind": "node", "select": "fixed:5"}), "wants 5 of node, and only 4 fit"),
    ],
)
def test_nobody_to_hit_is_refused_with_who_there_is(fault: dict[str, Any], words: str) -> None:
    with pytest.raises(PlanError, match=words) as caught:
        entries(fault)
    assert caught.value.fault == fault["kind"]


# --- links ---------------------------------------------------------------------------------------


def link(kind: str, from_: Any, to: Any = None, **params: Any) -> dict[str, tuple[str, ...]]:
    target = {"kind": "link", "from": from_, **({"to": to} if to else {})}
    return {e.target: e.peers for e in entries(one(kind, target, params=params))}


def test_a_partition_both_ways_is_held_at_both_ends() -> None:
    assert link("partition", "node/node-1", "zone/zone-b") == {
        "node/node-1": ("node/node-2", "node/node-4"),
        "node/node-2": ("node/node-1",),
        "node/node-4": ("node/node-1",),
    }


def test_one_way_is_held_where_its_packets_arrive() -> None:
    assert link("partition", "node/node-1", "node/node-2", direction="to") == {
        "node/node-2": ("node/node-1",)
    }
    assert link("partition", "node/node-1", "node/node-2", direction="from") == {
        "node/node-1": ("node/node-2",)
    }


def test_without_the_other_end_it_is_everything_else() -> None:
    found = link("partition", "zone/zone-a")
    rest = ("control-plane", "lb/default/web-lb", "node/node-2", "node/node-4", "outside")
    assert set(found["node/node-1"]) == set(rest)
    assert set(found) == {"node/node-1", "node/node-3", *rest} - {"outside"}


@pytest.mark.parametrize("turned", [False, True])
def test_an_end_that_takes_all_is_the_others_where_the_other_end_is_among_them(
    turned: bool,
) -> None:
    single, every = "node/node-2", {"kind": "node", "select": "all"}
    ends = (every, single) if turned else (single, every)
    assert link("partition", *ends, direction="from" if turned else "to") == {
        f"node/node-{number}": (single,) for number in (1, 3, 4)
    }


@pytest.mark.parametrize(
    "to", ["zone/zone-a", {"kind": "node", "zone": "zone-a", "name": "node-1"}]
)
def test_an_end_that_is_named_is_not_left_out(to: Any) -> None:
    with pytest.raises(PlanError, match="node/node-1 is at both ends"):
        link("partition", "node/node-1", to)


def test_isolated_ones_do_not_reach_each_other_either() -> None:
    found = entries(
        one(
            "partition",
            {"kind": "link", "from": {"kind": "node", "zone": "zone-a"}},
            params={"shape": "isolate", "direction": "from"},
        )
    )
    assert [(e.target, "node/node-3" in e.peers, "node/node-1" in e.peers) for e in found] == [
        ("node/node-1", True, False),
        ("node/node-3", False, True),
    ]


def test_a_bisection_leaves_two_halves_that_hear_only_themselves() -> None:
    found = link("partition", {"kind": "node"}, shape="bisect")
    assert len(found) == 4
    for target, peers in found.items():
        assert len(peers) == 2
        assert all(target in found[peer] for peer in peers)


def test_outside_holds_no_fault() -> None:
    assert link("latency", "outside", "node/node-1", direction="to") == {
        "node/node-1": ("outside",)
    }
    with pytest.raises(PlanError, match="turn the direction round"):
        link("latency", "outside", "node/node-1", direction="from")


# --- limits and exclusion ------------------------------------------------------------------------


def limited(limits: dict[str, Any], *faults: dict[str, Any]) -> None:
    expand(experiment(*faults, limits=limits), topology(), 1)


def test_a_plan_beyond_its_blast_radius_is_refused_by_the_fault_that_passes_it() -> None:
    first = one("crash", "node/node-1", name="first")
    second = one("freeze", "node/node-2", name="second", at="1s")
    limited({"nodes": 2}, first, second)
    with pytest.raises(PlanError, match=r"would hit 2 of 4 nodes at once; limits\.nodes is 1") as e:
        limited({"nodes": 1}, first, second)
    assert e.value.fault == "second"


def test_the_limit_is_of_what_is_hit_at_once() -> None:
    def rolling(for_: str) -> dict[str, Any]:
        target = {"kind": "node", "select": "all"}
        return one("crash", target, stagger="2s", **{"for": for_})

    limited({"nodes": 1, "zones": 0}, rolling("2s"))
    with pytest.raises(PlanError, match=r"limits\.nodes is 1"):
        limited({"nodes": 1}, rolling("3s"))


def test_without_limits_half_the_nodes_and_one_zone_may_be_hit() -> None:
    limited({}, one("crash", "zone/zone-a"))
    with pytest.raises(PlanError, match=r"limits\.nodes is 50%, which allows 2"):
        limited({}, one("crash", {"kind": "node", "select": "fixed:3"}))
    with pytest.raises(PlanError, match=r"limits\.zones is 1"):
        limited({"nodes": 4}, one("crash", {"kind": "zone", "select": "all"}))


def test_a_link_counts_its_near_end_whichever_way_it_is_cut() -> None:
    for direction in ("both", "to", "from"):
        cut = one(
            "partition",
            {"kind": "link", "from": "zone/zone-a", "to": "zone/zone-b"},
            params={"direction": direction},
        )
        limited({"nodes": 2}, cut)
        with pytest.raises(PlanError, match="would hit 2 of 4 nodes"):
            limited({"nodes": 1}, cut)


def test_triggered_faults_count_all_the_time() -> None:
    late = one("crash", "node/node-1", at="8s", **{"for": "1s"})
    some_time = one("crash", "node/node-2", trigger={"after": 1}, **{"for": "1s"}, name="t")
    with pytest.raises(PlanError, match="would hit 2 of 4 nodes"):
        limited({"nodes": 1}, late, some_time)


def test_one_machine_cannot_have_two_faults_that_exclude_each_other() -> None:
    off = one("power-off", "node/node-1", **{"for": "4s"})
    entries(off, one("freeze", "node/node-1", at="4s"))
    entries(off, one("slow", "node/node-1"))
    with pytest.raises(PlanError, match='would have freeze while it has power-off of "power-off"'):
        entries(off, one("freeze", "node/node-1", at="3s"))


@pytest.mark.parametrize("other", ["power-off", "freeze", "node-removal"])
def test_a_node_that_is_removed_is_off_and_can_have_no_such_fault_meanwhile(other: str) -> None:
    removal = one("node-removal", "node/node-1", name="removal", **{"for": "4s"})
    entries(removal, one(other, "node/node-1", at="4s"))
    entries(removal, one("drain", "node/node-1", at="1s"))
    with pytest.raises(PlanError, match=f'would have {other} while it has node-removal of "rem'):
        entries(removal, one(other, "node/node-1", at="3s"))


# --- the digest ----------------------------------------------------------------------------------

RANDOM = (
    one("crash", {"kind": "node", "select": "fixed:2"}, within="5s"),
    one("gray", {"kind": "pod", "labels": {"app": "web"}, "select": "fixed:2"}),
)


@given(st.integers())
@settings(max_examples=30)
def test_the_same_seed_and_topology_give_the_same_plan(seed: int) -> None:
    asked = experiment(*RANDOM)
    assert expand(asked, topology(), seed) == expand(asked, topology(), seed)


def test_the_digest_changes_with_seed_topology_times_and_magnitudes() -> None:
    plain = expand(experiment(*RANDOM), topology(), 1).digest
    assert len({expand(experiment(*RANDOM), topology(), seed).digest for seed in range(50)}) == 50
    assert plain != expand(experiment(*RANDOM), topology(5), 1).digest
    assert plain != expand(experiment(*RANDOM), topology(zones=3), 1).digest
    slower = one("slow", "node/node-1", params={"delay": "201ms"})
    slow = one("slow", "node/node-1", params={"delay": "200ms"})
    assert len({expand(experiment(f), topology(), 1).digest for f in (slow, slower)}) == 2


def test_the_digest_knows_neither_hosts_nor_names_that_controllers_make_up() -> None:
    plans = [
        expand(experiment(*RANDOM), topology(suffix=suffix, hosts=hosts), 1)
        for suffix, hosts in (("x", 1), ("k7q", 2), ("zz", 3))
    ]
    assert len({plan.digest for plan in plans}) == 1
    assert len({tuple(entry.target for entry in plan.entries) for plan in plans}) == 3


def test_a_further_fault_changes_no_draw_of_the_others() -> None:
    before = expand(experiment(*RANDOM), topology(), 5).entries
    after = expand(experiment(*RANDOM, one("error", "dns/node-1")), topology(), 5).entries
    assert set(map(str, before)) <= set(map(str, after))


def test_each_trial_has_a_seed_of_its_own_and_the_first_the_experiments() -> None:
    seeds = [trial_seed(42, trial) for trial in range(100)]
    assert seeds[0] == 42
    assert len(set(seeds)) == 100
    assert seeds == [trial_seed(42, trial) for trial in range(100)]
