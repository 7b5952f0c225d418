"""Services. Source: kubernetes/kubernetes pkg/apis/core/validation, ValidateService(Update)."""

from __future__ import annotations

from collections.abc import Iterator

from emucluster.core.errors import Cause
from emucluster.core.objects import Service, ServicePort, ServiceSpec

from .fields import duplicate, forbidden, invalid, not_supported, one_of, required
from .go_values import GoText, quoted
from .metadata import duplicates, label_map
from .names import (
    cidr,
    dns1123_label,
    dns1123_subdomain,
    ip,
    port_name,
    port_number,
    qualified_name,
    special_ip,
)

AFFINITY_MAX_S = 86400
PROTOCOLS = ("SCTP", "TCP", "UDP")
TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
POLICIES = ("Cluster", "Local")
FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
KUBELET_PORT = 10250
ONLY_LOAD_BALANCER = "may only be used when `type` is 'LoadBalancer'"
ONCE = "may not change once set"


def service(obj: Service) -> list[Cause]:
    spec = obj.spec
    headless = is_headless(spec)
    causes: list[Cause] = []
    if not spec.ports and not headless and spec.type != "ExternalName":
        causes.append(required("spec.ports"))
    causes += _by_type(spec, headless)
    causes += ports(spec)
    causes += label_map("spec.selector", spec.selector)
    causes += one_of("spec.sessionAffinity", spec.session_affinity, ("ClientIP", "None"))
    causes += _affinity(spec)
    causes += _cluster_ips(spec)
    for index, address in enumerate(spec.external_ips):
        path = f"spec.externalIPs[{index}]"
        causes += [invalid(path, address, text) for text in special_ip(address)]
    causes += one_of("spec.type", spec.type, TYPES)
    causes += _load_balancer(spec)
    causes += _traffic(spec)
    return causes


def service_update(new: Service, old: Service) -> list[Cause]:
    causes = list(_fixed_cluster_ips(new.spec, old.spec))
    both_balanced = new.spec.type == old.spec.type == "LoadBalancer"
    if both_balanced and new.spec.load_balancer_class != old.spec.load_balancer_class:
        value = new.spec.load_balancer_class
        causes.append(invalid("spec.loadBalancerClass", value, ONCE))
    if (
        needs_health_check(new.spec)
        and needs_health_check(old.spec)
        and new.spec.health_check_node_port != old.spec.health_check_node_port
    ):
        causes.append(forbidden("spec.healthCheckNodePort", "field is immutable"))
    return causes + service(new)


def is_headless(spec: ServiceSpec) -> bool:
    return spec.cluster_ip == "None" or spec.cluster_ips[:1] == ("None",)


def needs_health_check(spec: ServiceSpec) -> bool:
    """Whether the nodes answer for this Service on a port of its own."""
    return spec.type == "LoadBalancer" and spec.external_traffic_policy == "Local"


def _by_type(spec: ServiceSpec, headless: bool) -> Iterator[Cause]:
    if spec.type in ("LoadBalancer", "NodePort") and headless:
        text = f"may not be set to 'None' for {spec.type} services"
        yield invalid("spec.clusterIPs[0]", "None", text)
    if spec.type == "LoadBalancer":
        for index, port in enumerate(spec.ports):
            if port.port == KUBELET_PORT:
                text = "may not expose port 10250 externally since it is used by kubelet"
                yield invalid(f"spec.ports[{index}]", port.port, text)
    if spec.type == "ExternalName":
        yield from _external_name(spec)


def _external_name(spec: ServiceSpec) -> Iterator[Cause]:
    set_anyway = {
        "clusterIPs": spec.cluster_ips or spec.cluster_ip,
        "ipFamilies": spec.ip_families,
        "ipFamilyPolicy": spec.ip_family_policy,
    }
    for field, value in set_anyway.items():
        if value:
            yield forbidden(f"spec.{field}", "may not be set for ExternalName services")
    name = (spec.external_name or "").removesuffix(".")
    if not name:
        yield required("spec.externalName")
        return
    for text in dns1123_subdomain(name):
        yield invalid("spec.externalName", name, text)


