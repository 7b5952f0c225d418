"""The published definitions of the API's types, read once when they are first needed.

Source: `data/definitions.json.gz`, see NOTICE beside it.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, TypeAlias

import msgspec

Raw: TypeAlias = Mapping[str, Any]

REF = "#/components/schemas/"
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
# Sent with the group and version of whatever they are about.
_OF_EVERY_GROUP = ("DeleteOptions", "Status")


def read(name: str) -> Any:
    """The JSON in a file beside this module."""
    packed = (resources.files(__package__) / "data" / name).read_bytes()
    return msgspec.json.decode(gzip.decompress(packed))


@cache
def definitions() -> Mapping[str, Raw]:
    """All definitions, by full name: `io.k8s.api.core.v1.Pod`. Shared: never change them."""
    loaded: Mapping[str, Raw] = read("definitions.json.gz")
    return loaded


@cache
def _by_kind() -> Mapping[tuple[str, str], str]:
    result = {}
    for name, raw in definitions().items():
        for row in raw.get("x-kubernetes-group-version-kind", ()):
            group, version = row["group"], row["version"]
            result[f"{group}/{version}" if group else version, row["kind"]] = name
    return result


def definition_of(api_version: str, kind: str) -> str | None:
    """The name of the definition of a kind, None for a kind that is not published."""
    if kind in _OF_EVERY_GROUP:
        return META + kind
    return _by_kind().get((api_version, kind))
