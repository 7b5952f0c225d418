"""Every kind of fault and operation, as data: whom it can hit, what it takes, what it goes with.

**Composition.** Faults in force on one target at once stack in the order of `kind.LAYERS`: what
stands earlier hides what stands later (a machine without power answers no call wrongly; when it
comes back, the later ones are in force again). Two of one exclusive layer at once on one target are
refused when the plan is made. Shapes of one link add up in a fixed order: loss, then bandwidth,
then latency.
"""

from __future__ import annotations

from typing import Any

from emucluster.core.faults.kind import STATUSES, FaultKind, Layer, Param, ParamType


def _p(name: str, type_: ParamType, doc: str, default: Any = None, **rest: Any) -> Param:
    return Param(name=name, type=type_, doc=doc, default=default, **rest)


_DELAY = _p("delay", "duration", "added to everything", 0.2, low=0.0001, high=3600)
_JITTER = _p("jitter", "duration", "spread about the delay", 0.0, high=3600)
_DISTRIBUTION = _p(
    "distribution",
    "choice",
    "of the delay: constant, uniform within +-jitter, normal with sigma jitter, pareto tail",
    "uniform",
    choices=("constant", "uniform", "normal", "pareto"),
)
_DIRECTION = _p(
    "direction",
    "choice",
    "of what is hit: `to`, what `from` sends to `to`; `from`, the answers; `both`",
    "both",
    choices=("both", "to", "from"),
)
_ONE_WAY = _p("direction", "choice", _DIRECTION.doc, "to", choices=("both", "to", "from"))
_SHAPE = _p(
    "shape",
    "choice",
    "`between` from and to; `isolate` each of `from` from everything; `bisect` the nodes in halves",
    "between",
    choices=("between", "isolate", "bisect"),
)
_PERIODS = (
    _p("down", "duration", "how long it is so each time", 2.0, low=0.05, high=3600),
    _p("up", "duration", "how long it is well between", 2.0, low=0.05, high=3600),
)
_EVERY = (
    _p("after", "integer", "calls at the pod that pass before the first is hit", 0),
    _p("every", "integer", "hit each so-many-th call from then on", 1, low=1),
    _p("times", "integer", "hit so many calls at most; not set: no end", None, low=1),
)
_PEERS = "its peers, by their own sockets"


def _kind(
    name: str, targets: str, layer: Layer, doc: str, seen_by: str = _PEERS, **rest: Any
) -> FaultKind:
    return FaultKind(
        name=name, targets=tuple(targets.split()), layer=layer, doc=doc, seen_by=seen_by, **rest
    )


