"""Where the demo takes place: the manifest, the server outside, what runs where."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import yaml

import emucluster as emu
from emucluster.core.objects import Node, Pod, Service
from emucluster.core.routing.targets import node_address
from emucluster.experiment.topology import natural
from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc

MANIFEST = Path(__file__).parents[1] / "web.yaml"
OUTSIDE_NAME = "legacy.example"

NO_CLOUD = "web-no-cloud"


def manifest(replicas: int) -> list[dict[str, Any]]:
    """examples/web.yaml with so many web pods."""
    documents = [doc for doc in yaml.safe_load_all(MANIFEST.read_text()) if doc]
    for document in documents:
        if document["kind"] == "Deployment":
            document["spec"]["replicas"] = replicas
    return documents


def without_cloud() -> dict[str, Any]:
    """The same pods behind a Service that asks for load balancers of a class that nobody provides.

    That is what every LoadBalancer Service is on a cluster without a cloud.
    """
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NO_CLOUD},
        "spec": {
            "type": "LoadBalancer",
            "loadBalancerClass": "example.com/nobody",
            "selector": {"app": "web"},
            "ports": [{"name": "grpc", "port": 8080, "targetPort": "grpc"}],
        },
    }


class _Legacy(echo_pb2_grpc.EchoServicer):
    def Call(self, request: Any, context: grpc.ServicerContext) -> Any:
        return echo_pb2.EchoReply(id=request.id, pod=OUTSIDE_NAME, client=context.peer())


@contextmanager
def server_outside() -> Iterator[str]:
    """A gRPC server that is no part of the cluster; yields its ADDR:PORT on this machine."""
    server = grpc.server(ThreadPoolExecutor(2))
    echo_pb2_grpc.add_EchoServicer_to_server(_Legacy(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=None).wait(5)


@dataclass(frozen=True)
class Setting:
    """What runs where, once the cluster is ready."""

    nodes: dict[str, tuple[str, str]]
    """Node name to zone and address, in the nodes' order."""
    web: dict[str, tuple[str, str]]
    """Name of a web pod to its node and IP."""
    client_node: str
    services: dict[str, Service]

    @property
    def victim(self) -> str:
        """A node with a web pod and without the inside clients; any other if there is none."""
        others = [node for node in self.nodes if node != self.client_node]
        used = {node for node, _ip in self.web.values()}
        return next((node for node in others if node in used), others[0])

    @property
    def healthy(self) -> str:
        """A node that keeps its power and that clients outside use."""
        return next(n for n in self.nodes if n not in (self.victim, self.client_node))

    def pods_on(self, node: str) -> list[str]:
        return [pod for pod, (where, _ip) in self.web.items() if where == node]


def look(session: emu.Session) -> Setting:
    """Ask the API server what runs where."""
    nodes = [node for node in session.get("node") if isinstance(node, Node)]
    nodes.sort(key=lambda node: natural(node.metadata.name))
    pods = [pod for pod in session.get("pod") if isinstance(pod, Pod)]
    zone = "topology.kubernetes.io/zone"
    return Setting(
        nodes={
            node.metadata.name: ((node.metadata.labels or {}).get(zone, ""), node_address(node))
            for node in nodes
        },
        web={
            pod.metadata.name: (pod.spec.node_name or "", pod.status.pod_ip or "")
            for pod in pods
            if (pod.metadata.labels or {}).get("app") == "web"
        },
        client_node=next(p.spec.node_name or "" for p in pods if p.metadata.name == "client"),
        services={
            service.metadata.name: service
            for service in session.get("service")
            if isinstance(service, Service)
        },
    )
