"""The load balancers that `--cloud` names, as data: how each treats targets and flows.

Where a field's value is a cloud's, the comment names the document or source it comes from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from emucluster.core.durations import Speed

from .commands import NoTargetHow
from .health_check import HealthCheckPolicy

Algorithm = Literal["flow-hash", "round-robin", "least-request", "random"]
OnUnhealthy = Literal["reset-flows", "flows-stay"]
AllUnhealthy = Literal["fail-open", "no-new-flow", "all-primaries"]
IdleEndsWith = Literal["reset", "close", "silence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancerPolicy:
    """How one load balancer behaves.

    Attributes:
        health_check: in force; `local_health_check` replaces it under
            `externalTrafficPolicy: Local` (see `for_local`).
        algorithm: how a target is chosen for a new connection.
        client_affinity: connections of one client address go to one target.
        on_unhealthy: whether flows of a target that turns unhealthy are reset or stay.
        all_unhealthy: without a healthy target, new flows go to all (`fail-open`,
            `all-primaries`) or nowhere (`no-new-flow`).
        no_target: what the client of a connection without target sees.
        panic_threshold_percent: below this share of healthy targets, health is ignored; 0: never.
        preserves_client_ip: nodes see the client's address; else the load balancer's own.
        idle_timeout_s: a flow without bytes this long ends by `idle_ends_with`; None: never.
            `reset` sends RST on the next packet, `silence` forgets it without telling anybody.
        deregistration_delay_s: how long a removed target's flows may go on.
        connection_termination: flows left at the end of that delay are reset; else they stay.
        dial_timeout_s: for connecting to a target; None: as long as the client waits, for the
            load balancer passes the client's own SYN.
        cross_zone: targets of all zones behind one address; else an address for each zone.
    """

    name: str
    health_check: HealthCheckPolicy
    local_health_check: HealthCheckPolicy
    algorithm: Algorithm
    client_affinity: bool = False
    on_unhealthy: OnUnhealthy
    all_unhealthy: AllUnhealthy
    no_target: NoTargetHow
    panic_threshold_percent: float = 0.0
    preserves_client_ip: bool
    idle_timeout_s: float | None
    idle_ends_with: IdleEndsWith
    deregistration_delay_s: float = 0.0
    connection_termination: bool = False
    dial_timeout_s: float | None = None
    cross_zone: bool = True

    def for_local(self) -> LoadBalancerPolicy:
        """This policy for a Service with `externalTrafficPolicy: Local`."""
        return replace(self, health_check=self.local_health_check)

    def scaled(self, speed: Speed) -> LoadBalancerPolicy:
        """As it runs under `speed`: health checks and draining divided, idle time-out kept."""
        return replace(
            self,
            health_check=self.health_check.scaled(speed),
            local_health_check=self.local_health_check.scaled(speed),
            deregistration_delay_s=speed.duration_s(self.deregistration_delay_s),
        )


def _local(policy: HealthCheckPolicy, **numbers: float) -> HealthCheckPolicy:
    """The same check, of the port that kube-proxy answers for this Service alone."""
    counts = {
        key: int(value) if key.endswith("_threshold") else value for key, value in numbers.items()
    }
    return replace(
        policy,
        protocol="http",
        port="health-check-node-port",
        path="/healthz",
        **counts,  # type: ignore[arg-type]
    )


# kubernetes-sigs/aws-load-balancer-controller pkg/service/model_builder.go: 10/10/3/3 TCP on the
# traffic port. One passed check is enough for a new target: Network Load Balancers guide, "Health
# checks for your target groups".
_AWS_NLB_CHECK = HealthCheckPolicy(
    interval_s=10, timeout_s=10, healthy_threshold=3, unhealthy_threshold=3, initial_successes=1
)

AWS_NLB = LoadBalancerPolicy(
    name="aws-nlb",
    health_check=_AWS_NLB_CHECK,
    # The controller's values for instance targets under Local: HTTP, 10/6/2/2.
    local_health_check=_local(
        _AWS_NLB_CHECK, timeout_s=6, healthy_threshold=2, unhealthy_threshold=2
    ),
    algorithm="flow-hash",  # NLB guide: protocol, addresses, ports and TCP sequence number
    # NLB guide, "Health checks": RST for packets on connections of an unhealthy target, unless
    # the load balancer fails open; fails open when no target is healthy.
    on_unhealthy="reset-flows",
    all_unhealthy="fail-open",
    no_target="drop",
    preserves_client_ip=True,  # NLB guide: the default for targets by instance id
    idle_timeout_s=350,  # NLB guide: TCP 350 s, then RST on the next packet
    idle_ends_with="reset",
    deregistration_delay_s=300,  # NLB guide: deregistration_delay.timeout_seconds
    connection_termination=False,  # ... and connection_termination.enabled
    # Departs from NLB, where it is off: one address serves the whole Service.
    cross_zone=True,
)

# kubernetes/cloud-provider-aws pkg/providers/v1/aws.go, defaultHC*: 10/5/2/6.
_AWS_CLB_CHECK = HealthCheckPolicy(
    interval_s=10, timeout_s=5, healthy_threshold=2, unhealthy_threshold=6
)

AWS_CLB = LoadBalancerPolicy(
    name="aws-clb",
    health_check=_AWS_CLB_CHECK,
    # aws_loadbalancer.go keeps the four numbers under Local and changes what is asked.
    local_health_check=_local(_AWS_CLB_CHECK),
    algorithm="round-robin",  # Classic Load Balancers guide: round robin for TCP listeners
    # Guide, "connection draining": requests in flight to an unhealthy instance are completed.
    on_unhealthy="flows-stay",
    all_unhealthy="no-new-flow",  # no healthy instance: accepted and closed, 503 for HTTP
    no_target="close",
    preserves_client_ip=False,
    idle_timeout_s=60,  # guide, "idle connection timeout"
    idle_ends_with="close",
    deregistration_delay_s=0,  # cloud-provider-aws: draining is off unless annotated
    connection_termination=True,
)

# kubernetes/ingress-gce pkg/l4/healthchecks/healthchecksl4.go, shared check: 8/1/1/3 on 10256.
_GCP_CHECK = HealthCheckPolicy(
    protocol="http",
    port="kube-proxy",
    path="/healthz",
    interval_s=8,
    timeout_s=1,
    healthy_threshold=1,
    unhealthy_threshold=3,
)

GCP = LoadBalancerPolicy(
    name="gcp",
    health_check=_GCP_CHECK,
    # The same file, local check: 3/1/1/2.
    local_health_check=_local(_GCP_CHECK, interval_s=3, unhealthy_threshold=2),
    algorithm="flow-hash",  # Cloud Load Balancing docs: sessionAffinity NONE is a 5-tuple hash
    on_unhealthy="flows-stay",  # connectionPersistenceOnUnhealthyBackends, default for TCP
    all_unhealthy="all-primaries",  # failoverPolicy.dropTrafficIfUnhealthy is false
    no_target="drop",
    preserves_client_ip=True,
    idle_timeout_s=600,  # connection tracking table, idleTimeoutSec of passthrough balancers
    idle_ends_with="silence",
    deregistration_delay_s=30,  # ingress-gce pkg/l4/backends/backends.go: L4 draining
    connection_termination=True,
)

# kubernetes-sigs/cloud-provider-azure pkg/consts/consts.go: 5 s, 2 probes; shared probe on 10256.
_AZURE_CHECK = HealthCheckPolicy(
    protocol="http",
    port="kube-proxy",
    path="/healthz",
    interval_s=5,
    timeout_s=5,  # Azure docs, "health probes": a probe has until the next one
    healthy_threshold=1,
    unhealthy_threshold=2,
)

AZURE = LoadBalancerPolicy(
    name="azure",
    health_check=_AZURE_CHECK,
    local_health_check=_local(_AZURE_CHECK),
    algorithm="flow-hash",  # Azure docs, "distribution modes": five-tuple hash
    # Azure docs, "health probes", probe down: TCP flows continue; all down: no new flow.
    on_unhealthy="flows-stay",
    all_unhealthy="no-new-flow",
    no_target="drop",
    preserves_client_ip=True,
    idle_timeout_s=240,  # Azure docs, "TCP reset": 4 minutes, silent unless enableTcpReset
    idle_ends_with="silence",
    deregistration_delay_s=0,  # no draining of its own: flows of a removed target go on
    connection_termination=False,
)

# haproxy/haproxy doc/configuration.txt, "timeout check": connecting is bounded by
# min(timeout connect, inter), `timeout check` counts from then on; src/check.c: the next check
# `inter` after the end of the last. src/server.c: "up, but will fall down at first failure".
_HAPROXY_CHECK = HealthCheckPolicy(
    interval_s=1,
    timeout_s=0.5,
    healthy_threshold=2,
    unhealthy_threshold=3,
    next_check="after-end",
    connect_timeout_s=5,  # `timeout connect`; bounded by `inter` in `settings.resolve`
    adds_timeouts=True,
    starts_in_service=True,
    initial_successes=1,
    initial_failures=1,
)

HAPROXY = LoadBalancerPolicy(
    name="haproxy",
    health_check=_HAPROXY_CHECK,
    local_health_check=_local(_HAPROXY_CHECK),
    algorithm="round-robin",  # doc/configuration.txt, "balance"
    on_unhealthy="flows-stay",  # ... "on-marked-down": unset
    all_unhealthy="no-new-flow",
    no_target="close",
    preserves_client_ip=False,
    idle_timeout_s=60,  # `timeout client 1m`, `timeout server 1m` of the packaged haproxy.cfg
    idle_ends_with="close",
    dial_timeout_s=5,
)

# envoyproxy/envoy source/extensions/health_checkers/common/health_checker_base_impl.cc: the timer
# of the next check starts when a check ends; the first success is enough; a failure that is not
# the network's counts at once. health_check.proto: no_traffic_interval 60 s.
_ENVOY_CHECK = HealthCheckPolicy(
    interval_s=1,
    timeout_s=0.5,
    healthy_threshold=2,
    unhealthy_threshold=3,
    next_check="after-end",
    initial_successes=1,
    initial_failures=1,
    bad_status_is_final=True,
    no_traffic_interval_s=60,
)

ENVOY = LoadBalancerPolicy(
    name="envoy",
    health_check=_ENVOY_CHECK,
    local_health_check=_local(_ENVOY_CHECK),
    algorithm="round-robin",  # cluster.proto, lb_policy: ROUND_ROBIN
    on_unhealthy="flows-stay",  # cluster.proto, close_connections_on_host_health_failure: false
    all_unhealthy="no-new-flow",  # reached only with the panic threshold at 0
    no_target="close",
    panic_threshold_percent=50,  # cluster.proto, healthy_panic_threshold
    preserves_client_ip=False,
    idle_timeout_s=3600,  # tcp_proxy.proto, idle_timeout: 1 hour
    idle_ends_with="close",
    dial_timeout_s=5,  # cluster.proto, connect_timeout
)

PRESETS: dict[str, LoadBalancerPolicy] = {
    policy.name: policy for policy in (AWS_NLB, AWS_CLB, GCP, AZURE, HAPROXY, ENVOY)
}
DEFAULT_PRESET = AWS_NLB.name