_NODES = (
    _kind("power-off", "node", "machine", "silence: no FIN, no RST", counts="node", kills=True),
    _kind("crash", "node", "machine", "resets at once, then refused", counts="node", kills=True),
    _kind("freeze", "node", "machine", "accepts, never answers, resumes", counts="node"),
    _kind(
        "reboot",
        "node",
        "machine",
        "crash, and back after `down`",
        counts="node",
        kills=True,
        params=(_p("down", "duration", "until it is up again", 5.0, low=0.1, high=3600),),
    ),
    _kind(
        "flap",
        "node",
        "machine",
        "goes and comes, again and again",
        counts="node",
        kills=True,
        params=(
            *_PERIODS,
            _p(
                "as",
                "choice",
                "what it does",
                "power-off",
                choices=("power-off", "crash", "freeze"),
            ),
        ),
    ),
    _kind(
        "slow",
        "node",
        "resource",
        "everything that passes the node takes longer",
        counts="node",
        params=(_DELAY, _JITTER),
    ),
    _kind(
        "cpu-hog",
        "node",
        "resource",
        "others use this share of the node's processor time",
        counts="node",
        params=(_p("share", "share", "of one core", 0.9),),
    ),
)
_LINKS = (
    _kind(
        "partition",
        "link",
        "cut",
        "bytes vanish: no RST, no ICMP",
        counts="node",
        params=(_SHAPE, _DIRECTION),
    ),
    _kind(
        "latency",
        "link",
        "shape",
        "each way that is hit takes `delay` longer",
        counts="node",
        params=(_DELAY, _JITTER, _DISTRIBUTION, _ONE_WAY),
    ),
    _kind(
        "loss",
        "link",
        "shape",
        "this share of packets is dropped; TCP sends them again",
        counts="node",
        params=(_p("share", "share", "of packets", 0.05), _ONE_WAY),
    ),
    _kind(
        "bandwidth",
        "link",
        "shape",
        "so many bytes a second at most",
        counts="node",
        params=(
            _p("bytesPerSecond", "integer", "of each connection", required=True, low=1, high=1e12),
            _ONE_WAY,
        ),
    ),
    _kind("reset", "link", "cut", "every connection is reset once", counts="node", once=True),
    _kind(
        "half-open",
        "link",
        "cut",
        "the peer forgot the connection, and who holds it is not told",
        counts="node",
    ),
)
_PODS = (
    _kind(
        "crash",
        "pod",
        "process",
        "SIGKILL; kubelet restarts it",
        counts="pod",
        kills=True,
        once=True,
    ),
    _kind(
        "freeze",
        "pod",
        "process",
        "SIGSTOP: accepts, never answers, resumes",
        counts="pod",
    ),
    _kind(
        "gray",
        "pod",
        "answer",
        "health says yes, calls fail unexecuted",
        counts="pod",
        params=(
            _p("status", "choice", "what calls get", "INTERNAL", choices=STATUSES),
            _p("share", "share", "of calls", 1.0),
        ),
    ),
    _kind(
        "zombie",
        "pod",
        "process",
        "deleted in the API, its process goes on serving",
        "clients that a deleted pod answers",
        counts="pod",
    ),
    _kind(
        "error-rate",
        "pod",
        "answer",
        "some calls fail unexecuted",
        counts="pod",
        params=(
            _p("share", "share", "of the calls that may be hit", 1.0),
            _p("status", "choice", "what they get", "UNAVAILABLE", choices=STATUSES),
            *_EVERY,
        ),
    ),
    _kind(
        "slow",
        "pod",
        "answer",
        "calls are executed, and answered late",
        counts="pod",
        params=(_DELAY, _JITTER, *_EVERY),
    ),
    _kind(
        "readiness-flap",
        "pod",
        "belief",
        "the readiness probe fails and passes in turn",
        "kubelet's probes",
        counts="pod",
        params=_PERIODS,
    ),
)
_COMPONENTS = (
    _kind("stale", "kube-proxy", "belief", "takes no updates", "its table's version"),
    _kind("stop", "kube-proxy", "process", "forwards no new connection; healthz is silent"),
    _kind("crash", "lb", "process", "resets, then refused"),
    _kind("freeze", "lb", "process", "accepts, never answers"),
    _kind("blind", "lb", "belief", "its health checks are not sent", "the targets it checks"),
    _kind(
        "lying",
        "lb",
        "belief",
        "its health checks all say the same",
        "its targets' states",
        params=(_p("says", "choice", "what", "unhealthy", choices=("healthy", "unhealthy")),),
    ),
    _kind(
        "error",
        "dns",
        "answer",
        "answers with an error code",
        "who asks it",
        params=(
            _p("rcode", "choice", "which", "SERVFAIL", choices=("SERVFAIL", "NXDOMAIN", "REFUSED")),
        ),
    ),
    _kind("stale", "dns", "belief", "answers as it was when the fault began", "who asks it"),
    _kind("slow", "dns", "answer", "answers late", "who asks it", params=(_DELAY, _JITTER)),
    _kind(
        "crash",
        "control-plane",
        "process",
        "its process ends and is started again",
        kills=True,
        once=True,
    ),
    _kind("freeze", "control-plane", "process", "answers nothing, resumes"),
    _kind(
        "slow", "control-plane", "answer", "answers late", "who asks it", params=(_DELAY, _JITTER)
    ),
)
_IN_API = "the object in the API"
_OPERATIONS = (
    _kind("rolling-update", "deployment", "operation", "a new revision of its pods", _IN_API),
    _kind(
        "scale",
        "deployment",
        "operation",
        "so many replicas",
        _IN_API,
        params=(_p("replicas", "integer", "how many", required=True, high=10_000),),
    ),
    _kind("drain", "node", "operation", "cordon, then evict its pods", _IN_API, counts="node"),
    _kind(
        "node-removal",
        "node",
        "operation",
        "as cluster-autoscaler: tainted, its machine off, its Node object deleted",
        _IN_API,
        counts="node",
        uses="machine",
    ),
    _kind(
        "wrong-selector",
        "service",
        "operation",
        "the Service selects these pods instead",
        _IN_API,
        params=(_p("selector", "map", "labels", {"app": "nobody"}),),
    ),
    _kind(
        "wrong-port",
        "service",
        "operation",
        "targetPort of every port",
        _IN_API,
        params=(_p("port", "integer", "which", 1, low=1, high=65535),),
    ),
    _kind(
        "wrong-probe-path",
        "deployment",
        "operation",
        "readiness probes ask for a service that is not there",
        _IN_API,
        params=(_p("service", "text", "the name asked for", "nobody"),),
    ),
    _kind(
        "apply",
        "manifest",
        "operation",
        "a document is applied",
        _IN_API,
        params=(_p("document", "map", "as `kubectl apply` takes it", required=True),),
    ),
)

KINDS: tuple[FaultKind, ...] = (*_NODES, *_LINKS, *_PODS, *_COMPONENTS, *_OPERATIONS)

REACH: dict[str, tuple[str, ...]] = {
    "node": ("node",),
    "zone": ("node",),
    "host": ("node",),
    "pod": ("pod",),
    "service": ("service", "pod"),
    "deployment": ("deployment", "pod"),
    "lb": ("lb",),
    "dns": ("dns",),
    "control-plane": ("control-plane",),
    "kube-proxy": ("kube-proxy",),
    "link": ("link",),
    "manifest": ("manifest",),
}
"""What a target of this kind can come to: a zone to its nodes, a Service to its pods."""


def names() -> list[str]:
    """Names of all kinds, each once, in their order."""
    return list(dict.fromkeys(kind.name for kind in KINDS))


def kinds_for(target_kind: str) -> list[FaultKind]:
    """What a target of this kind can have, in order."""
    return [
        kind for reached in REACH.get(target_kind, ()) for kind in KINDS if reached in kind.targets
    ]


def find(name: str, target_kind: str) -> FaultKind | None:
    """The kind of this name that a target of `target_kind` can have."""
    return next((kind for kind in kinds_for(target_kind) if kind.name == name), None)


LINK_ENDS = ("node", "pod", "lb", "control-plane")
"""Who can hold a fault of a link: it hits what arrives there."""


def held_at(target_kind: str) -> list[FaultKind]:
    """The faults that a target of this kind can hold as leases, those of its links included."""
    own = [kind for kind in KINDS if target_kind in kind.targets and not kind.is_operation]
    return [*own, *(kind for kind in KINDS if kind.is_link and target_kind in LINK_ENDS)]


def concrete(name: str, concrete_kind: str) -> FaultKind:
    """The kind of an expanded entry. Raises KeyError where there is none."""
    for kind in KINDS:
        if kind.name == name and concrete_kind in kind.targets:
            return kind
    raise KeyError(f"{name} on {concrete_kind}")
