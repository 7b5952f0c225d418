"""Intervals and quantiles that say how far numbers can be trusted. No numpy: small and exact.

Confidence is two-sided, 0.95 unless told otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from random import Random
from statistics import NormalDist, median

from msgspec import Struct


class Interval(Struct, frozen=True):
    """A closed interval.

    Attributes:
        low, high: its ends, which belong to it.
    """

    low: float
    high: float

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high


class Distribution(Struct, frozen=True, kw_only=True):
    """One number over several trials.

    Attributes:
        median, low, high, mean: of the values.
        stddev: standard deviation of the sample; 0 of one value.
        confidence: percentile bootstrap interval of the median; of one trial, that value.
        values: of every trial that has one, in the order of trials.
    """

    median: float
    low: float
    high: float
    mean: float
    stddev: float
    confidence: Interval
    values: tuple[float, ...]


def wilson(successes: int, total: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a share; (0, 1) of nothing.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    JASA 22 (1927). Good for small totals and shares near 0 or 1, and never outside of them.
    """
    _check(successes, total, confidence)
    if total == 0:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / total
    scale = 1 + z * z / total
    centre = share + z * z / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    low = 0.0 if successes == 0 else max(0.0, (centre - half) / scale)
    high = 1.0 if successes == total else min(1.0, (centre + half) / scale)
    return Interval(low, high)


def exact_binomial(successes: int, total: int, confidence: float = 0.95) -> Interval:
    """Clopper and Pearson's exact interval of a share; (0, 1) of nothing.

    Covers at least the confidence for every share. Source: Biometrika 26 (1934).
    """
    _check(successes, total, confidence)
    tail = (1 - confidence) / 2
    low, high = 0.0, 1.0
    if successes > 0:
        low = _solve(lambda p: 1 - binomial_cdf(successes - 1, total, p), tail)
    if successes < total:
        high = _solve(lambda p: 1 - binomial_cdf(successes, total, p), 1 - tail)
    return Interval(low, high)


def binomial_range(total: int, share: float, confidence: float = 0.95) -> tuple[int, int]:
    """The counts between which `total` draws with `share` fall with at least the confidence."""
    tail = (1 - confidence) / 2
    low = _first(lambda k: binomial_cdf(k, total, share) > tail, total)
    high = _first(lambda k: binomial_cdf(k, total, share) >= 1 - tail, total)
    return low, high


def binomial_cdf(successes: int, total: int, share: float) -> float:
    """The chance of at most so many successes in `total` draws with `share`."""
    if successes < 0:
        return 0.0
    if successes >= total or share <= 0:
        return 1.0
    if share >= 1:
        return 0.0
    return 1 - regularized_beta(share, successes + 1, total - successes)


def regularized_beta(x: float, a: float, b: float) -> float:
    """The regularized incomplete beta function, by its continued fraction (Lentz's method).

    Source: NIST DLMF 8.17.22.
    """
    if not 0 < x < 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - regularized_beta(1 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    log_front += a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) * _beta_fraction(x, a, b) / a


def _beta_fraction(x: float, a: float, b: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > tiny else tiny)
    value = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        change = 1.0
        for numerator in (even, odd):
            d = 1 + numerator * d
            c = 1 + numerator / c
            d = 1 / (d if abs(d) > tiny else tiny)
            c = c if abs(c) > tiny else tiny
            change = c * d
            value *= change
        if abs(change - 1) < 1e-14:
            break
    return value


def quantile(ordered: Sequence[float], q: float) -> float:
    """The smallest value that at least the share `q` of the values does not exceed (nearest rank).

    Args:
        ordered: ascending, at least one value.
    """
    if not ordered:
        raise ValueError("a quantile of no values")
    rank = math.ceil(round(q * len(ordered), 9))
    return ordered[min(len(ordered), max(1, rank)) - 1]


def bootstrap(
    values: Sequence[float],
    statistic: Callable[[Sequence[float]], float],
    *,
    rng: Random,
    confidence: float = 0.95,
    resamples: int = 1000,
) -> Interval:
    """Percentile bootstrap interval of a statistic.

    Source: B. Efron, "Bootstrap methods", Annals of Statistics 7 (1979). Of fewer than about ten
    values it is too narrow. Raises ValueError for no values.
    """
    if not values:
        raise ValueError("a bootstrap of no values")
    found = sorted(statistic(rng.choices(values, k=len(values))) for _ in range(resamples))
    tail = (1 - confidence) / 2
    return Interval(quantile(found, tail), quantile(found, 1 - tail))


def distribution(values: Sequence[float], *, rng: Random) -> Distribution:
    """What several trials come to. Raises ValueError for none."""
    if not values:
        raise ValueError("a distribution of no values")
    mean = math.fsum(values) / len(values)
    spread = math.fsum((value - mean) ** 2 for value in values)
    return Distribution(
        median=median(values),
        low=min(values),
        high=max(values),
        mean=mean,
        stddev=math.sqrt(spread / (len(values) - 1)) if len(values) > 1 else 0.0,
        confidence=bootstrap(values, median, rng=rng),
        values=tuple(values),
    )


def _check(successes: int, total: int, confidence: float) -> None:
    if not 0 <= successes <= total or not 0 < confidence < 1:
        raise ValueError(f"{successes} of {total} with confidence {confidence:g}")


def _solve(rising: Callable[[float], float], wanted: float) -> float:
    """Where a rising function of [0, 1] takes a value, by halving."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if rising(middle) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _first(holds: Callable[[int], bool], most: int) -> int:
    """The first count from 0 to `most` from which on something holds, by halving."""
    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low
