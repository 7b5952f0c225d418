"""The kinds of faults and their targets, in the words of the command line.

- `crash`: the process or machine is gone at once; its peers get resets.
- `power-off` (nodes): silence. No FIN, no RST, new connections time out, heartbeats stop; the pods
  do not survive it.
- `freeze`: connections are accepted and never answered; it resumes as it was.
"""

from dataclasses import dataclass

from emucluster.core.errors import UsageError

FAULTS: dict[str, tuple[str, ...]] = {
    "node": ("power-off", "crash", "freeze"),
    "pod": ("crash", "freeze"),
    "lb": ("crash", "freeze"),
    "control-plane": ("crash", "freeze"),
}
"""Kind of target -> the faults it can have."""

_ALIASES = {
    "node": "node",
    "nodes": "node",
    "no": "node",
    "pod": "pod",
    "pods": "pod",
    "po": "pod",
    "lb": "lb",
    "service": "lb",
    "svc": "lb",
    "load-balancer": "lb",
}


@dataclass(frozen=True, slots=True)
class FaultTarget:
    """`kind` is a key of FAULTS; `namespace` is empty for nodes and the control plane."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        if self.kind == "control-plane":
            return self.kind
        if self.kind == "node" or self.namespace == "default":
            return f"{self.kind}/{self.name}"
        return f"{self.kind}/{self.namespace}/{self.name}"


def parse_target(text: str) -> FaultTarget:
    """`node/NAME`, `pod/[NAMESPACE/]NAME`, `lb/[NAMESPACE/]SERVICE` or `control-plane`.

    Raises UsageError that names what is allowed.
    """
    if text == "control-plane":
        return FaultTarget("control-plane", "", "")
    kind, *rest = text.split("/")
    target_kind = _ALIASES.get(kind.lower())
    if target_kind is None or not rest or not all(rest) or len(rest) > 2:
        raise UsageError(
            f'target "{text}": must be node/NAME, pod/[NAMESPACE/]NAME, lb/[NAMESPACE/]SERVICE '
            "or control-plane"
        )
    if target_kind == "node":
        if len(rest) != 1:
            raise UsageError(f'target "{text}": nodes have no namespace; use node/{rest[-1]}')
        return FaultTarget("node", "", rest[0])
    namespace, name = rest if len(rest) == 2 else ("default", rest[0])
    return FaultTarget(target_kind, namespace, name)


def check(kind: str, target: FaultTarget, duration_s: float | None) -> None:
    """Raise UsageError unless `kind` is a fault that `target` can have, for a positive time.

    A fault that is over at once has no duration.
    """
    allowed = FAULTS[target.kind]
    if kind not in allowed:
        known = any(kind in kinds for kinds in FAULTS.values())
        what = f"a {target.kind} cannot have it" if known else "no such fault"
        raise UsageError(f'fault "{kind}": {what}; {target.kind} can: {", ".join(allowed)}')
    if duration_s is not None and not 0 < duration_s <= 86400:
        raise UsageError(f"--for: must be above 0 and at most 86400 seconds, got {duration_s:g}")
    if duration_s is not None and is_over_at_once(kind, target):
        raise UsageError(
            f"--for: {kind} of {target} is over at once, for it is restarted by itself; "
            "freeze can last"
        )


def is_over_at_once(kind: str, target: FaultTarget) -> bool:
    """Whether nothing stays in force: who watches over the process starts it again.

    That is the kubelet for a pod and the supervisor for the control plane; a node or load balancer
    that crashed stays down until the fault ends.
    """
    return kind == "crash" and target.kind in ("pod", "control-plane")
