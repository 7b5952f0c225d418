"""What may be concluded from how a call ended: it ran, it did not, or nobody can tell."""

from __future__ import annotations

import json
from enum import IntEnum
from typing import Any


class Outcome(IntEnum):
    """FAILED is definite: no server executed the call. UNKNOWN calls may have been executed."""

    OK = 0
    FAILED = 1
    UNKNOWN = 2
    NOT_STARTED = 3

    @property
    def word(self) -> str:
        """As reports print it: `ok`, `failed`, `unknown`, `not-started`."""
        return self.name.lower().replace("_", "-")


REFUSALS = frozenset(
    {
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "UNAUTHENTICATED",
    }
)
"""Statuses with which a server says that it did not do it (google.rpc.Code)."""

_CLIENT_GAVE_UP = frozenset({"DEADLINE_EXCEEDED", "CANCELLED"})

_NOTHING_SENT = (
    "failed to connect to all addresses",  # grpc/src/core/load_balancing: pick_first
    "connections to all backends failing",  # round_robin, when none of its pick_firsts has one
    "errors resolving",  # grpc/src/core/resolver
    "empty address list",
)
NO_CHANNEL = "Failed to create channel to "
"""A call on a channel that gRPC would not make (grpc/src/core/lib/surface: the lame channel), for a
service config that it refuses: no attempt of it was made."""
_NOT_EXECUTED = ("error injected by the echo pod", "error injected by the fault ")
"""Words of a call that the pod failed without executing it: an echo pod that was told to misbehave
begins with the former, and `live.pods.answer_faults` with the latter (gray, error-rate)."""

_TOO_LARGE = "message larger than max"
"""gRPC refuses what was received; when it is the reply, the call has run."""


def outcome(
    status: str, detail: str, *, connected: bool, replies: int = 0, retrying: bool = False
) -> Outcome:
    """The outcome of a call that has ended.

    Args:
        status: gRPC's name of it.
        detail: gRPC's words, of the last attempt only.
        connected: whether its channel may have had a connection while the call lasted.
        replies: how many replies of a stream had come.
        retrying: whether the channel makes further attempts after a server may have seen the first
            (retryPolicy, hedgingPolicy); the end of the last one then proves nothing about others.
    """
    if status == "OK":
        return Outcome.OK
    if replies:
        return Outcome.UNKNOWN
    if detail.startswith(NO_CHANNEL) and not connected:
        return Outcome.FAILED
    if detail.startswith(_NOT_EXECUTED) and not retrying:
        return Outcome.FAILED
    if status in _CLIENT_GAVE_UP:
        return Outcome.UNKNOWN if connected else Outcome.FAILED
    if status == "UNAVAILABLE" and detail.startswith(_NOTHING_SENT):
        return Outcome.UNKNOWN if connected and retrying else Outcome.FAILED
    if retrying:
        return Outcome.UNKNOWN
    if status in REFUSALS:
        return Outcome.UNKNOWN if _TOO_LARGE in detail else Outcome.FAILED
    return Outcome.UNKNOWN


def is_retrying(service_config: str) -> bool:
    """Whether a service config (JSON) has gRPC send a call more than once (gRFC A6)."""
    if not service_config:
        return False
    methods = json.loads(service_config).get("methodConfig", [])
    return any("retryPolicy" in method or "hedgingPolicy" in method for method in _objects(methods))


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
