"""gRPC servers of our own processes: token checked first, errors translated in one place."""

import hmac
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc
import grpc.aio

from emucluster.live.rpc.channel import AUTHORIZATION

_OPTIONS = [
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
    ("grpc.http2.max_ping_strikes", 0),  # nodes look after quiet connections as client-go does
    ("grpc.so_reuseport", 0),  # a second cluster on our address must fail, not share it
]


class TokenInterceptor(grpc.aio.ServerInterceptor):
    """Refuses every request that does not carry the cluster's token."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}"

    async def intercept_service(
        self,
        continuation: Callable[[Any], Awaitable[Any]],
        handler_call_details: Any,
    ) -> Any:
        metadata = dict(handler_call_details.invocation_metadata or ())
        given = str(metadata.get(AUTHORIZATION, ""))
        handler = await continuation(handler_call_details)
        if hmac.compare_digest(given.encode(), self._expected.encode()):
            return handler
        return _refusal(handler)


def _refusal(handler: Any) -> Any:
    async def refuse(_request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, "the cluster's token is required")

    if handler is None:
        return None
    if handler.response_streaming:
        make = (
            grpc.stream_stream_rpc_method_handler
            if handler.request_streaming
            else grpc.unary_stream_rpc_method_handler
        )
    else:
        make = (
            grpc.stream_unary_rpc_method_handler
            if handler.request_streaming
            else grpc.unary_unary_rpc_method_handler
        )
    return make(refuse, handler.request_deserializer, handler.response_serializer)


class CallCounts(grpc.aio.ServerInterceptor):
    """Counts the calls of each method, those that are refused included."""

    def __init__(self) -> None:
        self.by_method: Counter[str] = Counter()

    async def intercept_service(
        self,
        continuation: Callable[[Any], Awaitable[Any]],
        handler_call_details: Any,
    ) -> Any:
        self.by_method[handler_call_details.method] += 1
        return await continuation(handler_call_details)


def make_server(
    token: str,
    *,
    counts: CallCounts | None = None,
    interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
) -> grpc.aio.Server:
    """A server whose services are all behind `token`; the caller adds them, binds and starts it."""
    counting = [counts] if counts is not None else []
    all_ = [TokenInterceptor(token), *counting, *interceptors]
    return grpc.aio.server(interceptors=all_, options=_OPTIONS)


def bind(server: grpc.aio.Server, address: str, port: int) -> int:
    """Listen on `address:port` (0: the kernel chooses) and return the port.

    Raises OSError naming the address when it is taken.
    """
    try:
        bound = server.add_insecure_port(f"{address}:{port}")
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address}:{port}: address already in use") from error
    if bound == 0:
        raise OSError(f"cannot listen on {address}:{port}")
    return int(bound)
