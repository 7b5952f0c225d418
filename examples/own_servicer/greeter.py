"""A gRPC service of one's own, without a .proto file: bytes in, bytes out."""

import os
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc


async def serve(server: grpc.aio.Server) -> None:
    """Called once in each pod, with a server that will listen on the container's port.

    POD and NODE come from the manifest's `env`. They are read here: pods that share a process
    (`--packing node`) have their environment while this runs, and no longer.
    """
    me = f"{os.environ['POD']} on {os.environ['NODE']}"

    async def hello(name: bytes, context: Any) -> bytes:
        """Greet whoever calls, and say who does."""
        print(f"greeting {name.decode()} at {context.peer()}")
        return f"hello {name.decode()}, this is {me}".encode()

    methods = {"Hello": grpc.unary_unary_rpc_method_handler(hello)}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("greeter.Greeter", methods),)
    )
    status = health.aio.HealthServicer()  # asked by the readiness probe
    await status.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
