"""What the echo pods of a cluster remember to have executed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc

from emucluster.client.dial import dial
from emucluster.client.path import Address
from emucluster.client.targets import Objects, Source, gateway, resolve
from emucluster.core.errors import EmuclusterError
from emucluster.core.objects import Pod
from emucluster.core.routing.targets import parse_target
from emucluster.experiment.history import Execution
from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc

PAGE_IDS = 50_000
PAGE_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0
PODS_AT_ONCE = 8
GATEWAYS_TRIED = 2
"""A pod that does not answer by two ways does not answer."""
SLASHES = 3
"""In a call's id."""


def executions(objects: Objects, nodes: Sequence[str], run: str) -> list[Execution]:
    """Every execution of a call of `run` that a pod remembers, by pod.

    Each running pod is asked through the gateway of its own node, or else of another of `nodes`.
    Pods that do not answer, that ended, or whose server is not the echo, are missing.
    """
    found_at = ((node, _gateway(node, objects)) for node in nodes)
    gateways = {node: gate for node, gate in found_at if gate is not None}
    pods = [pod for pod in objects.list("Pod") if isinstance(pod, Pod) and _may_answer(pod)]
    if not gateways or not pods:
        return []
    with ThreadPoolExecutor(PODS_AT_ONCE, thread_name_prefix="executions") as pool:
        found = pool.map(lambda pod: _of_pod(pod, objects, gateways, f"{run}/"), pods)
        return [execution for of_pod in found for execution in of_pod]


def _may_answer(pod: Pod) -> bool:
    return pod.status.phase == "Running" and bool(pod.status.pod_ip)


def _gateway(node: str, objects: Objects) -> Address | None:
    with contextlib.suppress(EmuclusterError):
        return gateway(Source("node", node), objects, "")
    return None


def _of_pod(
    pod: Pod, objects: Objects, gateways: Mapping[str, Address], prefix: str
) -> list[Execution]:
    name = f"{pod.metadata.namespace}/{pod.metadata.name}"
    nearest = sorted(gateways, key=lambda node: node != pod.spec.node_name)
    for gate in (gateways[node] for node in nearest[:GATEWAYS_TRIED]):
        with contextlib.suppress(EmuclusterError, grpc.RpcError):
            return [
                Execution(call_id=call_id, pod=name, count=count)
                for call_id, count in _remembered(pod, objects, gate, prefix)
                if call_id.count("/") == SLASHES  # a chat's further messages have one more
            ]
    return []


def _remembered(
    pod: Pod, objects: Objects, gate: Address, prefix: str
) -> Iterator[tuple[str, int]]:
    """Raises EmuclusterError for a pod that serves nothing, grpc.RpcError if it does not answer."""
    target = parse_target(f"pod/{pod.metadata.name}")
    found = resolve(target, Source("node"), objects, namespace=pod.metadata.namespace)
    with dial(found, gate, options=[("grpc.max_receive_message_length", 64 << 20)]) as channel:
        stub = echo_pb2_grpc.EchoStub(channel)
        request = echo_pb2.SeenRequest(prefix=prefix, limit=PAGE_IDS)
        timeout_s = CONNECT_TIMEOUT_S
        while True:
            reply = stub.Seen(request, timeout=timeout_s)
            yield from reply.executed.items()
            if not reply.next:
                return
            request.skip, timeout_s = reply.next, PAGE_TIMEOUT_S
