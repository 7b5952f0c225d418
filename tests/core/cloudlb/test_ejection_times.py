"""How long each preset goes on sending connections to a machine without power."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emucluster.core.cloudlb.commands import Target
from emucluster.core.cloudlb.settings import resolve
from emucluster.core.durations import Speed

from .world import World


def ejected_after_s(world: World, *, silent_from_s: float) -> float:
    world.run_until(0)
    world.call()  # Envoy checks rarely until its first connection
    world.run_until(silent_from_s)
    world.silent.add("node-2")
    world.run_until(silent_from_s + 600)
    return world.times_of("node-2", "unhealthy")[0] - silent_from_s


@pytest.mark.parametrize(
    ("preset", "local", "fastest_s", "slowest_s"),
    [
        ("aws-nlb", False, 30, 40),
        ("aws-nlb", True, 16, 26),
        ("aws-clb", False, 55, 65),
        ("gcp", False, 17, 25),
        ("gcp", True, 4, 7),
        ("azure", False, 10, 15),
        ("haproxy", False, 5, 6),
        ("envoy", False, 3.5, 4.5),
    ],
)
@settings(max_examples=15)
@given(phase=st.floats(0, 1, exclude_max=True))
def test_a_silent_target_is_out_after_its_thresholds_worth_of_checks(
    preset: str, local: bool, fastest_s: float, slowest_s: float, phase: float
) -> None:
    policy = resolve(preset, local=local)
    start_s = 200 + phase * policy.health_check.interval_s
    took_s = ejected_after_s(World(policy), silent_from_s=start_s)
    assert fastest_s - 1e-6 <= took_s <= slowest_s + 1e-6


@pytest.mark.parametrize(
    ("preset", "phase", "failed_calls", "last_failing_s"),
    [("haproxy", 0.65, 90, 5.34), ("envoy", 0.99, 59, 3.52)],
)
def test_haproxy_and_envoy_lose_as_many_calls_as_the_real_ones(
    preset: str, phase: float, failed_calls: int, last_failing_s: float
) -> None:
    """Measured with HAProxy 2.6 and Envoy 1.40: 50 calls/s, one of three targets silent."""
    world = World(resolve(preset))
    world.run_until(0)
    world.call()
    start_s = 300 + phase
    world.run_until(start_s)
    world.silent.add("node-2")
    failures: list[float] = []
    for n in range(50 * 20):
        world.run_until(start_s + n / 50)
        chosen = world.call()
        assert isinstance(chosen, Target)
        if chosen.name == "node-2":
            failures.append(n / 50)
    assert failures[-1] == pytest.approx(last_failing_s, abs=0.06)
    assert len(failures) == pytest.approx(failed_calls, abs=2)


def test_speed_divides_the_time_to_eject() -> None:
    fast = World(resolve("aws-nlb", speed=Speed(10)))
    assert ejected_after_s(fast, silent_from_s=20.5) == pytest.approx(3.5)


def test_under_high_speed_checks_that_outlast_the_interval_do_not_overlap() -> None:
    policy = resolve("aws-nlb", speed=Speed(100)).health_check
    assert (policy.interval_s, policy.timeout_s) == (0.1, 0.2)
    world = World(resolve("aws-nlb", speed=Speed(100)))
    assert ejected_after_s(world, silent_from_s=2.0) == pytest.approx(0.6, abs=0.11)


def test_a_healed_target_returns_after_the_healthy_threshold() -> None:
    nlb = World(resolve("aws-nlb"))
    nlb.run_until(200)
    nlb.silent.add("node-2")
    nlb.run_until(400)
    nlb.silent.clear()
    nlb.run_until(600)
    # a check that began in silence fails at 410; passes at 410, 420, 430
    assert nlb.times_of("node-2", "healthy") == [0, 430]


def test_same_inputs_give_the_same_history() -> None:
    def history() -> list[Any]:
        world = World(resolve("haproxy"))
        world.silent.add("node-1")
        world.run_until(100)
        return world.log

    assert history() == history()


@pytest.mark.parametrize("preset", ["envoy", "aws-nlb"])
def test_the_first_passed_check_puts_a_new_target_in_service(preset: str) -> None:
    world = World(resolve(preset))
    world.run_until(0)
    assert world.times_of("node-1", "healthy") == [0]


def test_a_new_target_of_a_classic_balancer_waits_for_two_checks() -> None:
    world = World(resolve("aws-clb"))
    world.run_until(60)
    assert world.times_of("node-1", "healthy") == [10]


def test_a_haproxy_server_is_up_before_its_first_check_and_down_at_its_first_failure() -> None:
    world = World(resolve("haproxy"))
    world.refusing.add("node-1")
    assert {world.call() for _ in range(3)} == set(world.balancer.states()[8080])
    world.run_until(0)
    assert world.times_of("node-1", "unhealthy") == [0]


def test_envoy_checks_each_minute_until_its_first_connection() -> None:
    world = World(resolve("envoy"))
    world.run_until(1)
    world.silent.add("node-1")
    world.run_until(59)
    assert world.times_of("node-1", "unhealthy") == []
    world.call()
    world.run_until(70)
    # the running minute ends first: 60 + .5, then 1 + .5 twice
    assert world.times_of("node-1", "unhealthy") == [63.5]
