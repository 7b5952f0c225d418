import math
from typing import Any

import pytest

from emucluster.core.errors import EmuclusterError, UsageError
from emucluster.core.faults import (
    FaultLease,
    Ledger,
    check,
    check_id,
    check_until,
    kind_at,
    lasts_s,
    parse_peer,
)
from emucluster.core.faults import parse_target as target
from emucluster.core.faults.ledger import ENDED_KEPT


def lease(
    fault_id: str = "f1", kind: str = "freeze", on: str = "node/node-2", **rest: Any
) -> FaultLease:
    return FaultLease(fault_id, kind, on, **{"injected_s": 0.0, "ends_s": None, **rest})


def test_a_fault_ends_when_its_time_is_up() -> None:
    ledger = Ledger()
    asked = lease(injected_s=100.0, ends_s=130.0)
    assert ledger.inject(asked, now_s=100) is asked
    assert ledger.next_wake_s() == 130
    assert ledger.expired(now_s=129.9) == []
    assert ledger.expired(now_s=130) == [asked]
    ended = ledger.clear("f1", now_s=130, ended_by="expiry")
    assert ended is not None
    assert (ended.ended_s, ended.ended_by) == (130, "expiry")
    assert ledger.in_force == {}
    assert ledger.next_wake_s() is None


def test_a_fault_without_duration_lasts_until_cleared() -> None:
    ledger = Ledger()
    ledger.inject(lease(), now_s=0)
    assert ledger.next_wake_s() is None
    assert ledger.expired(now_s=1e9) == []


def test_a_target_has_several_faults_at_once() -> None:
    ledger = Ledger()
    for number, kind in enumerate(("freeze", "partition", "latency", "latency", "slow")):
        asked = lease(f"f{number}", kind)
        assert ledger.inject(asked, now_s=0) is asked
    assert len(ledger.in_force) == 5


@pytest.mark.parametrize(
    ("one", "two", "on"),
    [("freeze", "power-off", "node/node-2"), ("freeze", "zombie", "pod/a")],
)
def test_two_faults_of_one_exclusive_layer_exclude_each_other_on_one_target(
    one: str, two: str, on: str
) -> None:
    ledger = Ledger()
    ledger.inject(lease("f1", one, on), now_s=0)
    with pytest.raises(EmuclusterError, match=rf"already has the fault {one} \(f1\).* {two} excl"):
        ledger.inject(lease("f2", two, on), now_s=1)
    elsewhere = lease("f2", two, on[:-1] + "x")
    assert ledger.inject(elsewhere, now_s=1) is elsewhere


def test_the_same_id_again_is_the_same_fault() -> None:
    ledger = Ledger()
    first = ledger.inject(lease(ends_s=5.0), now_s=0)
    assert ledger.inject(lease(ends_s=8.0), now_s=3) is first
    with pytest.raises(EmuclusterError, match='id "f1" is that of another fault: freeze'):
        ledger.inject(lease(kind="slow"), now_s=3)


def test_an_id_that_ended_does_nothing_when_it_is_asked_for_again() -> None:
    ledger = Ledger()
    ledger.inject(lease(), now_s=0)
    ledger.clear("f1", now_s=1)
    again = ledger.inject(lease(injected_s=2.0), now_s=2)
    assert (again.ended_s, again.ended_by) == (1, "clear")
    assert ledger.in_force == {}


def test_an_ask_that_is_overtaken_by_its_clearing_does_nothing() -> None:
    ledger = Ledger()
    assert ledger.clear("f1", now_s=0) is None
    late = ledger.inject(lease(injected_s=1.0), now_s=1)
    assert (late.kind, late.ended_s, late.ended_by) == ("freeze", 0, "clear")
    assert ledger.in_force == {}


def test_an_ask_that_comes_after_its_time_does_nothing() -> None:
    ledger = Ledger()
    late = ledger.inject(lease(injected_s=6.0, ends_s=5.0), now_s=6)
    assert (late.ended_s, late.ended_by) == (6, "expiry")
    assert ledger.in_force == {}


def test_a_fault_that_could_not_be_put_into_effect_may_be_asked_for_again() -> None:
    ledger = Ledger()
    ledger.inject(lease(), now_s=0)
    ledger.discard("f1")
    again = lease(injected_s=1.0)
    assert ledger.inject(again, now_s=1) is again


def test_what_is_remembered_is_bounded() -> None:
    ledger = Ledger()
    for number in range(2 * ENDED_KEPT):
        ledger.clear(f"f{number}", now_s=0)
    assert len(ledger.ended) == ENDED_KEPT


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("node/node-2", "node/node-2"),
        ("pod/web-1", "pod/web-1"),
        ("pod/shop/web-1", "pod/shop/web-1"),
        ("load-balancer/web-lb", "lb/web-lb"),
        ("kube-proxy/node-1", "kube-proxy/node-1"),
        ("dns/node-1", "dns/node-1"),
        ("control-plane", "control-plane"),
    ],
)
def test_targets_are_printed_in_their_shortest_form(text: str, printed: str) -> None:
    assert str(target(text)) == printed


