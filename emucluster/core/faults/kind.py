"""What a kind of fault is, and what its parameters may be."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from emucluster.core.quantities import DURATION_WORDS, SHARE_WORDS, Seconds, Share, shortly

Layer = Literal["machine", "cut", "process", "resource", "shape", "answer", "belief", "operation"]
LAYERS: tuple[Layer, ...] = (
    "machine",
    "cut",
    "process",
    "resource",
    "shape",
    "answer",
    "belief",
    "operation",
)
EXCLUSIVE: frozenset[Layer] = frozenset({"machine", "process"})

ParamType = Literal["duration", "share", "number", "integer", "text", "choice", "flag", "map"]

STATUSES = (
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """A parameter of a kind. `default` None with `required` False: not set.

    Attributes:
        low, high: of numbers, both allowed; durations are in seconds.
    """

    name: str
    type: ParamType
    doc: str
    default: Any = None
    required: bool = False
    low: float = 0.0
    high: float = 1e9
    choices: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What is allowed."""
        match self.type:
            case "duration":
                return f"{DURATION_WORDS}, from {self.low:g} to {self.high:g} s"
            case "share":
                return SHARE_WORDS
            case "choice":
                return f"one of {', '.join(self.choices)}"
            case "number" | "integer":
                whole = "a whole number" if self.type == "integer" else "a number"
                return f"{whole} from {self.low:g} to {self.high:g}"
            case "flag":
                return "true or false"
            case "map":
                return "a map"
            case _:
                return "text"

    def parse(self, value: object) -> Any:
        """The value as plans hold it (durations in seconds). Raises ValueError."""
        try:
            parsed = self._parsed(value)
        except ValueError:
            parsed = None
        if parsed is None:
            raise ValueError(f"must be {self.words}; got {shortly(value)}")
        return parsed

    def read(self, text: str) -> Any:
        """As `parse`, of what stands on a command line: `200ms`, `0.5`, `true`, `{"app": "a"}`."""
        if self.type in ("text", "choice"):
            return self.parse(text)
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        return self.parse(value)

    def _parsed(self, value: object) -> Any:
        match self.type:
            case "duration":
                return self._in_range(float(Seconds.parse(value)))
            case "share":
                return float(Share.parse(value))
            case "choice":
                return value if value in self.choices else None
            case "flag":
                return value if isinstance(value, bool) else None
            case "text":
                return value if isinstance(value, str) and value else None
            case "map":
                return value if isinstance(value, dict) else None
        allowed = int if self.type == "integer" else (int, float)
        if isinstance(value, bool) or not isinstance(value, allowed):
            return None
        return self._in_range(value)

    def _in_range(self, value: float) -> float | None:
        return value if self.low <= value <= self.high else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """One kind of fault, on the kinds of target that can have it with these parameters.

    Attributes:
        targets: after expansion: zones and hosts become their nodes, services their pods.
        counts: towards the blast radius of nodes or of pods.
        kills: the target's process does not survive it, with what that process knew.
        once: it is done and over; nothing stays in force, whatever it did.
        uses: the layer in which an operation puts a fault of its own on its target.
        seen_by: who, other than the target, can tell that it is in force.
    """

    name: str
    targets: tuple[str, ...]
    layer: Layer
    doc: str
    seen_by: str
    params: tuple[Param, ...] = ()
    counts: Literal["node", "pod", ""] = ""
    kills: bool = False
    once: bool = False
    uses: Layer | None = None

    @property
    def is_operation(self) -> bool:
        return self.layer == "operation"

    @property
    def is_exclusive(self) -> bool:
        """Whether its target can have no other such fault meanwhile."""
        return (self.uses or self.layer) in EXCLUSIVE

    @property
    def ends_early(self) -> bool:
        """Whether it is over by itself before its time: it is done once, not again and again."""
        return self.once or self.name == "reboot"

    @property
    def is_link(self) -> bool:
        """Whether it is held at one end of a link, and hits what arrives from its peers."""
        return self.targets == ("link",)
