from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.health.threshold import Threshold


@given(
    up=st.booleans(),
    rise=st.integers(1, 5),
    fall=st.integers(1, 5),
    answers=st.lists(st.booleans(), max_size=60),
)
def test_the_state_flips_only_after_a_full_run_of_contradicting_answers(
    up: bool, rise: int, fall: int, answers: list[bool]
) -> None:
    threshold = Threshold(up=up, rise=rise, fall=fall)
    seen: list[bool] = []
    for passed in answers:
        was = threshold.up
        flipped = threshold.count(passed)
        seen = [*seen, passed]
        run = seen[-(rise if passed else fall) :]
        full = len(run) == (rise if passed else fall) and all(a == passed for a in run)
        assert flipped == (was != passed and full)
        assert threshold.up == (passed if flipped else was)
        if flipped:
            seen = []


def test_one_agreeing_answer_starts_the_count_again() -> None:
    threshold = Threshold(up=True, rise=1, fall=3)
    assert [threshold.count(a) for a in (False, False, True, False, False)] == [False] * 5
    assert threshold.count(False)
