"""What one pod is to one Service: the ports it offers and the endpoint that stands for it.

k8s.io/endpointslice/{utils.go, trafficdist/trafficdist.go}; conditions of KEP-1672.
"""

from __future__ import annotations

from emucluster.core.objects import (
    Endpoint,
    EndpointConditions,
    EndpointHints,
    EndpointPort,
    ForZone,
    Node,
    ObjectReference,
    Pod,
    Service,
    ServicePort,
)

from .podstate import is_deleting, is_ready, is_terminal

PortSet = tuple[EndpointPort, ...]
ZONE_LABEL = "topology.kubernetes.io/zone"
SAME_ZONE = frozenset({"PreferClose", "PreferSameZone", "PreferSameNode"})
"""Values of trafficDistribution that give hints. The schema in use has zone hints only."""


def is_selected(service: Service) -> bool:
    """Whether this controller makes slices for it: it has a selector and is no CNAME."""
    return bool(service.spec.selector) and service.spec.type != "ExternalName"


def may_serve(pod: Pod) -> bool:
    """Pods that have ended or have no IP yet are nobody's endpoint, whatever the Service wants."""
    return bool(pod.status.pod_ip) and not is_terminal(pod)


def resolved_ports(service: Service, pod: Pod) -> PortSet:
    """The Service's ports as numbers of this pod; a name that the pod lacks is left out."""
    found = []
    for port in service.spec.ports:
        if (number := _target_port(port, pod)) is not None:
            found.append(
                EndpointPort(
                    name=port.name or "",
                    port=number,
                    protocol=port.protocol or "TCP",
                    app_protocol=port.app_protocol,
                )
            )
    return tuple(found)


def _target_port(port: ServicePort, pod: Pod) -> int | None:
    target = port.target_port
    if isinstance(target, int) or not target:
        return target or port.port
    protocol = port.protocol or "TCP"
    for container in pod.spec.containers:
        for each in container.ports:
            if each.name == target and (each.protocol or "TCP") == protocol:
                return each.container_port
    return None


def endpoint_of(service: Service, pod: Pod, node: Node) -> Endpoint:
    """The pod as an endpoint; terminating pods stay, not ready, for as long as they serve."""
    serving, terminating = is_ready(pod), is_deleting(pod)
    ready = bool(service.spec.publish_not_ready_addresses) or (serving and not terminating)
    zone = (node.metadata.labels or {}).get(ZONE_LABEL)
    hinted = ready and zone and service.spec.traffic_distribution in SAME_ZONE
    return Endpoint(
        addresses=(pod.status.pod_ip or "",),
        conditions=EndpointConditions(ready=ready, serving=serving, terminating=terminating),
        hints=EndpointHints(for_zones=(ForZone(name=zone),)) if hinted and zone else None,
        hostname=_hostname(service, pod),
        node_name=node.metadata.name,
        zone=zone,
        target_ref=ObjectReference(
            kind="Pod",
            namespace=pod.metadata.namespace,
            name=pod.metadata.name,
            uid=pod.metadata.uid,
        ),
    )


def _hostname(service: Service, pod: Pod) -> str | None:
    """A pod whose subdomain is the Service has a DNS record of its own."""
    same = pod.spec.subdomain == service.metadata.name
    return pod.spec.hostname if pod.spec.hostname and same else None
