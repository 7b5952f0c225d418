"""One blocking gRPC connection to a process of the cluster: deadlines and errors in one place."""

from __future__ import annotations

from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc

from emucluster.core.errors import EmuclusterError, Unauthorized, Unreachable
from emucluster.live.rpc.channel import connect, credentials
from emucluster.live.rpc.errors import translate

REQUEST_TIMEOUT_S = 15.0
"""How long a request may take before the process counts as unreachable."""

_Stub = TypeVar("_Stub")


class Connection:
    """Sends requests to `address`, each with the token and a deadline.

    Args:
        what: what errors call the other side, e.g. `the control plane`.
        address: `host:port`.
        token: the cluster's token.
    """

    def __init__(self, what: str, address: str, token: str) -> None:
        self.what = what
        self.address = address
        self._channel = connect(address)
        self._metadata = credentials(token)

    def stub(self, make: Callable[[grpc.Channel], _Stub]) -> _Stub:
        """The generated stub `make` on this connection."""
        return make(self._channel)

    def call(self, method: Any, request: Any, *, timeout_s: float = REQUEST_TIMEOUT_S) -> Any:
        """The reply to one request.

        Raises the ApiError that the other side meant, or Unreachable when it does not answer.
        """
        try:
            return method(request, timeout=timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            raise self._error(error, timeout_s) from None

    def stream(
        self, method: Any, request: Any, *, timeout_s: float | None = None
    ) -> Generator[Any, None, None]:
        """Replies as they come, until the other side ends them; closing the iterator cancels.

        `timeout_s` None: the stream may last for ever.
        """
        call = method(request, timeout=timeout_s, metadata=self._metadata)
        try:
            yield from call
        except grpc.RpcError as error:
            raise self._error(error, timeout_s) from None
        finally:
            call.cancel()

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _error(self, error: grpc.RpcError, timeout_s: float | None) -> EmuclusterError:
        if (ours := translate(error)) is not None:
            return ours
        code = error.code() if hasattr(error, "code") else None
        details = str(error.details()) if hasattr(error, "details") else str(error)
        if code is grpc.StatusCode.UNAVAILABLE:
            return Unreachable(f"{self.what} at {self.address} does not answer: {_short(details)}")
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return Unreachable(
                f"{self.what} at {self.address} did not answer within {timeout_s:g} s"
            )
        if code is grpc.StatusCode.UNAUTHENTICATED:
            return Unauthorized(details)
        name = code.name if code is not None else "UNKNOWN"
        return EmuclusterError(f"{self.what} at {self.address} failed: {name}: {details}")


def _short(details: str) -> str:
    """What the transport says went wrong, without its list of addresses."""
    return details.rsplit("last error: ", 1)[-1].rsplit(": ", 1)[-1] or details
