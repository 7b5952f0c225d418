"""Which form of an answer a client takes.

As k8s.io/apiserver pkg/endpoints/handlers/negotiation/negotiate.go: the first clause of `Accept`
that can be served. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from emucluster.core.errors import NotAcceptable

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
SERVED = (JSON, YAML)
"""Protobuf is read, and never written: every client takes JSON as well."""

Shape = Literal["object", "table", "metadata", "discovery"]

_SHAPES: Mapping[tuple[str, str, str], Shape] = {
    ("Table", "meta.k8s.io", "v1"): "table",
    ("Table", "meta.k8s.io", "v1beta1"): "table",
    ("PartialObjectMetadata", "meta.k8s.io", "v1"): "metadata",
    ("PartialObjectMetadata", "meta.k8s.io", "v1beta1"): "metadata",
    ("PartialObjectMetadataList", "meta.k8s.io", "v1"): "metadata",
    ("PartialObjectMetadataList", "meta.k8s.io", "v1beta1"): "metadata",
}
_DISCOVERY: Mapping[tuple[str, str, str], Shape] = {
    ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2"): "discovery",
    ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2beta1"): "discovery",
}


@dataclass(frozen=True, slots=True)
class Representation:
    """The form to answer in.

    Attributes:
        media: `application/json` or `application/yaml`.
        shape: the object itself, a `Table` with its columns, or its metadata alone; `discovery` is
            the aggregated form of `/api` and `/apis`.
        version: of the shape: `v1`, `v1beta1`, `v2`, `v2beta1`; "" for the object itself.
    """

    media: str = JSON
    shape: Shape = "object"
    version: str = ""


PLAIN = Representation()


@lru_cache(maxsize=1024)
def negotiate(accept: str, *, discovery: bool = False) -> Representation:
    """The form for an `Accept` header; "" takes JSON. Raises NotAcceptable."""
    if not accept:
        return PLAIN
    shapes = _DISCOVERY if discovery else _SHAPES
    for clause in _clauses(accept):
        media = _media(clause[0])
        parameters = clause[1]
        if media is None or parameters.get("stream", "watch") not in ("", "watch"):
            continue
        if not {"as", "g", "v"} & parameters.keys():
            return Representation(media)
        kind = (parameters.get("as", ""), parameters.get("g", ""), parameters.get("v", ""))
        if (shape := shapes.get(kind)) is not None:
            return Representation(media, shape, kind[2])
    raise NotAcceptable.of((JSON, YAML, PROTOBUF))


def _media(asked: str) -> str | None:
    if asked in ("*/*", "application/*", JSON):
        return JSON
    return YAML if asked == YAML else None


def _clauses(accept: str) -> list[tuple[str, dict[str, str]]]:
    """Media types with their parameters; a higher `q` first, else as they were given."""
    found = []
    for clause in accept.split(","):
        media, *parts = (part.strip() for part in clause.split(";"))
        parameters = dict(part.split("=", 1) for part in parts if "=" in part)
        try:
            weight = float(parameters.pop("q", "1"))
        except ValueError:
            weight = 1.0
        if weight > 0:
            found.append((weight, media.lower(), parameters))
    found.sort(key=lambda each: -each[0])
    return [(media, parameters) for _, media, parameters in found]
