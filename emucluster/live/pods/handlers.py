"""gRPC's handlers with something put around the method that they call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import grpc

Behaviour: TypeAlias = Callable[..., Any]
Cardinality: TypeAlias = Literal["unary_unary", "unary_stream", "stream_unary", "stream_stream"]

CARDINALITIES: tuple[Cardinality, ...] = (
    "unary_unary",
    "unary_stream",
    "stream_unary",
    "stream_stream",
)


def cardinality_of(handler: Any) -> Cardinality | None:
    """Which kind of method a handler serves; None where it serves none of them."""
    return next((kind for kind in CARDINALITIES if getattr(handler, kind) is not None), None)


def with_method(handler: Any, change: Callable[[Behaviour], Behaviour]) -> Any:
    """The handler with `change(method)` in place of its method, or itself where it has none.

    gRPC calls coroutine functions, asynchronous generators and plain functions each in its own way,
    so what `change` returns must be of the kind that it says to be.
    """
    kind = cardinality_of(handler)
    if kind is None:
        return handler
    make = getattr(grpc, f"{kind}_rpc_method_handler")
    method = getattr(handler, kind)
    return make(change(method), handler.request_deserializer, handler.response_serializer)
