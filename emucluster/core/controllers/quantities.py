"""Kubernetes quantities as exact integers (k8s.io/apimachinery/pkg/api/resource)."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

Quantity = str | int | float

_SUFFIXES = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 10**3),
    "": Fraction(1),
    **{
        suffix: Fraction(10 ** (3 * i))
        for i, suffix in enumerate(("k", "M", "G", "T", "P", "E"), 1)
    },
    **{f"{s}i": Fraction(2 ** (10 * i)) for i, s in enumerate(("K", "M", "G", "T", "P", "E"), 1)},
}
_FORM = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)$")


@lru_cache(maxsize=4096)
def milli(quantity: Quantity) -> int:
    """In thousandths, rounded up. Raises ValueError for what is not a quantity."""
    found = _FORM.match(str(quantity))
    if found is None:
        raise ValueError(f"not a quantity: {quantity!r}")
    digits, exponent, suffix = found.groups()
    value = Fraction(digits + (exponent or "")) * _SUFFIXES[suffix or ""]
    return -int(-value * 1000 // 1)
