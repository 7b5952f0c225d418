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
_FORM = re.compile(
    r"^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)$", re.ASCII
)


_MAX = 2**63 - 1
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {-9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
_REGEX = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"


@lru_cache(maxsize=4096)
def canonical(quantity: Quantity) -> str:
    """As the API writes it: `1000m` is `1`, `0.5` is `500m`, `1024Mi` is `1Gi`.

    Raises ValueError, with the API's text, for what is not a quantity.
    """
    text = str(quantity).strip()
    found = _FORM.match(text)
    if found is None:
        raise ValueError(
            "unable to parse quantity's suffix"
            if re.match(r"^[+-]?\d+\.?\d*[eEinumkKMGTP]+[-+]?\d*$", text, re.ASCII)
            else f"quantities must match the regular expression '{_REGEX}'"
        )
    digits, exponent, suffix = found.groups()
    value = Fraction(digits) * _SUFFIXES[suffix or ""]
    value *= Fraction(10) ** max(-99, min(99, int((exponent or "e0")[1:])))
    nano = value * 10**9
    value = Fraction(-(-abs(nano) // 1), 10**9)  # more precise than that it never is; rounded up
    value, sign = min(value, Fraction(_MAX)), "-" if nano < 0 else ""
    if value == 0:
        return "0"
    if suffix in _BINARY[1:] and value >= 1024 and value.denominator == 1:
        number, power = value.numerator, 0
        while number % 1024 == 0 and power < len(_BINARY) - 1:
            number, power = number // 1024, power + 1
        return f"{sign}{number}{_BINARY[power]}"
    number, power = (value * 10**9).numerator, -9
    while number % 1000 == 0 and power < 18:
        number, power = number // 1000, power + 3
    if exponent:
        return f"{sign}{number}e{power}" if power else f"{sign}{number}"
    return f"{sign}{number}{_DECIMAL[power]}"


@lru_cache(maxsize=4096)
def amount(quantity: Quantity) -> Fraction:
    """What it comes to, exactly. Raises ValueError for what is not a quantity."""
    found = _FORM.match(str(quantity))
    if found is None:
        raise ValueError(f"not a quantity: {quantity!r}")
    digits, exponent, suffix = found.groups()
    return Fraction(digits + (exponent or "")) * _SUFFIXES[suffix or ""]


@lru_cache(maxsize=4096)
def milli(quantity: Quantity) -> int:
    """In thousandths, rounded up. Raises ValueError for what is not a quantity."""
    return -int(-amount(quantity) * 1000 // 1)
