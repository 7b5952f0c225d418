import pytest

from emucluster.core.errors import EmuclusterError, UsageError
from emucluster.core.faults import Ledger, check, parse_target


def test_a_fault_ends_when_its_time_is_up() -> None:
    ledger = Ledger()
    lease = ledger.inject("f1", "freeze", "node/node-2", 30, now_s=100)
    assert ledger.next_wake_s() == 130
    assert ledger.expired(now_s=129.9) == []
    assert ledger.expired(now_s=130) == [lease]
    assert ledger.clear("f1", now_s=130) is not None
    assert ledger.in_force == {}
    assert ledger.next_wake_s() is None


def test_a_fault_without_duration_lasts_until_cleared() -> None:
    ledger = Ledger()
    ledger.inject("f1", "freeze", "node/node-2", None, now_s=0)
    assert ledger.next_wake_s() is None
    assert ledger.expired(now_s=1e9) == []


def test_a_target_has_one_fault_at_a_time() -> None:
    ledger = Ledger()
    ledger.inject("f1", "freeze", "node/node-2", None, now_s=0)
    with pytest.raises(EmuclusterError, match=r"already has the fault freeze \(f1\)"):
        ledger.inject("f2", "power-off", "node/node-2", None, now_s=1)


def test_the_same_id_again_is_the_same_fault() -> None:
    ledger = Ledger()
    first = ledger.inject("f1", "freeze", "node/node-2", 5, now_s=0)
    assert ledger.inject("f1", "freeze", "node/node-2", 5, now_s=3) == first


def test_clearing_what_is_not_in_force_is_no_error() -> None:
    assert Ledger().clear("f1", now_s=0) is None


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("node/node-2", "node/node-2"),
        ("pod/web-1", "pod/web-1"),
        ("pod/shop/web-1", "pod/shop/web-1"),
        ("service/web-lb", "lb/web-lb"),
        ("control-plane", "control-plane"),
    ],
)
def test_targets_are_printed_in_their_shortest_form(text: str, printed: str) -> None:
    assert str(parse_target(text)) == printed


@pytest.mark.parametrize("text", ["", "node", "node/", "nude/x", "node/a/b", "pod/a/b/c", "/x"])
def test_a_wrong_target_names_what_is_allowed(text: str) -> None:
    with pytest.raises(UsageError, match="node"):
        parse_target(text)


def test_a_fault_that_the_target_cannot_have_names_those_it_can() -> None:
    with pytest.raises(UsageError, match="pod can: crash, freeze"):
        check("power-off", parse_target("pod/web"), 5)
    with pytest.raises(UsageError, match="no such fault"):
        check("explode", parse_target("node/node-1"), 5)
    with pytest.raises(UsageError, match="--for"):
        check("crash", parse_target("node/node-1"), 0)
