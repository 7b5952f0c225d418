"""For each kind of fault, how somebody else looks at its target, as data; or why nobody can."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from emucluster.core.faults import kinds, witness
from emucluster.core.faults.witness import How, Judge

Gather = Literal["looks", "table", "names", "checks", "targets", "processor"]
"""`looks`: samples. Else it is compared: a kube-proxy's table or a DNS server's names with what
others believe; a load balancer's checks with when they used to come to its targets, and its beliefs
with what those answer; a process's processor time with what it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a fault is looked for.

    Attributes:
        hows: what is done, each `count` times; `held` is a connection from before the fault.
        before: whether it has to be looked before the fault too.
        timeout_s: of one look.
        judge: decides from the samples; None where `gather` is another than `looks`.
        lasts_s: so long after its end the effect may go on by itself, and is waited for.
        quiet_s: of what comes and goes, how long it must stay away to be gone.
    """

    hows: tuple[How, ...] = ()
    judge: Judge | None = None
    gather: Gather = "looks"
    before: bool = False
    count: int = 1
    timeout_s: float = 1.0
    lasts_s: float = 5.0
    quiet_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Unseen:
    """Nobody else can look for it here, and why."""

    why: str


TO_CLIENTS = "left to clients"
CALLS_MAX = 200
_COUNTED = ("after", "every", "times")


def _link(how: How) -> dict[str, Look]:
    """Faults of links, looked for by one of the peers that they hit."""
    return {
        "partition": Look(hows=(how,), judge=witness.silent, count=2, timeout_s=0.7),
        "latency": Look(hows=(how,), judge=witness.late, before=True, count=2, timeout_s=3.0),
        "loss": Look(hows=(how,), judge=witness.lossy, before=True, count=40, timeout_s=1.5),
        "bandwidth": Look(hows=("exchange",), judge=witness.narrow, before=True, timeout_s=4.0),
        "reset": Look(hows=("held",), judge=witness.broken, before=True),
        "half-open": Look(hows=("held", "exchange"), judge=witness.forgotten, before=True),
    }


_NODE: dict[str, Look] = {
    "power-off": Look(hows=("http",), judge=witness.silent, count=2, timeout_s=0.7),
    "crash": Look(hows=("http",), judge=witness.refused),
    "freeze": Look(hows=("http",), judge=witness.frozen, timeout_s=0.7),
    "reboot": Look(hows=("http",), judge=witness.refused),
    "flap": Look(hows=("http",), judge=witness.absent, timeout_s=0.7),
    "cpu-hog": Look(gather="processor", before=True),
    "slow": Look(hows=("exchange",), judge=witness.late, before=True, count=2, timeout_s=3.0),
    **_link("exchange"),
}
_POD: dict[str, Look] = {
    "crash": Look(hows=("api",), judge=witness.restarted, before=True),
    "freeze": Look(hows=("health",), judge=witness.silent, timeout_s=1.0),
    "gray": Look(hows=("health", "echo"), judge=witness.gray, count=10),
    # It has its grace period (30 s by default) once its node may end it.
    "zombie": Look(
        hows=("api", "exchange"), judge=witness.serving_though_deleted, before=True, lasts_s=60.0
    ),
    "error-rate": Look(hows=("echo",), judge=witness.erring, count=20),
    "slow": Look(hows=("echo",), judge=witness.late, before=True, count=2, timeout_s=3.0),
    # Ready again after successThreshold of its probe's periods.
    "readiness-flap": Look(hows=("api",), judge=witness.not_ready, lasts_s=60.0),
    **_link("exchange"),
}
_LB: dict[str, Look] = {
    "crash": Look(hows=("exchange",), judge=witness.refused),
    "freeze": Look(hows=("exchange",), judge=witness.frozen, timeout_s=0.7),
    "blind": Look(gather="checks"),
    # It holds on to what it was told until its thresholds of true checks are reached.
    "lying": Look(gather="targets", lasts_s=120.0),
    **_link("exchange"),
}
_KUBE_PROXY: dict[str, Look] = {
    "stale": Look(gather="table", before=True),
    "stop": Look(hows=("http",), judge=witness.silent, timeout_s=0.7),
}
_DNS: dict[str, Look] = {
    "error": Look(hows=("dns",), judge=witness.dns_error),
    "stale": Look(gather="names", before=True),
    "slow": Look(hows=("dns",), judge=witness.late, before=True, count=2, timeout_s=3.0),
}
_CONTROL_PLANE: dict[str, Look] = {
    "crash": Look(hows=("api",), judge=witness.restarted, before=True),
    "freeze": Look(hows=("api",), judge=witness.silent, timeout_s=1.0),
    "slow": Look(hows=("api",), judge=witness.late, before=True, count=2, timeout_s=3.0),
    **_link("exchange"),
}
_LOOKS: Mapping[str, Mapping[str, Look]] = {
    "node": _NODE,
    "pod": _POD,
    "lb": _LB,
    "kube-proxy": _KUBE_PROXY,
    "dns": _DNS,
    "control-plane": _CONTROL_PLANE,
}


def look_for(kind: str, target_kind: str, params: Mapping[str, Any]) -> Look | Unseen:
    """How to look for a fault of `kind` on a target of `target_kind` with these parameters."""
    look = _LOOKS[target_kind][kind]
    if "echo" in look.hows and _is_counted(params):
        return Unseen(f"{TO_CLIENTS}: a witness's own call would use up its counts")
    return look


_AT_ONCE = Unseen("it was over at once")
_UNSEEN_ENDS: Mapping[str, Unseen] = {
    "half-open": Unseen(
        "its end shows to nobody but who holds a connection from before: new ones worked all along"
    ),
}
_FLAPPING = ("flap", "readiness-flap")
UP_MARGIN_S = 1.0
QUIET_MAX_S = 60.0
_FEW_S = 0.01
"""A fault in force is taken for gone at most so often by chance."""


def look_over(kind: str, target_kind: str, params: Mapping[str, Any]) -> Look | Unseen:
    """How to look whether a fault that should be over is: by whoever could look for it.

    What is counted is looked for too: nothing is used up any more.
    """
    if any(known.once for known in kinds.held_at(target_kind) if known.name == kind):
        return _AT_ONCE
    if kind in _UNSEEN_ENDS:
        return _UNSEEN_ENDS[kind]
    look = _LOOKS[target_kind][kind]
    if kind in ("gray", "error-rate"):
        count = _calls_to_be_sure(float(params.get("share", 1.0)), int(params.get("every", 1)))
        return replace(look, hows=("echo",), judge=witness.still_failing, count=count)
    if (target_kind, kind) == ("lb", "crash"):
        return replace(look, judge=witness.not_listening)
    if kind in _FLAPPING:
        quiet_s = min(QUIET_MAX_S, float(params.get("up", 0.0)) + UP_MARGIN_S)
        return replace(look, quiet_s=quiet_s, lasts_s=look.lasts_s + quiet_s)
    return look


def operation_over(kind: str) -> Look | Unseen:
    """As `look_over`, of operations: by the object in the API, as another client reads it."""
    if kind == "rolling-update":
        return Unseen("a new revision stays")
    return Look(hows=("api",))


def _calls_to_be_sure(share: float, every: int) -> int:
    """So many calls, of which a fault in force would hit one at least, but for chance."""
    if share >= 1:
        return min(CALLS_MAX, every)
    if share <= 0:
        return 1
    return min(CALLS_MAX, max(1, math.ceil(every * math.log(_FEW_S) / math.log(1 - share))))


def _is_counted(params: Mapping[str, Any]) -> bool:
    usual = {"after": 0, "every": 1, "times": None}
    return any(params.get(name, usual[name]) != usual[name] for name in _COUNTED)
