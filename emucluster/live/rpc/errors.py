"""Errors cross gRPC as Kubernetes `Status` objects, and come out as the classes they went in."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, NoReturn

import grpc

from emucluster.core.errors import (
    ApiError,
    EmuclusterError,
    Unreachable,
    from_status,
    to_status,
)

STATUS_KEY = "emucluster-status-bin"
UNREACHABLE_KEY = "emucluster-unreachable"
"""Whom we asked could not reach somebody else: nobody knows what became of the request there."""

_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ABORTED,
    410: grpc.StatusCode.OUT_OF_RANGE,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}


async def abort(context: Any, error: EmuclusterError) -> NoReturn:
    """End the call with `error`; the client's `translate` raises the same class again."""
    code = grpc.StatusCode.FAILED_PRECONDITION
    if isinstance(error, ApiError):
        code = _CODES.get(error.code, grpc.StatusCode.INTERNAL)
        await context.abort(code, str(error), ((STATUS_KEY, to_status(error)),))
    if isinstance(error, Unreachable):
        await context.abort(grpc.StatusCode.UNAVAILABLE, str(error), ((UNREACHABLE_KEY, "yes"),))
    await context.abort(code, str(error))
    raise AssertionError("abort returned")


def translated(
    method: Callable[[Any, Any, Any], Awaitable[Any]],
) -> Callable[[Any, Any, Any], Awaitable[Any]]:
    """Decorate a unary servicer method: our errors become statuses, others stay bugs."""

    @wraps(method)
    async def call(self: Any, request: Any, context: Any) -> Any:
        try:
            return await method(self, request, context)
        except EmuclusterError as error:
            await abort(context, error)

    return call


def translate(error: grpc.RpcError) -> EmuclusterError | None:
    """The error of ours that `error` carries, or None when it is the transport's own."""
    trailing = error.trailing_metadata() if hasattr(error, "trailing_metadata") else None
    for key, value in trailing or ():
        if key == STATUS_KEY and isinstance(value, bytes):
            return from_status(value)
        if key == UNREACHABLE_KEY:
            return Unreachable(_details(error))
    if getattr(error, "code", lambda: None)() is grpc.StatusCode.FAILED_PRECONDITION:
        return EmuclusterError(_details(error))
    return None


def _details(error: grpc.RpcError) -> str:
    return str(getattr(error, "details", lambda: "")())
