import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.quantities import SECONDS_MAX, Quantile, Seconds, Share, decode_quantity


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("30s", 30), ("500ms", 0.5), ("1m30s", 90), ("2h", 7200), (3, 3), (0.25, 0.25), ("0s", 0)],
)
def test_durations_are_written_with_units_or_as_numbers_of_seconds(
    written: object, seconds: float
) -> None:
    assert Seconds.parse(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written",
    [
        "30",
        "s",
        "\uff11s",
        "3 s",
        "-1s",
        -1,
        True,
        None,
        "1s1",
        [],
        float("nan"),
        float("inf"),
        1e300,
    ],
)
def test_what_is_no_duration_is_refused_with_what_is_one(written: object) -> None:
    with pytest.raises(ValueError, match="must be a duration such as 30s"):
        Seconds.parse(written)


@given(st.integers(0, 10**6), st.sampled_from(["us", "ms", "s", "m", "h"]))
def test_every_whole_number_of_a_unit_up_to_a_day_is_a_duration(number: int, unit: str) -> None:
    factor = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}[unit]
    if number * factor > SECONDS_MAX:
        with pytest.raises(ValueError, match="from 0 to 24h"):
            Seconds.parse(f"{number}{unit}")
        return
    assert Seconds.parse(f"{number}{unit}") == pytest.approx(number * factor)


@given(st.decimals(0, 100, places=4))
def test_a_percentage_and_its_share_are_one_value(percent: object) -> None:
    assert Share.parse(f"{percent}%") == pytest.approx(float(str(percent)) / 100)


def test_99_9_percent_is_exactly_0_999() -> None:
    assert Share.parse("99.9%") == Share.parse(0.999) == 0.999


@pytest.mark.parametrize("written", ["101%", 1.1, -0.1, "1", True, "99,9%", "\uff19%"])
def test_what_is_no_share_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"must be a share such as 99\.9%"):
        Share.parse(written)


def test_quantiles_are_called_as_they_are_written() -> None:
    assert Quantile.parse("p99.9") == 0.999
    assert Quantile.parse("p99.9").words == "p99.9"
    assert Quantile.parse(0.5).words == "p50"
    for written in ("p0", "p100", "p\uff15", 1, 99, "99%"):
        with pytest.raises(ValueError, match="must be a quantile"):
            Quantile.parse(written)


def test_other_types_are_not_read() -> None:
    with pytest.raises(NotImplementedError):
        decode_quantity(complex, 1)
    assert msgspec.convert("1s", Seconds, dec_hook=decode_quantity) == 1.0


@pytest.mark.parametrize("kind", [Seconds, Share, Quantile])
def test_a_number_beyond_what_a_float_holds_is_refused(kind: type) -> None:
    with pytest.raises(ValueError, match="must be"):
        kind.parse(10**400)  # type: ignore[attr-defined]
