"""The control plane's line to the cloud: the keeper, which owns machines and load balancers."""

from typing import Any

import grpc
import grpc.aio

from emucluster.core.controllers.cloud_commands import (
    CloudCommand,
    DeleteLoadBalancer,
    EnsureLoadBalancer,
    LoadBalancerSpec,
)
from emucluster.core.errors import EmuclusterError
from emucluster.live.rpc.channel import connect_aio, credentials
from emucluster.live.rpc.errors import translate
from emucluster.live.rpc.pb import lab_pb2, lab_pb2_grpc

CALL_TIMEOUT_S = 30.0


class Cloud:
    """Carries out the load-balancer controller's commands."""

    def __init__(self, lab: str, token: str) -> None:
        self._channel = connect_aio(lab)
        self._stub = lab_pb2_grpc.LabStub(self._channel)
        self._metadata = credentials(token)

    async def perform(self, command: CloudCommand) -> tuple[str, ...]:
        """The addresses of the load balancer, or () after a deletion; raises EmuclusterError."""
        try:
            match command:
                case EnsureLoadBalancer(spec=spec):
                    info = await self._call(self._stub.EnsureLoadBalancer, _spec(spec))
                    return tuple(info.addresses)
                case DeleteLoadBalancer(ref=ref):
                    request = lab_pb2.LoadBalancerRef(namespace=ref.namespace, service=ref.service)
                    await self._call(self._stub.DeleteLoadBalancer, request)
                    return ()
        except grpc.aio.AioRpcError as error:
            raise translate(error) or EmuclusterError(
                f"the cloud did not answer: {error.details() or error.code()}"
            ) from error

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    async def _call(self, method: Any, request: Any) -> Any:
        return await method(request, metadata=self._metadata, timeout=CALL_TIMEOUT_S)


def _spec(spec: LoadBalancerSpec) -> lab_pb2.LoadBalancerSpec:
    return lab_pb2.LoadBalancerSpec(
        namespace=spec.ref.namespace,
        service=spec.ref.service,
        uid=spec.uid,
        preset=spec.preset,
        ports=[
            lab_pb2.LoadBalancerPort(
                name=p.name, protocol=p.protocol, port=p.port, node_port=p.node_port
            )
            for p in spec.ports
        ],
        targets=[
            lab_pb2.LoadBalancerTarget(node=t.node, address=t.address, zone=t.zone)
            for t in spec.targets
        ],
        source_ranges=spec.source_ranges,
        local_only=spec.local_only,
        health_check_node_port=spec.health_check_node_port,
        client_affinity=spec.client_affinity,
        affinity_timeout_s=spec.affinity_timeout_s,
        settings=dict(spec.settings),
    )
