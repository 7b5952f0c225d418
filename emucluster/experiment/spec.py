"""The file that a user writes, as values: what to start, to load, to break and to ask.

Field names in YAML are in camelCase; durations are `30s`, `500ms` or numbers of seconds, shares
`99.9%` or `0.999`. `reading.read` makes an `Experiment` from text and refuses what is not one.

**Whose seconds.** Every time in this file is real seconds, as they pass while it runs: phases, when
faults start and how long they last, bounds of hypotheses. `cluster.speed` divides what *clusters*
are configured with (leases, probes, health checks, drains) and nothing here. `scaled: true` makes
the times of `phases`, of each fault's schedule (`at`, `within`, `for`, `stagger`) and the bounds on
times to detect, to recover, of outages and of lagging endpoints configured time too, divided by the
speed as leases are. Never divided: deadlines, latencies, think times, the parameters of faults.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from emucluster.core.quantities import Seconds
from emucluster.experiment.bounds import (
    CLIENTS_MAX,
    FAULTS_MAX,
    GROUPS_MAX,
    HYPOTHESES_MAX,
    IN_FLIGHT_MAX,
    MANIFESTS_MAX,
    MESSAGES_MAX,
    PAYLOAD_BYTES_MAX,
)
from emucluster.experiment.hypothesis_spec import Hypothesis
from emucluster.experiment.vocabulary import (
    ConnectionUse,
    Name,
    Select,
    Strict,
    TargetKind,
)

Bytes = Annotated[int, Meta(ge=0, extra_json_schema={"maximum": PAYLOAD_BYTES_MAX})]
Rate = Annotated[float, Meta(gt=0, le=1_000_000, description="calls a second, of the whole group")]
InFlight = Annotated[int, Meta(ge=1, le=IN_FLIGHT_MAX)]
Limit = int | str
"""A number of things, or `50%` of them, rounded down but never below one."""


class Cluster(Strict, frozen=True, kw_only=True):
    """What is started; the fields of cluster.yaml, which says what each means.

    Attributes:
        name: of the cluster; None: the first free one of emu, emu-2 ...
        nodes: how many.
        zones: how many (zone-a, zone-b ...), or their names; nodes go round them.
        cloud: whose load balancers, or `none`.
        packing: `pod`, a process for each pod, or `node`, pods inside their node's process.
        speed: by what configured durations (leases, probes, health checks) are divided.
        kube_proxy_mode: `rr` as IPVS, or `random` as iptables and nftables.
        fsync: whether an answer of the API waits for the disk itself.
        stand_in: `echo` runs echo in place of images that cannot run here.
        outside: names outside the cluster (of ExternalName Services) and the ADDR:PORT they are at.
        pods: how many are expected, for the estimate of memory only.
        ray_address: HOST:PORT of a Ray to join; None starts a private one on this machine.
        bind: with rayAddress, the address of this machine at which others reach it.
    """

    name: str | None = None
    nodes: Annotated[int, Meta(ge=1)] = 3
    zones: int | list[str] = 1
    cloud: Literal["aws-nlb", "aws-clb", "gcp", "azure", "haproxy", "envoy", "none"] = "aws-nlb"
    packing: Literal["pod", "node"] = "pod"
    speed: Annotated[float, Meta(ge=1, le=1000)] = 1.0
    kube_proxy_mode: Literal["rr", "random"] = "rr"
    fsync: bool = False
    stand_in: Literal["echo"] | None = None
    outside: dict[str, str] = field(default_factory=dict)
    pods: Annotated[int, Meta(ge=0)] | None = None
    ray_address: str | None = None
    bind: str | None = None


# --- load ----------------------------------------------------------------------------------------


class Constant(Strict, tag_field="kind", tag="constant", frozen=True, kw_only=True):
    """Open loop: a call is due every 1/rate seconds, answered or not the ones before.

    Attributes:
        rate_per_s: calls a second, of the whole group.
    """

    rate_per_s: Rate = field(name="rate")


class Ramp(Strict, tag_field="kind", tag="ramp", frozen=True, kw_only=True):
    """Open loop: the rate goes from one value to another and stays there.

    Attributes:
        from_per_s, to_per_s: calls a second, of the whole group.
        over_s: how long the ramp takes; None: the whole run.
    """

    from_per_s: Annotated[float, Meta(ge=0, le=1_000_000)] = field(name="from")
    to_per_s: Annotated[float, Meta(ge=0, le=1_000_000)] = field(name="to")
    over_s: Seconds | None = field(name="over", default=None)


class Poisson(Strict, tag_field="kind", tag="poisson", frozen=True, kw_only=True):
    """Open loop: calls come independently of one another, `rate` a second on average.

    Attributes:
        rate_per_s: calls a second on average, of the whole group.
    """

    rate_per_s: Rate = field(name="rate")


class Closed(Strict, tag_field="kind", tag="closed", frozen=True, kw_only=True):
    """Closed loop: each of `concurrency` callers waits for its answer, thinks, and calls again.

    Attributes:
        concurrency: callers of the whole group, a multiple of its clients.
        think_s: what each pauses between an answer and its next call.
    """

    concurrency: InFlight = 1
    think_s: Seconds = field(name="think", default_factory=Seconds)


class Keepalive(Strict, frozen=True, kw_only=True):
    """HTTP/2 keepalive of the clients' channels, in gRPC's terms.

    Attributes:
        time_s: without anything heard for so long, a ping is sent.
        timeout_s: without an answer to it for so long, the connection is given up.
        without_calls: also while no call is open.
    """

    time_s: Seconds = field(name="time")
    timeout_s: Seconds = field(name="timeout", default_factory=lambda: Seconds(20))
    without_calls: bool = False


class ClientGroup(Strict, frozen=True, kw_only=True):
    """Clients that are alike.

    Attributes:
        name: how reports call it.
        target: `service/NAME[:PORT]`, `pod/NAME[:PORT]` or `HOST:PORT`.
        source: `outside`, `pod/NAME`, `node/NAME` or `zone/ZONE`.
        namespace: of the target, and of the pod in `source`.
        node: through this node's NodePort; empty: as the Service's type would have it.
        clients: how many, each with an address and connections of its own.
        arrival: of the group's calls, all clients together.
        in_flight_max: calls of the group at once; a call that is due beyond it is not begun and
            counts as failed with the status `NOT_STARTED`.
        method: how a call is made.
        messages: of each stream, for streaming methods.
        connection: `shared`, a channel for each client; `pool:N` of them in turn; `per-call`.
        service_config: gRPC service config as is (retryPolicy, methodConfig ...).
        lb_policy: of the channel; `round_robin` over a headless Service's pods.
        wait_for_ready: a call waits for a connection instead of failing without one.
        keepalive: HTTP/2 pings; None: none.
        channel_options: gRPC channel arguments as they are.
        deadline_s: of each call, connecting included.
        request_bytes: payload of each message.
        reply_bytes: payload of each reply; 0: the request's comes back.
        delay_s: how long the server takes over each call.
    """

    name: Name
    target: str
    source: str = "outside"
    namespace: str = "default"
    node: str = ""
    clients: Annotated[int, Meta(ge=1, le=CLIENTS_MAX)] = 1
    arrival: Constant | Ramp | Poisson | Closed = field(
        default_factory=lambda: Constant(rate_per_s=10)
    )
    in_flight_max: InFlight = 1000
    method: Literal["unary", "server-stream", "client-stream", "chat"] = "unary"
    messages: Annotated[int, Meta(ge=1, le=MESSAGES_MAX)] = 10
    connection: ConnectionUse = "shared"
    service_config: dict[str, Any] | None = None
    lb_policy: Literal["pick_first", "round_robin"] | None = None
    wait_for_ready: bool = False
    keepalive: Keepalive | None = None
    channel_options: dict[str, int | str] = field(default_factory=dict)
    deadline_s: Seconds = field(name="deadline", default_factory=lambda: Seconds(1))
    request_bytes: Bytes = 0
    reply_bytes: Bytes = 0
    delay_s: Seconds = field(name="delay", default_factory=Seconds)

    @property
    def pool_size(self) -> int | None:
        """Channels of each client; None: a connection for each call."""
        if self.connection == "per-call":
            return None
        return int(self.connection.partition(":")[2] or 1)

    @property
    def rate_per_s_max(self) -> float | None:
        """The highest rate that is asked for; None for a closed loop, which has none."""
        match self.arrival:
            case Constant() | Poisson():
                return self.arrival.rate_per_s
            case Ramp():
                return max(self.arrival.from_per_s, self.arrival.to_per_s)
            case _:
                return None


# --- faults --------------------------------------------------------------------------------------


class Selector(Strict, frozen=True, kw_only=True):
    """Who is hit.

    `name` picks one; otherwise all that fit `labels`, `zone`, `host`, `node` and `service` are
    candidates, of which `select` takes `one`, `all`, `fixed:N` or `percent:P` (rounded down, never
    below one), drawn from the seed. Without `select` it is `one`; for `dns`, `kube-proxy` and the
    ends of a link it is `all`.

    Attributes:
        kind: of what is hit.
        name: of the one that is hit; empty: all that fit are candidates.
        namespace: of what has one.
        labels: that candidates have, all of them.
        zone, host: that candidates are in or on.
        node: that pods are on.
        service: pods behind this Service.
        select: how many of the candidates: `one`, `all`, `fixed:N` or `percent:P`.
        from_: of a link, whose packets are hit, or who is cut off.
        to: of a link, from whom; None: everything that `from` does not name.
    """

    kind: TargetKind
    name: str = ""
    namespace: str = "default"
    labels: dict[str, str] = field(default_factory=dict)
    zone: str = ""
    host: str = ""
    node: str = ""
    service: str = ""
    select: Select = ""
    from_: str | Selector | None = field(name="from", default=None)
    to: str | Selector | None = None


class Trigger(Strict, frozen=True, kw_only=True):
    """Start not at a time but when so many calls have ended.

    Attributes:
        after: calls of `group` that have ended since the inject phase began.
        every: start again each time so many more have ended; 0: once only.
        times: how often in all.
        group: the client group whose calls count; empty: of all.
    """

    after: Annotated[int, Meta(ge=0)] = 0
    every: Annotated[int, Meta(ge=0)] = 0
    times: Annotated[int, Meta(ge=1, le=1000)] = 1
    group: str = ""


class Fault(Strict, frozen=True, kw_only=True):
    """Something that is done to the cluster, harm or operation.

    Attributes:
        kind: a name of `kinds.KINDS`.
        target: `node/NAME`, `pod/[NAMESPACE/]NAME`, `control-plane` ... or a selector.
        name: how reports call it; None: its kind, numbered where several have it.
        at_s: after the inject phase began.
        within_s: the start is drawn from `at_s` to so much later.
        for_s: how long; None: until the inject phase ends.
        stagger_s: each further target is hit so much later than the one before (rolling).
        follow: `identity`: a target that restarts gets the fault again for the rest of its time;
            `instance`: it ends with the process, machine or pod that had it.
        trigger: instead of `at`: start when so many calls have ended.
        params: of the kind.
    """

    kind: str
    target: str | Selector
    name: Name | None = None
    at_s: Seconds = field(name="at", default_factory=Seconds)
    within_s: Seconds = field(name="within", default_factory=Seconds)
    for_s: Seconds | None = field(name="for", default=None)
    stagger_s: Seconds = field(name="stagger", default_factory=Seconds)
    trigger: Trigger | None = None
    follow: Literal["identity", "instance"] = "identity"
    params: dict[str, Any] = field(default_factory=dict)


class Limits(Strict, frozen=True, kw_only=True):
    """The blast radius: how much may be hit at once. A plan beyond it is refused.

    Attributes:
        nodes: nodes with a fault of their own, as the `from` of a link, or in an operation.
        pods: pods with a fault of their own; those on a node that is hit are not counted again.
        zones: zones all of whose nodes are hit at once.
    """

    nodes: Limit = "50%"
    pods: Limit = "50%"
    zones: Limit = 1


class Phases(Strict, frozen=True, kw_only=True):
    """How long each phase lasts. Faults are in force in `inject` only; load runs through all.

    `recover` begins when the last fault is lifted; `verify` is the steady state that should have
    come back by then.

    Attributes:
        baseline_s: nothing is wrong.
        inject_s: faults begin and end.
        recover_s: from when the last of them is lifted.
        verify_s: by now all should be well.
    """

    baseline_s: Seconds = field(name="baseline", default_factory=lambda: Seconds(5))
    inject_s: Seconds = field(name="inject", default_factory=lambda: Seconds(20))
    recover_s: Seconds = field(name="recover", default_factory=lambda: Seconds(10))
    verify_s: Seconds = field(name="verify", default_factory=lambda: Seconds(5))


class Experiment(Strict, frozen=True, kw_only=True):
    """One experiment.

    Attributes:
        name: of the run, and of its directory.
        story: what happens and why, in about three sentences.
        seed: of every random choice.
        trials: how often it is run, each with a seed of its own drawn from `seed`.
        scaled: times of phases and faults and bounds on times are configured time, divided by the
            speed.
        cluster: what is started, or must be running.
        manifests: documents, or paths relative to the file.
        workload: who calls whom.
        faults: what is broken, and operations that hurt.
        hypotheses: what must hold.
        phases: how long each lasts.
        limits: how much may be hit at once.
    """

    name: Name
    story: str = ""
    seed: int = 0
    trials: Annotated[int, Meta(ge=1, le=10_000)] = 1
    scaled: bool = False
    cluster: Cluster = Cluster()
    manifests: Annotated[list[str | dict[str, Any]], Meta(max_length=MANIFESTS_MAX)] = field(
        default_factory=list
    )
    workload: Annotated[list[ClientGroup], Meta(min_length=1, max_length=GROUPS_MAX)]
    faults: Annotated[list[Fault], Meta(max_length=FAULTS_MAX)] = field(default_factory=list)
    hypotheses: Annotated[list[Hypothesis], Meta(max_length=HYPOTHESES_MAX)] = field(
        default_factory=list
    )
    phases: Phases = field(default_factory=Phases)
    limits: Limits = Limits()
