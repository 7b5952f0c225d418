"""From what somebody else saw, whether a fault is in force; a target's own word counts nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from emucluster.core.faults import compared, witness
from emucluster.core.faults.kinds import KINDS, held_at
from emucluster.core.faults.looks import TO_CLIENTS, Look, Unseen, look_for, look_over
from emucluster.core.faults.witness import Evidence, Judge, Sample, over, over_by

TARGETS = ("node", "pod", "lb", "kube-proxy", "dns", "control-plane")


def ok(how: Any = "http", answer_s: float = 0.001, **more: Any) -> Sample:
    return Sample(how, "ok", answer_s, connected=True, **more)


def bad(outcome: Any, how: Any = "http", **more: Any) -> Sample:
    return Sample(how, outcome, **more)


def seen(
    judge: Judge, after: list[Sample], before: list[Sample] | None = None, **params: Any
) -> bool:
    return judge(Evidence(before or [], after, params)).seen


@pytest.mark.parametrize("target", TARGETS)
def test_there_is_a_way_to_look_for_every_fault_that_a_target_can_hold(target: str) -> None:
    for kind in held_at(target):
        params = {param.name: param.default for param in kind.params if param.default is not None}
        look = look_for(kind.name, target, params)
        assert isinstance(look, Look), (kind.name, look)
        assert (look.gather == "looks") == (look.judge is not None)


def test_every_fault_that_is_no_operation_can_be_held_by_somebody() -> None:
    held = {(kind.name, kind.targets) for target in TARGETS for kind in held_at(target)}
    faults = {(kind.name, kind.targets) for kind in KINDS if not kind.is_operation}
    assert faults == held


@pytest.mark.parametrize("params", [{"after": 3}, {"every": 2}, {"times": 1}])
def test_counted_calls_are_left_to_clients(params: dict[str, Any]) -> None:
    for kind in ("error-rate", "slow"):
        look = look_for(kind, "pod", {"share": 1.0, **params})
        assert isinstance(look, Unseen)
        assert look.why.startswith(TO_CLIENTS)


def test_a_well_target_is_never_seen_broken_whatever_it_acknowledged() -> None:
    params = {
        "delay": 0.2,
        "status": "INTERNAL",
        "rcode": "SERVFAIL",
        "bytesPerSecond": 1000,
        "share": 1.0,
    }
    for target in TARGETS:
        for kind in held_at(target):
            look = look_for(kind.name, target, {**params, "after": 0, "every": 1})
            assert isinstance(look, Look)
            if look.judge is None:
                continue
            details = {"health": "SERVING", "echo": "pod default/a", "dns": "NOERROR 127.0.0.1"}
            words = {"zombie": "there", "readiness-flap": "ready"}
            samples = [
                ok(how, detail=details.get(how, words.get(kind.name, "echo 1 running")))
                for how in look.hows
                for _ in range(look.count)
            ]
            verdict = look.judge(Evidence(samples, samples, params))
            assert not verdict.seen, (kind.name, target, verdict)
            assert verdict.what


@pytest.mark.parametrize(
    ("judge", "sample", "expected"),
    [
        (witness.silent, bad("timeout"), True),
        (witness.silent, bad("refused"), False),
        (witness.silent, bad("error"), False),
        (witness.refused, bad("refused"), True),
        (witness.refused, bad("reset"), True),
        (witness.refused, bad("timeout"), False),
        (witness.frozen, bad("timeout", connected=True), True),
        (witness.frozen, bad("timeout"), False),
        (witness.absent, bad("timeout"), True),
        (witness.absent, bad("refused"), True),
        (witness.absent, ok(), False),
    ],
)
def test_how_it_fails_to_answer_tells_what_it_has(
    judge: Judge, sample: Sample, expected: bool
) -> None:
    assert seen(judge, [sample, sample]) is expected
    assert not seen(judge, [sample, ok()])
    assert not seen(judge, [])


@pytest.mark.parametrize(
    ("before_s", "after_s", "expected"),
    [(0.001, 0.203, True), (0.001, 0.110, True), (0.001, 0.050, False), (0.15, 0.20, False)],
)
def test_a_delay_shows_in_the_median_answer(
    before_s: float, after_s: float, expected: bool
) -> None:
    before = [ok(answer_s=before_s)] * 3
    after = [ok(answer_s=after_s)] * 2 + [ok(answer_s=9.0)]
    assert seen(witness.late, after, before, delay=0.2) is expected
    assert not seen(witness.late, after, [], delay=0.2)


def test_a_delay_beyond_the_time_out_shows_as_silence_where_there_were_answers() -> None:
    late = [bad("timeout")] * 3
    assert seen(witness.late, late, [ok()], delay=60.0)
    assert not seen(witness.late, [bad("refused")] * 3, [ok()], delay=60.0)


def test_loss_shows_in_what_was_sent_again_or_in_stalls() -> None:
    before = [ok()] * 40
    assert seen(witness.lossy, [ok(retransmits=1), *[ok()] * 39], before)
    assert not seen(witness.lossy, [ok(retransmits=1)], [ok(retransmits=1)])
    assert seen(witness.lossy, [ok(answer_s=0.21)] * 2 + [ok()] * 38, before)
    assert not seen(witness.lossy, [ok(answer_s=0.21), *[ok()] * 39], before)


@pytest.mark.parametrize("rate", [1_000, 100_000, 10_000_000])
def test_a_narrow_link_takes_as_long_as_its_limit_says(rate: int) -> None:
    ideal_s = witness.pushed_bytes({"bytesPerSecond": rate}) / rate
    quick, slow = [ok(answer_s=0.01)], [ok(answer_s=0.01 + ideal_s)]
    assert seen(witness.narrow, slow, quick, bytesPerSecond=rate)
    assert not seen(witness.narrow, quick, quick, bytesPerSecond=rate)
    assert not seen(witness.narrow, slow, slow, bytesPerSecond=rate)
    assert seen(witness.narrow, [bad("timeout")], quick, bytesPerSecond=rate)


def test_a_reset_is_that_of_a_connection_from_before() -> None:
    assert seen(witness.broken, [bad("reset", "held")])
    assert not seen(witness.broken, [bad("timeout", "held")])
    assert not seen(witness.broken, [bad("reset", "exchange")])
    assert not seen(witness.broken, [])


def test_half_open_is_an_old_connection_that_is_dead_while_a_new_one_works() -> None:
    new = ok("exchange")
    assert seen(witness.forgotten, [bad("timeout", "held"), new])
    assert seen(witness.forgotten, [bad("reset", "held"), new])
    assert not seen(witness.forgotten, [bad("timeout", "held"), bad("timeout", "exchange")])
    assert not seen(witness.forgotten, [ok("held"), new])


def test_gray_is_a_pod_that_says_yes_and_fails() -> None:
    calls = [bad("error", "echo", detail="INTERNAL: a fault")]
    healthy, ill = ok("health", detail="SERVING"), ok("health", detail="NOT_SERVING")
    assert seen(witness.gray, [healthy, *calls], status="INTERNAL")
    assert not seen(witness.gray, [ill, *calls], status="INTERNAL")
    assert not seen(witness.gray, [healthy, *calls], status="UNAVAILABLE")
    assert seen(witness.erring, [ok("echo"), *calls], status="INTERNAL")


def test_a_zombie_is_deleted_and_answers() -> None:
    deleted, there = ok("api", detail="deleted"), ok("api", detail="there")
    assert seen(witness.serving_though_deleted, [deleted, ok("exchange")])
    assert not seen(witness.serving_though_deleted, [there, ok("exchange")])
    assert not seen(witness.serving_though_deleted, [deleted, bad("refused", "exchange")])


def test_a_restart_is_another_word_of_the_api() -> None:
    def word(text: str) -> list[Sample]:
        return [ok("api", detail=text)]

    assert seen(witness.restarted, word("echo 2 running"), word("echo 1 running"))
    assert not seen(witness.restarted, word("echo 1 running"), word("echo 1 running"))
    assert not seen(witness.restarted, word("echo 1 running"))
    assert seen(witness.not_ready, word("not ready"))


def test_dns_answers_with_the_code_of_the_fault() -> None:
    assert seen(witness.dns_error, [ok("dns", detail="SERVFAIL")], rcode="SERVFAIL")
    assert not seen(witness.dns_error, [ok("dns", detail="NXDOMAIN")], rcode="SERVFAIL")
    assert not seen(witness.dns_error, [bad("timeout", "dns")], rcode="SERVFAIL")


def test_stale_is_what_others_have_followed_and_the_target_has_not() -> None:
    one, two = {"d/web": {"a", "b"}}, {"d/web": {"a"}}
    assert compared.stale((one, one), (one, two)).seen
    # Told before the others were asked for what was before.
    assert not compared.stale((two, two), (one, two)).seen
    assert not compared.stale((one, two), (one, two)).seen
    nothing = compared.stale((one, one), (one, one))
    assert not nothing.seen
    assert "nothing has changed" in nothing.what


def test_who_knows_nothing_of_a_new_service_that_others_know_takes_no_updates() -> None:
    named, unnamed = ok("dns", detail="NOERROR 10.96.0.9"), ok("dns", detail="NXDOMAIN")
    silent, refused = bad("timeout", "connect"), bad("refused", "connect")
    assert compared.unaware(silent, named).seen
    assert compared.unaware(unnamed, named).seen
    assert over_by(compared.unaware(refused, named)).end == "gone"
    assert over_by(compared.unaware(named, named)).end == "gone"
    assert over_by(compared.unaware(silent, unnamed)).end == "unknown", "nobody knows it yet"
    assert over_by(compared.unaware(bad("error", "connect"), named)).end == "unknown"


def test_blind_is_checks_that_stay_away_for_much_longer_than_they_came_apart() -> None:
    checks_s = [0.0, 1.0, 2.0, 3.0]
    assert not compared.blind(checks_s, now_s=4.5).seen
    assert compared.blind(checks_s, now_s=5.6).seen
    assert not compared.blind(checks_s[:2], now_s=60.0).seen


def test_lying_is_a_belief_that_the_targets_answers_contradict() -> None:
    believed = {"node-1": "unhealthy", "node-2": "healthy"}
    answers = {"node-1": True, "node-2": True}
    assert compared.lying("unhealthy", believed, answers).seen
    assert not compared.lying("unhealthy", believed, {"node-1": False, "node-2": True}).seen
    assert not compared.lying("healthy", believed, answers).seen
    assert compared.lying("healthy", believed, {"node-1": False, "node-2": False}).seen


def test_a_hog_is_a_process_that_takes_more_than_before() -> None:
    assert compared.busy(0.02, 0.62, share=0.9).seen
    assert not compared.busy(0.50, 0.62, share=0.9).seen


# --- is it over


def as_it_was(kind: str, look: Look) -> list[Sample]:
    """What a target that is well answers."""
    details = {"health": "SERVING", "echo": "pod default/a", "dns": "NOERROR 127.0.0.1"}
    words = {"zombie": "deleted", "readiness-flap": "ready"}
    told = words.get(kind, "echo 1 running")
    return [
        bad("refused", how)
        if (kind, how) == ("zombie", "exchange")
        else ok(how, detail=details.get(how, told))
        for how in look.hows
        for _ in range(look.count)
    ]


PARAMS = {
    "delay": 0.2,
    "status": "INTERNAL",
    "rcode": "SERVFAIL",
    "bytesPerSecond": 1000,
    "share": 1.0,
    "down": 2.0,
    "up": 2.0,
}


@pytest.mark.parametrize("target", TARGETS)
def test_every_fault_that_lasts_is_looked_for_again_at_its_end_or_it_is_said_why_not(
    target: str,
) -> None:
    for kind in held_at(target):
        look = look_over(kind.name, target, PARAMS)
        if kind.once:
            assert isinstance(look, Unseen)
        elif kind.name == "half-open":
            assert isinstance(look, Unseen)
            assert "holds a connection from before" in look.why
        else:
            assert isinstance(look, Look), kind.name
            assert look.lasts_s > 0
            if look.judge is not None:
                found = over(
                    look.judge,
                    Evidence(as_it_was(kind.name, look), as_it_was(kind.name, look), PARAMS),
                )
                assert found.end == "gone", (kind.name, target, found)


@pytest.mark.parametrize(
    ("target", "kind", "after"),
    [
        ("node", "power-off", [bad("timeout")] * 2),
        ("node", "crash", [bad("refused")]),
        ("node", "freeze", [bad("timeout", connected=True)]),
        ("node", "slow", [ok("exchange", 0.3)] * 2),
        ("node", "partition", [bad("timeout", "exchange")] * 2),
        ("pod", "freeze", [bad("timeout", "health")]),
        (
            "pod",
            "gray",
            [bad("error", "echo", detail="INTERNAL: error injected by the fault r.f.0 at")],
        ),
        ("pod", "zombie", [ok("api", detail="deleted"), ok("exchange")]),
        ("lb", "crash", [bad("refused", "exchange")]),
        ("dns", "error", [ok("dns", detail="SERVFAIL")]),
        ("kube-proxy", "stop", [bad("timeout")]),
        ("control-plane", "freeze", [bad("timeout", "api", connected=True)]),
    ],
)
def test_an_effect_that_is_still_seen_is_there_whatever_its_target_says(
    target: str, kind: str, after: list[Sample]
) -> None:
    look = look_over(kind, target, PARAMS)
    assert isinstance(look, Look)
    assert look.judge is not None
    before = [ok(after[0].how, 0.001)] * 2
    found = over(look.judge, Evidence(before, after, PARAMS, "r.f.0"))
    assert (found.end, bool(found.what)) == ("there", True)


def test_who_got_nowhere_does_not_know_whether_a_fault_is_gone() -> None:
    assert over(witness.silent, Evidence([], [bad("error", detail="no gateway")])).end == "unknown"
    assert over(witness.silent, Evidence([], [])).end == "unknown"
    away = bad("error", "echo", detail="UNAVAILABLE: failed to connect")
    assert over(witness.still_failing, Evidence([], [away], {}, "r.f.0")).end == "unknown"
    busy = bad("error", "echo", detail="RESOURCE_EXHAUSTED: the queue is full")
    assert over(witness.still_failing, Evidence([], [busy], {}, "r.f.0")).end == "gone"


def test_a_balancer_without_targets_is_none_that_crashed() -> None:
    reset = bad("reset", "exchange", connected=True)
    assert not seen(witness.not_listening, [reset])
    assert seen(witness.not_listening, [bad("refused", "exchange")])


def test_what_could_not_have_shown_is_not_gone() -> None:
    one, two = {"d/web": {"a", "b"}}, {"d/web": {"a"}}
    assert over_by(compared.stale((one, one), (one, one))).end == "unknown"
    assert over_by(compared.stale((one, one), (one, two))).end == "there"
    assert over_by(compared.stale((one, two), (one, two))).end == "gone"
    assert over_by(compared.blind([0.0, 1.0], now_s=9.0)).end == "unknown"
    assert over_by(compared.blind([0.0, 1.0, 2.0], now_s=2.5)).end == "gone"


def test_what_hits_few_calls_takes_many_to_be_gone_and_what_flaps_must_stay_away() -> None:
    def count(**params: Any) -> int:
        look = look_over("error-rate", "pod", {"status": "INTERNAL", **params})
        assert isinstance(look, Look)
        return look.count

    assert count(share=1.0) == 1
    assert count(share=1.0, every=7, after=3, times=2) == 7
    assert (1 - 0.1) ** count(share=0.1) <= 0.01
    assert count(share=0.0001) == 200
    flap = look_over("flap", "node", {"down": 3.0, "up": 5.0})
    assert isinstance(flap, Look)
    assert 5 < flap.quiet_s < flap.lasts_s
