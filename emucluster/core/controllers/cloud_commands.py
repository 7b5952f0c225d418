"""What the control plane asks of the cloud; mirrors LoadBalancerSpec of lab.proto."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class LoadBalancerRef:
    namespace: str
    service: str


@dataclass(frozen=True, slots=True)
class LoadBalancerPort:
    """`node_port` is 0 where the Service has none allocated."""

    name: str
    protocol: str
    port: int
    node_port: int


@dataclass(frozen=True, slots=True)
class LoadBalancerTarget:
    node: str
    address: str
    zone: str


@dataclass(frozen=True, slots=True)
class LoadBalancerSpec:
    """A load balancer as the Service and the Nodes call for it.

    Attributes:
        preset: the kind of load balancer, `aws-nlb`, ...
        targets: nodes in the order of their names, whether ready or not: health checks decide.
        source_ranges: clients that may connect; empty: all.
        local_only: `externalTrafficPolicy: Local`; then `health_check_node_port` is set.
        affinity_timeout_s: of session affinity ClientIP; 0 without.
        settings: from annotations, over the preset's, in the words of `cloudlb.settings`.
    """

    ref: LoadBalancerRef
    uid: str
    preset: str
    ports: tuple[LoadBalancerPort, ...]
    targets: tuple[LoadBalancerTarget, ...]
    source_ranges: tuple[str, ...] = ()
    local_only: bool = False
    health_check_node_port: int = 0
    client_affinity: bool = False
    affinity_timeout_s: float = 0.0
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EnsureLoadBalancer:
    """Create it, or change it to this; answered by `ensured` or `failed`. May be repeated."""

    spec: LoadBalancerSpec


@dataclass(frozen=True, slots=True)
class DeleteLoadBalancer:
    """Remove it if it exists; answered by `deleted` or `failed`. May be repeated."""

    ref: LoadBalancerRef


CloudCommand = EnsureLoadBalancer | DeleteLoadBalancer