def _key(port: ServicePort) -> GoText:
    """What no two ports may have in common, as upstream prints it: a port that has no more."""
    rest = 'TargetPort:intstr.IntOrString{Type:0, IntVal:0, StrVal:""}, NodePort:0'
    return GoText(
        f'core.ServicePort{{Name:"", Protocol:{quoted(port.protocol or "")}, '
        f"AppProtocol:(*string)(nil), Port:{port.port}, {rest}}}"
    )


def ports(spec: ServiceSpec) -> list[Cause]:
    causes = [
        cause
        for index, port in enumerate(spec.ports)
        for cause in _port(f"spec.ports[{index}]", port, named=len(spec.ports) > 1)
    ]
    causes += duplicates("spec.ports", "name", [port.name or "" for port in spec.ports])
    node_ports: set[tuple[str | None, int]] = set()
    pairs: set[tuple[str | None, int]] = set()
    for index, port in enumerate(spec.ports):
        path = f"spec.ports[{index}]"
        if port.node_port:
            if spec.type == "ClusterIP":
                text = "may not be used when `type` is 'ClusterIP'"
                causes.append(forbidden(f"{path}.nodePort", text))
            if (port.protocol, port.node_port) in node_ports:
                causes.append(duplicate(f"{path}.nodePort", port.node_port))
            node_ports.add((port.protocol, port.node_port))
        if (port.protocol, port.port) in pairs:
            causes.append(duplicate(path, _key(port)))
        pairs.add((port.protocol, port.port))
    return causes


def _port(path: str, port: ServicePort, *, named: bool) -> Iterator[Cause]:
    if port.name:
        for text in dns1123_label(port.name):
            yield invalid(f"{path}.name", port.name, text)
    elif named:
        yield required(f"{path}.name")
    for text in port_number(port.port):
        yield invalid(f"{path}.port", port.port, text)
    yield from one_of(f"{path}.protocol", port.protocol, PROTOCOLS)
    yield from port_number_or_name(f"{path}.targetPort", port.target_port)
    if port.app_protocol is not None:
        for text in qualified_name(port.app_protocol):
            yield invalid(f"{path}.appProtocol", port.app_protocol, text)


def port_number_or_name(path: str, value: int | str | None) -> Iterator[Cause]:
    texts = port_name(value) if isinstance(value, str) else port_number(value or 0)
    for text in texts:
        yield invalid(path, value or 0, text)


def _affinity(spec: ServiceSpec) -> Iterator[Cause]:
    path, config = "spec.sessionAffinityConfig", spec.session_affinity_config
    if spec.session_affinity == "None" and config is not None:
        yield forbidden(path, "must not be set when session affinity is None")
    if spec.session_affinity != "ClientIP":
        return
    needed = "when session affinity type is ClientIP"
    if config is None:
        yield required(path, needed)
    elif config.client_ip is None:
        yield required(f"{path}.clientIP", needed)
    elif config.client_ip.timeout_seconds is None:
        yield required(f"{path}.clientIP.timeoutSeconds", needed)
    elif not 0 < config.client_ip.timeout_seconds <= AFFINITY_MAX_S:
        text = f"must be greater than 0 and less than {AFFINITY_MAX_S}"
        yield invalid(f"{path}.clientIP.timeoutSeconds", config.client_ip.timeout_seconds, text)


