"""The arithmetic of rolling updates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.controllers.rollout import (
    Sizes,
    fenceposts,
    new_size,
    old_sizes,
    proportional,
)


@pytest.mark.parametrize(
    ("surge", "unavailable", "replicas", "expected"),
    [
        ("25%", "25%", 10, (3, 2)),
        (None, None, 3, (1, 0)),
        ("0%", "10%", 5, (0, 1)),
        (0, 0, 5, (0, 1)),
        (1, 7, 5, (1, 5)),
        ("100%", 0, 4, (4, 0)),
    ],
)
def test_surge_rounds_up_and_unavailable_down_and_never_both_are_zero(
    surge: int | str | None,
    unavailable: int | str | None,
    replicas: int,
    expected: tuple[int, int],
) -> None:
    assert fenceposts(surge, unavailable, replicas) == expected


def test_a_text_that_is_no_percentage_is_refused() -> None:
    with pytest.raises(ValueError, match="neither an integer nor a percentage"):
        fenceposts("many", 0, 3)


def test_the_new_set_grows_only_into_the_surge() -> None:
    assert new_size(0, 10, replicas=10, surge=3) == 3
    assert new_size(3, 13, replicas=10, surge=3) == 3
    assert new_size(9, 10, replicas=10, surge=3) == 10


def test_unhealthy_old_pods_go_before_healthy_ones() -> None:
    olds = [Sizes(5, available=5), Sizes(5, available=0)]
    assert old_sizes(Sizes(0), olds, replicas=10, unavailable=5) == [5, 0]


def test_scaling_in_mid_roll_gives_each_set_its_share() -> None:
    # The example of the Kubernetes documentation: 10 -> 15 with surge 3 while 8 + 5 are asked for.
    sets = [Sizes(5, max_annotated=13), Sizes(8, max_annotated=13)]
    assert proportional(sets, replicas=15, surge=3, status_replicas=13) == [7, 11]


sizes = st.builds(Sizes, st.integers(0, 20), st.integers(0, 20)).map(
    lambda s: Sizes(s.wanted, min(s.available, s.wanted))
)


@given(sizes, st.lists(sizes, max_size=4), st.integers(0, 20), st.integers(0, 5))
def test_shrinking_never_takes_available_pods_below_the_minimum(
    new: Sizes, olds: list[Sizes], replicas: int, unavailable: int
) -> None:
    after = old_sizes(new, olds, replicas=replicas, unavailable=min(unavailable, replicas))
    assert all(0 <= size <= old.wanted for size, old in zip(after, olds, strict=True))
    minimum = replicas - min(unavailable, replicas)
    before = new.available + sum(old.available for old in olds)
    left = new.available + sum(
        min(old.available, size) for size, old in zip(after, olds, strict=True)
    )
    assert left >= min(minimum, before)


@given(st.lists(st.integers(1, 30), min_size=2, max_size=4), st.integers(0, 60), st.integers(0, 9))
def test_shares_add_up_to_what_is_allowed(wanted: list[int], replicas: int, surge: int) -> None:
    sets = [Sizes(each, max_annotated=sum(wanted)) for each in wanted]
    after = proportional(sets, replicas=replicas, surge=surge, status_replicas=sum(wanted))
    assert all(size >= 0 for size in after)
    allowed = replicas + surge if replicas else 0
    # What rounding leaves is taken from one set alone, which cannot shrink below nothing.
    assert sum(after) == allowed or (sum(after) > allowed and 0 in after)