@pytest.mark.parametrize(
    "text", ["", "node", "node/", "nude/x", "node/a/b", "pod/a/b/c", "/x", "dns"]
)
def test_a_wrong_target_names_what_is_allowed(text: str) -> None:
    with pytest.raises(UsageError, match="node"):
        target(text)


@pytest.mark.parametrize("text", ["service/shop/web", "svc/shop/web"])
def test_a_service_is_no_target_of_one_fault_and_both_things_that_may_be_meant_are_named(
    text: str,
) -> None:
    with pytest.raises(UsageError) as refused:
        target(text)
    assert "say lb/shop/web for its load balancer" in str(refused.value)
    assert "pod/[NAMESPACE/]NAME for one of its pods" in str(refused.value)


@pytest.mark.parametrize("fault_id", ["freeze-1", "run12-0.slow.0", "r.a_b.3.power", "X"])
def test_an_id_is_a_word(fault_id: str) -> None:
    check_id(fault_id)


@pytest.mark.parametrize(
    ("fault_id", "words"),
    [
        ("a\x1b[31m", "must be letters, digits"),
        ("a\n", "must be letters, digits"),
        ("a b", "must be letters, digits"),
        ("", "must be letters, digits"),
        ("-a", "a letter or digit first"),
        ("a" * 251, "at most 250 of them"),
        ("gone-node-1", "those that begin with gone- are of processes that were killed"),
    ],
)
def test_an_id_that_is_no_word_or_is_taken_is_refused(fault_id: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_id(fault_id)
    assert words in str(refused.value)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("until_s", [1e300, math.inf, -math.inf, math.nan, 1000.0 + 86_401])
def test_a_time_that_no_fault_lasts_to_is_refused(until_s: float) -> None:
    with pytest.raises(UsageError, match="until_s: must be at most 86400 seconds from now"):
        check_until(until_s, wall_s=1000.0)
    check_until(1000.0 + 86_400, wall_s=1000.0)
    check_until(1.0, wall_s=1000.0)


def test_a_peer_that_is_named_twice_is_refused_however_it_is_spelled() -> None:
    with pytest.raises(UsageError, match="peer: pod/a is named more than once"):
        check("loss", target("node/node-1"), {}, 5, ["pod/a", "outside", "pod/default/a"])


@pytest.mark.parametrize(
    ("kind", "on", "duration_s", "words"),
    [
        ("power-off", "pod/web", 5, "a pod cannot have it; pod can: crash, freeze, gray"),
        ("explode", "node/node-1", 5, "no such fault"),
        ("crash", "node/node-1", 0, "--for: must be above 0"),
        ("crash", "pod/web", 5, "over at once, for it is restarted by itself"),
        ("drain", "node/node-1", 5, "is an operation; `emucluster run` does it"),
        ("scale", "node/node-1", 5, "and so does `emucluster scale`"),
        ("latency", "node/node-1", 5, "name at least one, a target or outside"),
        ("latency", "dns/node-1", 5, "a dns cannot have it; dns can: error, stale, slow"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_with_what_can(
    kind: str, on: str, duration_s: float, words: str
) -> None:
    with pytest.raises(UsageError) as refused:
        check(kind, target(on), {}, duration_s)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "on", "params", "words"),
    [
        ("slow", "node/a", {"dealy": 1}, 'slow has no parameter "dealy"; it has: delay, jitter'),
        ("freeze", "node/a", {"x": 1}, 'freeze has no parameter "x"; it has: none'),
        ("slow", "node/a", {"delay": "soon"}, "parameter delay must be a duration"),
        ("flap", "node/a", {"as": "reboot"}, "one of power-off, crash, freeze; got 'reboot'"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_allowed(
    kind: str, on: str, params: dict[str, object], words: str
) -> None:
    with pytest.raises(UsageError) as refused:
        check(kind, target(on), params, 5)
    assert words in str(refused.value)


def test_a_parameter_that_is_required_must_be_given() -> None:
    with pytest.raises(UsageError, match="parameter bytesPerSecond is required"):
        check("bandwidth", target("node/a"), {}, 5, ["outside"])


def test_parameters_are_parsed_and_defaults_filled_in() -> None:
    assert check("slow", target("pod/a"), {"delay": "50ms"}, 5) == {
        "delay": 0.05,
        "jitter": 0.0,
        "after": 0,
        "every": 1,
    }


def test_the_ends_of_a_link_are_targets_or_outside() -> None:
    assert parse_peer("outside") == "outside"
    assert parse_peer("pod/default/web") == "pod/web"
    with pytest.raises(UsageError, match='peer "dns/node-1": must be node/NAME'):
        parse_peer("dns/node-1")
    with pytest.raises(UsageError, match="node/node-1 is no peer of itself"):
        check("partition", target("node/node-1"), {}, 5, ["node/node-1"])
    with pytest.raises(UsageError, match="freeze is no fault of a link"):
        check("freeze", target("node/node-1"), {}, 5, ["node/node-2"])
    assert kind_at("partition", target("control-plane")).is_link


def test_a_reboot_is_over_when_the_machine_is_up_again() -> None:
    assert lasts_s("reboot", {"down": 5.0}, None) == 5
    assert lasts_s("reboot", {"down": 5.0}, 2) == 2
    assert lasts_s("freeze", {}, None) is None