def _cluster_ips(spec: ServiceSpec) -> Iterator[Cause]:
    path, addresses = "spec.clusterIPs", spec.cluster_ips
    if addresses and not spec.cluster_ip:
        yield invalid(path, addresses, "must be empty when `clusterIP` is not specified")
    elif addresses and addresses[0] != spec.cluster_ip:
        yield invalid(path, addresses, "first value must match `clusterIP`")
    if len(addresses) > 2:
        yield invalid(path, addresses, "may only hold up to 2 values")
    for index, address in enumerate(addresses):
        if address == "None":
            if len(addresses) > 1:
                text = "'None' must be the first and only value"
                yield invalid(f"{path}[{index}]", address, text)
            continue
        for text in ip(address):
            yield invalid(f"{path}[{index}]", address, text)
    for index, family in enumerate(spec.ip_families):
        if family not in ("IPv4", "IPv6"):
            yield not_supported(f"spec.ipFamilies[{index}]", family, ("IPv4", "IPv6"))
        elif family in spec.ip_families[:index]:
            yield duplicate(f"spec.ipFamilies[{index}]", family)
    if spec.ip_family_policy and spec.ip_family_policy not in FAMILY_POLICIES:
        yield not_supported("spec.ipFamilyPolicy", spec.ip_family_policy, FAMILY_POLICIES)


def _fixed_cluster_ips(new: ServiceSpec, old: ServiceSpec) -> Iterator[Cause]:
    """A ClusterIP is for life, except where the type changes from or to ExternalName."""
    if "ExternalName" in (new.type, old.type) or (is_headless(new) and is_headless(old)):
        return
    if not old.cluster_ips:
        return
    if not new.cluster_ips:
        yield invalid("spec.clusterIPs[0]", [], "primary clusterIP can not be unset")
        return
    for index, (after, before) in enumerate(zip(new.cluster_ips, old.cluster_ips, strict=False)):
        if after != before:
            yield invalid(f"spec.clusterIPs[{index}]", new.cluster_ips, ONCE)


def _load_balancer(spec: ServiceSpec) -> Iterator[Cause]:
    balanced = spec.type == "LoadBalancer"
    path = "spec.LoadBalancerSourceRanges"  # sic
    if spec.load_balancer_source_ranges and not balanced:
        yield forbidden(path, ONLY_LOAD_BALANCER)
    for index, value in enumerate(spec.load_balancer_source_ranges):
        for text in cidr(value.strip()):
            yield invalid(f"{path}[{index}]", value.strip(), text)
    if spec.allocate_load_balancer_node_ports is not None and not balanced:
        yield forbidden("spec.allocateLoadBalancerNodePorts", ONLY_LOAD_BALANCER)
    if spec.load_balancer_class is not None:
        if not balanced:
            yield forbidden("spec.loadBalancerClass", ONLY_LOAD_BALANCER)
        else:
            for text in qualified_name(spec.load_balancer_class):
                yield invalid("spec.loadBalancerClass", spec.load_balancer_class, text)


def _traffic(spec: ServiceSpec) -> Iterator[Cause]:
    external = spec.external_traffic_policy
    accessible = spec.type in ("NodePort", "LoadBalancer") or (
        spec.type == "ClusterIP" and bool(spec.external_ips)
    )
    if accessible:
        yield from one_of("spec.externalTrafficPolicy", external, POLICIES)
    elif external:
        text = "may only be set for externally-accessible services"
        yield invalid("spec.externalTrafficPolicy", external, text)
    yield from _health_check_port(spec)
    internal = spec.internal_traffic_policy
    if spec.type in ("ClusterIP", "NodePort", "LoadBalancer") or internal:
        yield from one_of("spec.internalTrafficPolicy", internal, POLICIES)
    if spec.traffic_distribution not in (None, "PreferClose"):
        path = "spec.trafficDistribution"
        yield not_supported(path, spec.traffic_distribution, ("PreferClose",))


def _health_check_port(spec: ServiceSpec) -> Iterator[Cause]:
    """Absent is no error here: allocation fills it in."""
    port, path = spec.health_check_node_port, "spec.healthCheckNodePort"
    if not port:
        return
    if not needs_health_check(spec):
        text = (
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        )
        yield invalid(path, port, text)
        return
    for text in port_number(port):
        yield invalid(path, port, text)
