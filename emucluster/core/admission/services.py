"""What the API gives a Service: its address, its node ports, and what a change of type makes of it.

Source: kubernetes pkg/registry/core/service: strategy.go (patchAllocatedValues,
dropTypeDependentFields), storage/alloc.go (allocateCreate, allocateUpdate).
Differs: the cluster has IPv4 alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import IPv4Network

from emucluster.core.errors import Cause, InternalError, Invalid
from emucluster.core.objects import (
    LoadBalancerStatus,
    Service,
    ServicePort,
    ServiceSpec,
    replace,
)

from .allocation import AllocationError
from .clusterip import ClusterIPs
from .nodeport import NodePorts
from .validation.fields import invalid
from .validation.services import is_headless, needs_health_check

NO_IP = "None"


def needs_cluster_ip(spec: ServiceSpec) -> bool:
    """Whether `clusterIP` means something, be it `None`."""
    return spec.type != "ExternalName"


def has_node_ports(spec: ServiceSpec) -> bool:
    """Whether ports of this type may have a nodePort."""
    return spec.type in ("NodePort", "LoadBalancer")


def wants_node_ports(spec: ServiceSpec) -> bool:
    """Whether every port gets a nodePort."""
    if spec.type == "LoadBalancer":
        return spec.allocate_load_balancer_node_ports is not False
    return spec.type == "NodePort"


# --- what an update leaves unsaid ----------------------------------------------------------------


def carried_over(new: Service, old: Service) -> Service:
    """The new Service with the values that were allocated before, and without what its type drops.

    A field is dropped only where the request left it as it was: a value that the user sets is
    theirs, and validation refuses it.
    """
    spec = _dropped(_patched(_normalized(new.spec, old.spec), old.spec), old.spec)
    status = old.status
    if spec.type != "LoadBalancer":
        status = replace(status, load_balancer=LoadBalancerStatus())
    return replace(new, spec=spec, status=status)


def _normalized(new: ServiceSpec, old: ServiceSpec) -> ServiceSpec:
    """`clusterIPs` follows a change of `clusterIP` alone."""
    if (new.cluster_ip or "") != (old.cluster_ip or "") and new.cluster_ips == old.cluster_ips:
        return replace(new, cluster_ips=(new.cluster_ip,) if new.cluster_ip else ())
    return new


def _patched(new: ServiceSpec, old: ServiceSpec) -> ServiceSpec:
    if needs_cluster_ip(new) and needs_cluster_ip(old):
        if not new.cluster_ip and not new.cluster_ips:
            new = replace(new, cluster_ip=old.cluster_ip)
        if not new.cluster_ips and new.cluster_ip == old.cluster_ip:
            new = replace(new, cluster_ips=old.cluster_ips)
    if wants_node_ports(new) and wants_node_ports(old):
        new = replace(new, ports=_patched_ports(new, old))
    if needs_health_check(new) and needs_health_check(old) and not new.health_check_node_port:
        new = replace(new, health_check_node_port=old.health_check_node_port)
    return new


def _patched_ports(new: ServiceSpec, old: ServiceSpec) -> tuple[ServicePort, ...]:
    used = _numbers(new) & _numbers(old)
    known = {port.name or "": port.node_port for port in old.ports}
    return tuple(
        replace(port, node_port=known[port.name or ""])
        if not port.node_port and known.get(port.name or "") not in (None, 0, *used)
        else port
        for port in new.ports
    )


def _dropped(new: ServiceSpec, old: ServiceSpec) -> ServiceSpec:
    if needs_cluster_ip(old) and not needs_cluster_ip(new):
        if (new.cluster_ip, new.cluster_ips) == (old.cluster_ip, old.cluster_ips):
            new = replace(new, cluster_ip=None, cluster_ips=())
        if new.ip_families == old.ip_families:
            new = replace(new, ip_families=())
        if new.ip_family_policy == old.ip_family_policy:
            new = replace(new, ip_family_policy=None)
    if has_node_ports(old) and not has_node_ports(new) and _numbers(new) <= _numbers(old):
        new = replace(new, ports=tuple(replace(port, node_port=None) for port in new.ports))
    same_check = new.health_check_node_port == old.health_check_node_port
    if needs_health_check(old) and not needs_health_check(new) and same_check:
        new = replace(new, health_check_node_port=None)
    if old.type == "LoadBalancer" and new.type != "LoadBalancer":
        if new.allocate_load_balancer_node_ports == old.allocate_load_balancer_node_ports:
            new = replace(new, allocate_load_balancer_node_ports=None)
        if new.load_balancer_class == old.load_balancer_class:
            new = replace(new, load_balancer_class=None)
    return _dropped_policy(new, old)


def _dropped_policy(new: ServiceSpec, old: ServiceSpec) -> ServiceSpec:
    def has_policy(spec: ServiceSpec) -> bool:
        return has_node_ports(spec) or (spec.type == "ClusterIP" and bool(spec.external_ips))

    same = new.external_traffic_policy == old.external_traffic_policy
    if has_policy(old) and not has_policy(new) and same:
        return replace(new, external_traffic_policy=None)
    return new


def _numbers(spec: ServiceSpec) -> set[int]:
    return {port.node_port for port in spec.ports if port.node_port}


# --- allocation ----------------------------------------------------------------------------------


class ServiceAllocations:
    """The addresses and ports of all Services."""

    def __init__(self, *, cidr: str, ports: range, rng: random.Random) -> None:
        """The first address of `cidr` is default/kubernetes' own, the tenth kube-dns's."""
        self._ips = ClusterIPs(cidr, rng=rng)
        self._ports = NodePorts(ports, rng=rng)
        network = IPv4Network(cidr)
        reserved = {1: ("default", "kubernetes"), 10: ("kube-system", "kube-dns")}
        self.reserved: Mapping[str, tuple[str, str]] = {
            str(network[n]): owner for n, owner in reserved.items() if n < network.num_addresses - 1
        }
        self.rebuild(())

    def rebuild(self, services: Iterable[Service]) -> None:
        """Forgets all and takes what these Services have."""
        self._ips.clear()
        self._ports.clear()
        for ip in self.reserved:
            self._ips.allocate(ip)
        for service in services:
            for ip in _addresses(service.spec):
                if ip not in self._ips:
                    self._ips.allocate(ip)
            for port in _ports_of(service.spec):
                if port not in self._ports:
                    self._ports.allocate(port)

    @contextmanager
    def transaction(self, *, keep: bool = True) -> Iterator[None]:
        """Undoes what happens inside when an error leaves it, or at its end unless `keep`."""
        with self._ips.transaction(keep=keep), self._ports.transaction(keep=keep):
            yield

    def release(self, service: Service) -> None:
        """Frees everything a removed Service had."""
        for ip in _addresses(service.spec):
            if ip not in self.reserved:
                self._ips.release(ip)
        for port in _ports_of(service.spec):
            self._ports.release(port)

    def create(self, service: Service) -> Service:
        """The Service with all that it needs. Raises Invalid, InternalError."""
        return self.update(service, None)

    def update(self, new: Service, old: Service | None) -> Service:
        """The changed Service with all that it needs; what it needs no more is free."""
        before = old.spec if old is not None else ServiceSpec(type="ExternalName")
        new = replace(new, spec=self._with_ip(new, before))
        if has_node_ports(new.spec):
            new = replace(new, spec=replace(new.spec, ports=self._with_ports(new, before)))
        if needs_health_check(new.spec):
            port = self._health_check_port(new, before)
            new = replace(new, spec=replace(new.spec, health_check_node_port=port))
        kept_ips, kept_ports = set(_addresses(new.spec)), set(_ports_of(new.spec))
        for ip in _addresses(before):
            if ip not in kept_ips and ip not in self.reserved:
                self._ips.release(ip)
        for number in _ports_of(before):
            if number not in kept_ports:
                self._ports.release(number)
        return new

    def _with_ip(self, service: Service, before: ServiceSpec) -> ServiceSpec:
        spec = service.spec
        if not needs_cluster_ip(spec) or is_headless(spec):
            return spec
        _check_families(service)
        owned = _addresses(before)
        if spec.cluster_ips and spec.cluster_ips[0] in owned:
            return spec
        if not spec.cluster_ips:
            try:
                ip = self._ips.allocate_next()
            except AllocationError as error:
                raise InternalError.of(f"failed to allocate a serviceIP: {error}") from None
            return replace(spec, cluster_ip=ip, cluster_ips=(ip,))
        ip = spec.cluster_ips[0]
        if self.reserved.get(ip) == (service.metadata.namespace, service.metadata.name):
            return spec
        try:
            self._ips.allocate(ip)
        except AllocationError as error:
            text = f"failed to allocate IP {ip}: {error}"
            cause = invalid("spec.clusterIPs", spec.cluster_ips, text)
            raise Invalid.of("Service", service.metadata.name, [cause]) from None
        return spec

    def _with_ports(self, service: Service, before: ServiceSpec) -> tuple[ServicePort, ...]:
        """Every port with its nodePort. Ports of one number share one, as TCP and UDP of DNS."""
        spec = service.spec
        mine = set(_ports_of(before))
        by_port: dict[int, int] = {}
        for port in spec.ports:
            if port.node_port:
                by_port.setdefault(port.port, port.node_port)
        result = []
        for index, port in enumerate(spec.ports):
            if port.node_port:
                if port.node_port not in mine:
                    self._take_port(service, index, port.node_port)
                    mine.add(port.node_port)
            elif wants_node_ports(spec):
                # Two ports of one number and one protocol never get past validation.
                shared = by_port.get(port.port)
                number = shared or self._next_port("a nodePort")
                if shared and shared not in mine:
                    self._take_port(service, index, shared)
                by_port[port.port] = number
                mine.add(number)
                port = replace(port, node_port=number)
            result.append(port)
        return tuple(result)

    def _take_port(self, service: Service, index: int, number: int) -> None:
        try:
            self._ports.allocate(number)
        except AllocationError as error:
            cause = invalid(f"spec.ports[{index}].nodePort", number, str(error))
            raise Invalid.of("Service", service.metadata.name, [cause]) from None

    def _next_port(self, what: str) -> int:
        try:
            return self._ports.allocate_next()
        except AllocationError as error:
            raise InternalError.of(f"failed to allocate {what}: {error}") from None

    def _health_check_port(self, service: Service, before: ServiceSpec) -> int:
        wanted = service.spec.health_check_node_port
        if not wanted:
            return self._next_port("a HealthCheck NodePort")
        if wanted != before.health_check_node_port:
            try:
                self._ports.allocate(wanted)
            except AllocationError as error:
                text = f"failed to allocate requested HealthCheck NodePort {wanted}: {error}"
                raise InternalError.of(text) from None
        return wanted


def _check_families(service: Service) -> None:
    spec, causes = service.spec, list[Cause]()
    if len(spec.cluster_ips) > 1 and spec.ip_family_policy == "SingleStack":
        text = (
            "must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are "
            "specified"
        )
        causes.append(invalid("spec.ipFamilyPolicy", spec.ip_family_policy, text))
    if spec.ip_family_policy == "RequireDualStack":
        text = "this cluster is not configured for dual-stack services"
        causes.append(invalid("spec.ipFamilyPolicy", spec.ip_family_policy, text))
    for index, ip in enumerate(spec.cluster_ips):
        if ":" in ip:
            text = "IPv6 is not configured on this cluster"
            causes.append(invalid(f"spec.clusterIPs[{index}]", spec.cluster_ips, text))
    for index, family in enumerate(spec.ip_families):
        if family != "IPv4":
            causes.append(
                invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")
            )
    if causes:
        raise Invalid.of("Service", service.metadata.name, causes)


def _addresses(spec: ServiceSpec) -> tuple[str, ...]:
    return tuple(ip for ip in spec.cluster_ips if ip != NO_IP)


def _ports_of(spec: ServiceSpec) -> tuple[int, ...]:
    numbers = [port.node_port for port in spec.ports if port.node_port]
    if spec.health_check_node_port:
        numbers.append(spec.health_check_node_port)
    return tuple(dict.fromkeys(numbers))
