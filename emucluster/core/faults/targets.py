"""What can be broken, and by which fault with which parameters, in the words of the command line.

- `crash`: the process or machine is gone at once; its peers get resets.
- `power-off` (nodes): silence. No FIN, no RST, new connections time out, heartbeats stop; the pods
  do not survive it.
- `freeze`: connections are accepted and never answered; it resumes as it was.

The whole catalogue is `kinds.KINDS`; `emucluster fault kinds` prints it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emucluster.core.errors import UsageError
from emucluster.core.faults import kinds
from emucluster.core.faults.kind import FaultKind, Param

DURATION_MAX_S = 86_400.0
ID_LENGTH_MAX = 250
GONE = "gone-"
"""Begins the ids of what is listed as a fault and was none: a machine whose process was killed."""
OUTSIDE = "outside"
"""As a peer of a link: every client outside the cluster."""
TARGET_WORDS = (
    "node/NAME, pod/[NAMESPACE/]NAME, lb/[NAMESPACE/]SERVICE, kube-proxy/NODE, dns/NODE "
    "or control-plane"
)

_OF_NODES = ("node", "kube-proxy", "dns")
_ALIASES = {
    "node": "node",
    "nodes": "node",
    "no": "node",
    "pod": "pod",
    "pods": "pod",
    "po": "pod",
    "lb": "lb",
    "load-balancer": "lb",
    "kube-proxy": "kube-proxy",
    "dns": "dns",
}
_ID = re.compile(r"[A-Za-z0-9][-._A-Za-z0-9]*")
_SERVICES = ("service", "services", "svc")
_DONE_BY = {
    "scale": "`emucluster scale`",
    "apply": "`emucluster apply`",
    "node-removal": "`emucluster delete node/NAME`",
}
"""Operations that have a command of their own."""


@dataclass(frozen=True, slots=True)
class FaultTarget:
    """`kind`: node, pod, lb, kube-proxy, dns or control-plane.

    `namespace` is empty but for pods and load balancers; `name` is the node's for kube-proxy and
    dns.
    """

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        if self.kind == "control-plane":
            return self.kind
        if self.kind in _OF_NODES or self.namespace == "default":
            return f"{self.kind}/{self.name}"
        return f"{self.kind}/{self.namespace}/{self.name}"


def parse_target(text: str, namespace: str = "default") -> FaultTarget:
    """`node/NAME`, `pod/[NAMESPACE/]NAME`, `lb/[NAMESPACE/]SERVICE`, `kube-proxy/NODE`, `dns/NODE`
    or `control-plane`; `namespace` is of a pod or load balancer that names none.

    Raises UsageError that names what is allowed.
    """
    if text == "control-plane":
        return FaultTarget("control-plane", "", "")
    kind, *rest = text.split("/")
    if kind.lower() in _SERVICES and rest and all(rest):
        name = "/".join(rest)
        raise UsageError(
            f'target "{text}": in experiments a Service is its pods, and here a fault has one '
            f"target; say lb/{name} for its load balancer, pod/[NAMESPACE/]NAME for one of its pods"
        )
    target_kind = _ALIASES.get(kind.lower())
    if target_kind is None or not rest or not all(rest) or len(rest) > 2:
        raise UsageError(f'target "{text}": must be {TARGET_WORDS}')
    if target_kind in _OF_NODES:
        if len(rest) != 1:
            raise UsageError(
                f'target "{text}": nodes have no namespace; use {target_kind}/{rest[-1]}'
            )
        return FaultTarget(target_kind, "", rest[0])
    namespace, name = rest if len(rest) == 2 else (namespace, rest[0])
    return FaultTarget(target_kind, namespace, name)


def parse_peer(text: str, namespace: str = "default") -> str:
    """The other end of a link in its shortest form: a target, or `outside`. Raises UsageError.

    `namespace` as of `parse_target`.
    """
    if text == OUTSIDE:
        return text
    peer = parse_target(text, namespace)
    if peer.kind not in kinds.LINK_ENDS:
        raise UsageError(
            f'peer "{text}": must be node/NAME, pod/[NAMESPACE/]NAME, lb/[NAMESPACE/]SERVICE, '
            f"control-plane or {OUTSIDE}"
        )
    return str(peer)


def check_id(fault_id: str) -> None:
    """Whether a fault can be called so. Raises UsageError that says what is allowed."""
    if len(fault_id) > ID_LENGTH_MAX or not _ID.fullmatch(fault_id):
        raise UsageError(
            f"id {fault_id!r}: must be letters, digits, '-', '_' and '.', a letter or digit first, "
            f"at most {ID_LENGTH_MAX} of them"
        )
    if fault_id.startswith(GONE):
        raise UsageError(
            f'id "{fault_id}": those that begin with {GONE} are of processes that were killed'
        )


def check_until(until_s: float, *, wall_s: float) -> None:
    """Whether a fault can be over by then, on the wall clock; what is past is.

    Raises UsageError that says what is allowed.
    """
    if not math.isfinite(until_s) or until_s > wall_s + DURATION_MAX_S:
        raise UsageError(
            f"until_s: must be at most {DURATION_MAX_S:g} seconds from now, in seconds since the "
            f"epoch; got {until_s:g}"
        )


def kind_at(name: str, target: FaultTarget) -> FaultKind:
    """The fault of this name that `target` can hold.

    Raises UsageError naming those that it can; for operations, saying who does them.
    """
    allowed = kinds.held_at(target.kind)
    for kind in allowed:
        if kind.name == name:
            return kind
    known = [kind for kind in kinds.KINDS if kind.name == name]
    if not known:
        what = "no such fault"
    elif known[0].is_operation:
        command = f", and so does {_DONE_BY[name]}" if name in _DONE_BY else ""
        raise UsageError(f'fault "{name}": is an operation; `emucluster run` does it{command}')
    else:
        what = f"a {target.kind} cannot have it"
    can = ", ".join(kind.name for kind in allowed)
    raise UsageError(f'fault "{name}": {what}; {target.kind} can: {can}')


def check(
    kind: str,
    target: FaultTarget,
    params: Mapping[str, Any],
    duration_s: float | None,
    peers: Sequence[str] = (),
) -> dict[str, Any]:
    """Whether `target` can have this fault for this time; its parameters, defaults filled in.

    Args:
        peers: of a link, at least one; of anything else, none.

    Raises UsageError naming what is wrong. A fault that is over at once has no duration.
    """
    found = kind_at(kind, target)
    if duration_s is not None and not 0 < duration_s <= DURATION_MAX_S:
        raise UsageError(
            f"--for: must be above 0 and at most {DURATION_MAX_S:g} seconds, got {duration_s:g}"
        )
    if duration_s is not None and found.once:
        raise UsageError(f"--for: {kind} of {target} is over at once{_once_because(found)}")
    _check_peers(found, target, peers)
    return _params(found, params)


def lasts_s(kind: str, params: Mapping[str, Any], duration_s: float | None) -> float | None:
    """How long a fault is in force at most; None: until cleared. A reboot is over when it is up."""
    if kind != "reboot":
        return duration_s
    down_s = float(params["down"])
    return down_s if duration_s is None else min(down_s, duration_s)


def is_over_at_once(kind: str, target: FaultTarget) -> bool:
    """Whether nothing stays in force: who watches over the process starts it again.

    That is the kubelet for a pod and the supervisor for the control plane; a node or load balancer
    that crashed stays down until the fault ends.
    """
    return kind_at(kind, target).once


def _once_because(kind: FaultKind) -> str:
    return ", for it is restarted by itself; freeze can last" if kind.kills else ""


def _check_peers(kind: FaultKind, target: FaultTarget, peers: Sequence[str]) -> None:
    if not kind.is_link:
        if peers:
            raise UsageError(f"peer: {kind.name} is no fault of a link, and has no peers")
        return
    if not peers:
        raise UsageError(
            f"peer: {kind.name} hits what arrives at {target} from its peers; name at least one, "
            f"a target or {OUTSIDE}"
        )
    named = [parse_peer(peer) for peer in peers]
    if str(target) in named:
        raise UsageError(f"peer: {target} is no peer of itself")
    twice = next((peer for peer in named if named.count(peer) > 1), None)
    if twice is not None:
        raise UsageError(f"peer: {twice} is named more than once")


def _params(kind: FaultKind, given: Mapping[str, Any]) -> dict[str, Any]:
    known = {param.name: param for param in kind.params}
    for name in given:
        if name not in known:
            words = ", ".join(known) or "none"
            raise UsageError(f'{kind.name} has no parameter "{name}"; it has: {words}')
    found: dict[str, Any] = {}
    for name, param in known.items():
        value = given.get(name, param.default)
        if value is not None:
            found[name] = _parsed(kind, param, value)
        elif param.required:
            raise UsageError(f"{kind.name}: parameter {name} is required: {param.words}")
    return found


def _parsed(kind: FaultKind, param: Param, value: object) -> Any:
    try:
        return param.parse(value)
    except ValueError as error:
        raise UsageError(f"{kind.name}: parameter {param.name} {error}") from None
