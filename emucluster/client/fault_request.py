"""A fault that is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class FaultRequest:
    """What is to be put upon whom; `Session.inject` says what each field means."""

    kind: str
    target: str
    for_s: float | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    peers: Sequence[str] = ()
    follow: str = "identity"
    fault_id: str | None = None
    until_s: float | None = None
