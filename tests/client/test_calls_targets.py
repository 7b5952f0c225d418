"""What is dialled for a target, and what is refused before dialling with what to do instead."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from emucluster.client.targets import (
    Source,
    gateway,
    parse_source,
    resolve,
)
from emucluster.core.errors import EmuclusterError, NoRoute, NotFound, UsageError
from emucluster.core.objects import Object
from emucluster.core.objects.codec import decode_tree
from emucluster.core.routing.targets import parse_target
from emucluster.experiment.topology import natural

OUTSIDE = Source("outside")
INSIDE = Source("pod", "client")


@dataclass
class Table:
    """Objects held in a list."""

    objects: Sequence[Object]

    def find(self, kind: str, name: str, namespace: str = "default") -> Object | None:
        found = [o for o in self.list(kind) if o.metadata.name == name]
        return next((o for o in found if o.metadata.namespace in ("", namespace)), None)

    def list(self, kind: str, namespace: str | None = None) -> Sequence[Object]:
        return [o for o in self.objects if o.kind == kind]


def obj(kind: str, name: str, **fields: Any) -> Object:
    version = "discovery.k8s.io/v1" if kind == "EndpointSlice" else "v1"
    metadata = {"name": name, **fields.pop("metadata", {})}
    if kind != "Node":
        metadata["namespace"] = "default"
    return decode_tree({"apiVersion": version, "kind": kind, "metadata": metadata, **fields})


def service(name: str, type_: str, **fields: Any) -> Object:
    port = {"name": "grpc", "port": 80, "targetPort": "grpc", **fields.pop("port", {})}
    status = fields.pop("status", {})
    spec = {"type": type_, "clusterIP": "10.96.7.7", "ports": [port], **fields}
    return obj("Service", name, spec=spec, status=status)


def node(number: int) -> Object:
    addresses = [{"type": "InternalIP", "address": f"127.16.0.{number}"}]
    return obj("Node", f"node-{number}", status={"addresses": addresses})


def pod(name: str, ip: str | None) -> Object:
    containers = [{"name": "c", "ports": [{"name": "grpc", "containerPort": 50051}]}]
    status = {"phase": "Running", "podIP": ip} if ip else {"phase": "Pending"}
    return obj("Pod", name, spec={"containers": containers}, status=status)


def endpoint_slice() -> Object:
    return obj(
        "EndpointSlice",
        "headless-1",
        metadata={"labels": {"kubernetes.io/service-name": "headless"}},
        addressType="IPv4",
        ports=[{"name": "grpc", "port": 50051}],
        endpoints=[
            {"addresses": ["127.32.2.2"], "conditions": {"ready": True}},
            {"addresses": ["127.32.1.2"], "conditions": {"ready": True}},
            {"addresses": ["127.32.3.2"], "conditions": {"ready": False}},
        ],
    )


def pending_event() -> Object:
    about = {"kind": "Service", "name": "pending", "namespace": "default"}
    return obj("Event", "e", involvedObject=about, message="no cloud here")


CLUSTER = Table(
    [
        node(10),
        node(2),
        pod("client", "127.32.1.9"),
        pod("late", None),
        service("web", "ClusterIP"),
        service("np", "NodePort", port={"nodePort": 30080}),
        service(
            "lb",
            "LoadBalancer",
            port={"port": 8080, "nodePort": 31000},
            status={"loadBalancer": {"ingress": [{"ip": "127.240.0.1"}]}},
        ),
        service("pending", "LoadBalancer", port={"nodePort": 31001}),
        service("headless", "ClusterIP", clusterIP="None"),
        service("ext", "ExternalName", clusterIP="", externalName="legacy.example"),
        endpoint_slice(),
        pending_event(),
    ]
)


def dialled(target: str, source: Source, node: str = "") -> str:
    return resolve(parse_target(target), source, CLUSTER, node=node).words()


@pytest.mark.parametrize(
    ("target", "source", "node", "address"),
    [
        ("service/lb", OUTSIDE, "", "127.240.0.1:8080"),
        ("service/lb", OUTSIDE, "node-10", "127.16.0.10:31000"),
        ("service/np", OUTSIDE, "", "127.16.0.2:30080"),
        ("svc/np:grpc", OUTSIDE, "node-10", "127.16.0.10:30080"),
        ("127.16.0.2:30080", OUTSIDE, "", "127.16.0.2:30080"),
        ("service/web", INSIDE, "", "10.96.7.7:80"),
        ("service/np:80", INSIDE, "", "10.96.7.7:80"),
        ("service/headless", INSIDE, "", "127.32.1.2:50051,127.32.2.2:50051"),
        ("service/ext:443", INSIDE, "", "ext.default.svc.cluster.local:443"),
        ("service/ext", INSIDE, "", "ext.default.svc.cluster.local:80"),
        ("pod/client", INSIDE, "", "127.32.1.9:50051"),
        ("pod/client:grpc", INSIDE, "", "127.32.1.9:50051"),
        ("pod/client:9000", INSIDE, "", "127.32.1.9:9000"),
        ("web:80", INSIDE, "", "web:80"),
    ],
)
def test_a_target_is_dialled_as_its_users_would(
    target: str, source: Source, node: str, address: str
) -> None:
    assert dialled(target, source, node) == address


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("service/web", "type ClusterIP.*no address outside.*--from pod/NAME.*NodePort or Load"),
        ("service/headless", "headless.*--from pod/NAME"),
        ("service/ext", "stands for legacy.example.*--from pod/NAME"),
        ("service/pending", "<pending>: no cloud here"),
        ("pod/client", "127.32.1.9.*only inside.*--from pod/NAME"),
        ("10.96.7.7:80", "a ClusterIP.*only inside"),
        ("127.32.1.9:50051", "a pod's address.*only inside"),
        ("web.default.svc:80", "names mean nothing outside"),
    ],
)
def test_what_is_unreachable_from_outside_is_refused_with_the_reason(target: str, why: str) -> None:
    with pytest.raises(NoRoute, match=why):
        dialled(target, OUTSIDE)


@pytest.mark.parametrize(
    ("target", "source", "node", "error"),
    [
        ("service/none", OUTSIDE, "", NotFound),
        ("service/np", OUTSIDE, "node-9", NotFound),
        ("service/web", OUTSIDE, "node-2", NoRoute),
        ("service/lb:99", OUTSIDE, "", UsageError),
        ("pod/client:http", INSIDE, "", UsageError),
        ("pod/late", INSIDE, "", NoRoute),
    ],
)
def test_names_and_ports_that_do_not_exist_are_errors(
    target: str, source: Source, node: str, error: type[EmuclusterError]
) -> None:
    with pytest.raises(error):
        dialled(target, source, node)


@pytest.mark.parametrize(
    "text", ["", "web", "service/", "service/web:", "node/n", "a:b", "a:99999"]
)
def test_anything_else_is_no_target(text: str) -> None:
    with pytest.raises(UsageError, match="a target is"):
        parse_target(text)


@pytest.mark.parametrize("text", ["", "inside", "pod/", "service/web"])
def test_a_client_is_outside_or_with_a_pod_or_node(text: str) -> None:
    with pytest.raises(UsageError, match="a client is at"):
        parse_source(text)


def test_a_client_inside_goes_through_the_gateway_of_its_pod_or_node() -> None:
    assert gateway(INSIDE, CLUSTER, "default") == ("127.32.1.9", 15001)
    assert gateway(Source("node", "node-2"), CLUSTER, "default") == ("127.16.0.2", 15001)


def test_node_2_comes_before_node_10() -> None:
    assert sorted(["node-10", "node-2", "a"], key=natural) == ["a", "node-2", "node-10"]
