"""What scenarios look at, in any cluster behind the runtime contract."""

from __future__ import annotations

from collections import Counter
from functools import partial

from emucluster.core.objects import EndpointSlice, Node, Pod
from emucluster.runtime import ClusterRuntime, Outcome

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector: {matchLabels: {app: web}}
      containers:
        - name: echo
          image: emucluster/echo
          ports: [{name: grpc, containerPort: 50051}]
          readinessProbe: {grpc: {port: 50051}, periodSeconds: 5}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: grpc, port: 80, targetPort: grpc}]
---
apiVersion: v1
kind: Service
metadata: {name: web-nodeport}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{name: grpc, port: 80, targetPort: grpc, nodePort: 30080}]
---
apiVersion: v1
kind: Service
metadata: {name: web-lb}
spec:
  type: LoadBalancer
  selector: {app: web}
  ports: [{name: grpc, port: 8080, targetPort: grpc}]
---
apiVersion: v1
kind: Service
metadata: {name: web-headless}
spec:
  clusterIP: None
  selector: {app: web}
  ports: [{name: grpc, port: 50051, targetPort: 50051}]
---
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client}}
spec:
  containers:
    - name: echo
      image: emucluster/echo
      ports: [{containerPort: 50051}]
"""
"""Three echo pods, a Service of each kind before them, and somebody inside to call from."""

NODES = ("node-1", "node-2", "node-3")


def pods(runtime: ClusterRuntime, app: str = "web") -> list[Pod]:
    """The pods with this label that are not being deleted."""
    return [
        pod
        for pod in runtime.list("pod")
        if isinstance(pod, Pod)
        and (pod.metadata.labels or {}).get("app") == app
        and pod.metadata.deletion_timestamp is None
    ]


def pod_on(runtime: ClusterRuntime, node: str, app: str = "web") -> Pod:
    """The one pod of an app on a node."""
    (found,) = [pod for pod in pods(runtime, app) if pod.spec.node_name == node]
    return found


def other_node(*nodes: str) -> str:
    """The first node that is none of these."""
    return next(name for name in NODES if name not in nodes)


def client_node(runtime: ClusterRuntime) -> str:
    """Where the pod `client` is."""
    pod = runtime.get("pod", "client")
    assert isinstance(pod, Pod)
    return pod.spec.node_name or ""


def is_ready(obj: Pod | Node) -> bool:
    """Whether its condition Ready is True."""
    return any(each.type == "Ready" and each.status == "True" for each in obj.status.conditions)


def node_is_ready(runtime: ClusterRuntime, name: str) -> bool:
    node = runtime.get("node", name)
    return isinstance(node, Node) and is_ready(node)


def ready_pods(runtime: ClusterRuntime, app: str = "web") -> int:
    return sum(is_ready(pod) for pod in pods(runtime, app))


def ready_addresses(runtime: ClusterRuntime, service: str = "web") -> set[str]:
    """The addresses of a Service's ready endpoints."""
    return {
        address
        for piece in runtime.list("endpointslice")
        if isinstance(piece, EndpointSlice)
        and (piece.metadata.labels or {}).get("kubernetes.io/service-name") == service
        for endpoint in piece.endpoints
        if endpoint.conditions.ready is not False
        for address in endpoint.addresses
    }


def healthy(runtime: ClusterRuntime, service: str = "web-lb") -> set[str]:
    """The nodes whose targets a load balancer uses."""
    return {node for node, state in runtime.lb_targets(service).items() if state == "healthy"}


def calls(
    runtime: ClusterRuntime,
    target: str,
    count: int,
    *,
    source: str = "outside",
    node: str | None = None,
    timeout_s: float = 1.0,
) -> list[Outcome]:
    """So many calls, one after the other, each over a connection of its own."""
    return [
        runtime.connect(target, source=source, node=node, timeout_s=timeout_s) for _ in range(count)
    ]


def results(outcomes: list[Outcome]) -> Counter[str]:
    return Counter(outcome.result for outcome in outcomes)


def spread(outcomes: list[Outcome]) -> Counter[str]:
    """How many calls each pod answered."""
    return Counter(outcome.pod for outcome in outcomes if outcome.ok)


def wait_for_web(runtime: ClusterRuntime, *, replicas: int = 3, timeout_s: float = 120.0) -> None:
    """Until the pods of WEB are ready and every node's proxy knows them."""
    runtime.wait_until(
        lambda: ready_pods(runtime) == replicas and ready_pods(runtime, "client") == 1,
        timeout_s=timeout_s,
        what=f"{replicas} pods ready",
    )
    for node in NODES:
        runtime.wait_until(
            partial(_knows_all, runtime, node, replicas),
            timeout_s=timeout_s,
            what=f"{node} knows all endpoints",
        )


def _knows_all(runtime: ClusterRuntime, node: str, replicas: int) -> bool:
    found = calls(runtime, "service/web", 2 * replicas, source=f"node/{node}")
    return len(spread(found)) == replicas
