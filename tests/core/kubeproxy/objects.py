"""Services, slices and nodes in a line each."""

from __future__ import annotations

from typing import Any

from emucluster.core import objects as k8s

VIP, PORT, NODE_PORT = "10.96.0.50", 80, 30080


def service(**spec: Any) -> k8s.Service:
    """default/web, port 80 named http; `labels` and `ingress` (LB address) besides the spec."""
    labels, ingress = spec.pop("labels", None), spec.pop("ingress", None)
    ports = spec.pop(
        "ports", (k8s.ServicePort(name="http", port=PORT, protocol="TCP", node_port=NODE_PORT),)
    )
    spec = {"type": "NodePort", "cluster_ip": VIP, "ports": ports, **spec}
    balancer = k8s.LoadBalancerStatus(
        ingress=(k8s.LoadBalancerIngress(ip=ingress),) if ingress else ()
    )
    return k8s.Service(
        metadata=k8s.ObjectMeta(name="web", namespace="default", labels=labels),
        spec=k8s.ServiceSpec(**spec),
        status=k8s.ServiceStatus(load_balancer=balancer),
    )


def endpoint(
    ip: str, node: str = "node-1", conditions: str = "ready", zones: tuple[str, ...] = ()
) -> k8s.Endpoint:
    """`conditions`: ready, terminating (and serving), down (terminating, not serving), unready."""
    ready, serving, terminating = {
        "ready": (True, True, False),
        "terminating": (False, True, True),
        "down": (False, False, True),
        "unready": (False, False, False),
    }[conditions]
    hints = k8s.EndpointHints(for_zones=tuple(k8s.ForZone(name=z) for z in zones))
    return k8s.Endpoint(
        addresses=(ip,),
        node_name=node,
        conditions=k8s.EndpointConditions(ready=ready, serving=serving, terminating=terminating),
        hints=hints if zones else None,
    )


def slice_of(*endpoints: k8s.Endpoint, name: str = "web-1", port: int = 8080) -> k8s.EndpointSlice:
    return k8s.EndpointSlice(
        metadata=k8s.ObjectMeta(
            name=name, namespace="default", labels={"kubernetes.io/service-name": "web"}
        ),
        address_type="IPv4",
        endpoints=endpoints,
        ports=(k8s.EndpointPort(name="http", port=port, protocol="TCP"),),
    )


def node(name: str, zone: str = "zone-a", **changes: Any) -> k8s.Node:
    number = int(name.rsplit("-", 1)[1])
    return k8s.Node(
        metadata=k8s.ObjectMeta(
            name=name,
            labels={"topology.kubernetes.io/zone": zone},
            deletion_timestamp=changes.get("deletion_timestamp"),
        ),
        spec=k8s.NodeSpec(taints=changes.get("taints", ())),
        status=k8s.NodeStatus(
            addresses=(k8s.NodeAddress(type="InternalIP", address=f"127.16.0.{number}"),)
        ),
    )
