"""One blocking gRPC connection to a process of the cluster: deadlines and errors in one place."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any, TypeVar

import grpc

from emucluster.client.closing import Closing
from emucluster.core.errors import EmuclusterError, Unauthorized, Unreachable
from emucluster.live.rpc.channel import connect, credentials
from emucluster.live.rpc.errors import translate

REQUEST_TIMEOUT_S = 15.0
"""How long a request may take before the process counts as unreachable."""

_Stub = TypeVar("_Stub")


class Stream(Iterator[Any]):
    """Replies as they come, in one thread; `close`, from any thread, ends them at once."""

    def __init__(self, call: Any, explain: Callable[[grpc.RpcError], EmuclusterError]) -> None:
        self._call = call
        self._explain = explain
        self._closed = False

    def __next__(self) -> Any:
        try:
            return next(self._call)
        except grpc.RpcError as error:
            if self._closed:
                raise StopIteration from None
            raise self._explain(error) from None

    def close(self) -> None:
        self._closed = True
        self._call.cancel()


class Held:
    """Something that the other side keeps for us as long as a stream is open.

    Attributes:
        reply: what the stream began with.
    """

    def __init__(self, reply: Any, call: Any) -> None:
        self.reply = reply
        self._call = call

    def close(self) -> None:
        """Give it back."""
        self._call.cancel()


class Connection(Closing):
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

    def watch(self, method: Any, request: Any) -> Stream:
        """Replies without end, to be read in one thread and closed from another."""
        call = method(request, metadata=self._metadata)
        return Stream(call, lambda error: self._error(error, None))

    def begin(self, method: Any, request: Any, *, timeout_s: float = REQUEST_TIMEOUT_S) -> Any:
        """Send a request and return gRPC's future of its reply; what it raises is gRPC's own."""
        return method.future(request, timeout=timeout_s, metadata=self._metadata)

    def hold(self, method: Any, request: Any, *, timeout_s: float = REQUEST_TIMEOUT_S) -> Held:
        """Open a stream for the sake of its first reply, which is ours until it is closed.

        Raises what `call` does; `timeout_s` is for the first reply.
        """
        call = method(request, metadata=self._metadata)
        late = threading.Event()

        def give_up() -> None:
            late.set()
            call.cancel()

        timer = threading.Timer(timeout_s, give_up)
        timer.daemon = True
        timer.start()
        try:
            return Held(next(call), call)
        except StopIteration:
            raise Unreachable(f"{self.what} at {self.address} ended without an answer") from None
        except grpc.RpcError as error:
            if late.is_set():
                took = f"within {timeout_s:g} s"
                raise Unreachable(f"{self.what} at {self.address} did not answer {took}") from None
            raise self._error(error, timeout_s) from None
        except BaseException:
            call.cancel()
            raise
        finally:
            timer.cancel()

    def close(self) -> None:
        self._channel.close()

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
