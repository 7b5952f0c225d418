"""Which machine a fault or a question is for. Pure."""

from dataclasses import dataclass
from typing import Literal

from emucluster.core.errors import UsageError

TargetKind = Literal["node", "pod", "load-balancer", "control-plane"]

FAULTS: dict[TargetKind, tuple[str, ...]] = {
    "node": ("crash", "power-off", "freeze"),
    "pod": ("crash", "freeze"),
    "load-balancer": ("crash", "freeze"),
    "control-plane": ("crash", "freeze"),
}

_FORMS = "node/NAME, pod/[NAMESPACE/]NAME, service/[NAMESPACE/]NAME (its load balancer), " + (
    "lb/[NAMESPACE/]SERVICE or control-plane"
)
_KINDS: dict[str, TargetKind] = {
    "node": "node",
    "nodes": "node",
    "no": "node",
    "pod": "pod",
    "pods": "pod",
    "po": "pod",
    "lb": "load-balancer",
    "load-balancer": "load-balancer",
    "service": "load-balancer",
    "services": "load-balancer",
    "svc": "load-balancer",
}


@dataclass(frozen=True, slots=True)
class Target:
    """What a fault acts on. `str()` is the form that agents are given and faults are listed by."""

    kind: TargetKind
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        if self.kind == "control-plane":
            return "control-plane"
        if self.kind == "node":
            return f"node/{self.name}"
        return f"{'lb' if self.kind == 'load-balancer' else 'pod'}/{self.namespace}/{self.name}"

    @property
    def machine(self) -> str:
        """The name of the machine, for all but pods."""
        return self.name if self.kind == "node" else str(self)


def parse_target(text: str) -> Target:
    """`node/node-2`, `pod/web-1`, `pod/ns/web-1`, `service/web`, `lb/web`, `control-plane`."""
    if text in ("control-plane", "controlplane"):
        return Target("control-plane")
    head, *rest = text.split("/")
    kind = _KINDS.get(head.lower())
    if kind is None or not all(rest) or len(rest) not in ((1,) if kind == "node" else (1, 2)):
        raise UsageError(f"fault target {text!r} is not one of: {_FORMS}")
    if kind == "node":
        return Target("node", "", rest[0])
    return Target(kind, rest[0] if len(rest) == 2 else "default", rest[-1])


def check_fault(kind: str, target: Target) -> None:
    """Raises `UsageError` naming the faults that this kind of target has."""
    known = FAULTS[target.kind]
    if kind not in known:
        raise UsageError(
            f"fault {kind!r} is not one of those of a {target.kind}: {', '.join(known)}"
        )
