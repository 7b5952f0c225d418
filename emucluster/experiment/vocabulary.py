"""Words that the parts of an experiment's file share."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from emucluster.experiment.bounds import LENGTH_MAX, POOL_MAX

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
_NAME = r"^[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?$"
_SELECT = r"^(one|all|fixed:[1-9][0-9]{0,5}|percent:[0-9]+(\.[0-9]+)?)?$"
_CONNECTION = r"^(shared|per-call|pool:([1-9][0-9]{0,2}|10[01][0-9]|102[0-4]))$"
PATTERN_WORDS = {
    _NAME: "a name of letters, digits, '-', '_' and '.' (letter or digit first and last)",
    _SELECT: "one, all, fixed:N or percent:P",
    _CONNECTION: f"shared, per-call or pool:N with N from 1 to {POOL_MAX}",
}
"""What the patterns of this file's types mean, for errors."""

Name = Annotated[str, Meta(pattern=_NAME, max_length=LENGTH_MAX)]
Select = Annotated[str, Meta(pattern=_SELECT)]
ConnectionUse = Annotated[str, Meta(pattern=_CONNECTION)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]


class Strict(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What a user writes: unknown fields are errors."""
