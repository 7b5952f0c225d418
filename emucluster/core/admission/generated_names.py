"""Names made by generateName (k8s.io/apiserver pkg/storage/names/generate.go)."""

from __future__ import annotations

from random import Random

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Without vowels, so that no word comes about (k8s.io/apimachinery pkg/util/rand)."""
_SUFFIX_LENGTH = 5
_BASE_MAX = 63 - _SUFFIX_LENGTH


def generated_name(base: str, rng: Random) -> str:
    """`base`, cut where it is too long, and five random characters."""
    suffix = "".join(rng.choice(ALPHABET) for _ in range(_SUFFIX_LENGTH))
    return base[:_BASE_MAX] + suffix
