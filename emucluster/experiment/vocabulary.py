"""Words that the parts of an experiment's file share."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Phase = Literal["baseline", "inject", "recover", "verify"]
PHASES: tuple[Phase, ...] = ("baseline", "inject", "recover", "verify")

TargetKind = Literal[
    "node",
    "zone",
    "host",
    "pod",
    "service",
    "deployment",
    "lb",
    "dns",
    "control-plane",
    "kube-proxy",
    "link",
    "outside",
    "manifest",
]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?$")]
Count = Annotated[int, Meta(ge=1)]


class Strict(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What a user writes: unknown fields are errors."""
