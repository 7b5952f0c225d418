"""What an experiment can do with a cluster, whatever drives it: virtual time or real machines.

Everything here is a contract. A scenario that is written against `ClusterRuntime` runs unchanged
on the simulation, where an hour takes a fraction of a second, and on the live cluster.

Times are seconds of the runtime's own clock. Under a cluster speed of X a configured duration
passes in an X-th of it, so whoever compares with configured durations multiplies by `speed`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from emucluster.core.errors import EmuclusterError
from emucluster.core.objects import Object

CallResult = Literal["ok", "refused", "timeout", "reset", "denied"]
"""How a call ended for its caller.

- `ok`: a pod answered.
- `refused`: told at once, before any pod had the connection, that nobody is there.
- `timeout`: no answer within the time given, whether or not something accepted the connection.
- `reset`: an established connection ended under the call.
- `denied`: not dialled, for the target is nothing that can be reached from there.
"""

CALL_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One echo call as its caller saw it.

    Attributes:
        pod, node: who answered; empty when nobody did.
        source_seen: the client's IP address as the pod saw it.
        latency_s: from the beginning to the answer or the failure, connecting included.
        reason: why it failed, for people.
    """

    result: CallResult
    pod: str = ""
    node: str = ""
    source_seen: str = ""
    latency_s: float = 0.0
    reason: str = ""

    @property
    def ok(self) -> bool:
        return self.result == "ok"


class ConditionNotMet(EmuclusterError):
    """What was waited for did not become true in time."""

    def __init__(self, what: str, timeout_s: float) -> None:
        super().__init__(f"not within {timeout_s:g} s: {what}")
        self.what, self.timeout_s = what, timeout_s


class Connection(Protocol):
    """A client's long-lived connection, as a gRPC channel holds one.

    It is dialled by the first call. Once it has ended, by a reset or by the server, the next call
    dials anew; while it merely hangs, calls go on being sent into it.
    """

    def call(self, timeout_s: float = CALL_TIMEOUT_S) -> Outcome:
        """One call over it."""

    def close(self) -> None:
        """End it from the client's side."""


class ClusterRuntime(Protocol):
    """A running cluster.

    Kinds are as kubectl takes them (`pod`, `deployments`). Sources of traffic are `outside`,
    `pod/NAME` or `node/NAME`. Targets of traffic are `service/NAME[:PORT]`, `pod/NAME[:PORT]` or
    `HOST:PORT`. Faults and their targets are those of `emucluster.core.faults`.
    """

    @property
    def speed(self) -> float:
        """By what configured durations are divided."""

    # --- objects ---

    def apply(self, manifest: str) -> None:
        """Create or change what the YAML says. Raises ApiError."""

    def get(self, kind: str, name: str, namespace: str = "default") -> Object | None:
        """The object, None if there is none."""

    def list(self, kind: str, namespace: str | None = "default") -> Sequence[Object]:
        """All objects of a kind; None: of all namespaces."""

    def scale(self, kind: str, name: str, replicas: int, namespace: str = "default") -> None:
        """Set the replicas of a Deployment or ReplicaSet. Raises ApiError."""

    def delete(
        self,
        kind: str,
        name: str,
        namespace: str = "default",
        *,
        grace_period_s: int | None = None,
    ) -> None:
        """Ask for deletion, and do not wait for it. Raises ApiError."""

    # --- faults ---

    def inject(self, kind: str, target: str, for_s: float | None = None) -> str:
        """Put a fault in force and return its id; None: until `clear`. Raises UsageError."""

    def clear(self, fault_id: str) -> None:
        """Lift a fault. Does nothing if it has ended."""

    # --- traffic ---

    def connect(
        self,
        target: str,
        *,
        source: str = "outside",
        node: str | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> Outcome:
        """One echo call over a connection of its own. Never raises for what happens to the call.

        `node`: through this node's NodePort.
        """

    def open(self, target: str, *, source: str = "outside", node: str | None = None) -> Connection:
        """A long-lived connection. Raises NoRoute where `connect` is `denied`."""

    def lb_targets(self, service: str, namespace: str = "default") -> Mapping[str, str]:
        """By node, the state of the targets of a Service's load balancer as that one sees it.

        `initial`, `healthy`, `unhealthy`, `unused` or `draining`; empty: there is no balancer.
        """

    # --- time ---

    def now_s(self) -> float:
        """Seconds since some fixed moment; never goes back."""

    def sleep(self, seconds: float) -> None:
        """Let so much time pass."""

    def wait_until(self, condition: Callable[[], bool], *, timeout_s: float, what: str) -> float:
        """Wait for a condition and return the moment (`now_s`) at which it was seen to hold.

        Raises ConditionNotMet, naming `what`, after `timeout_s`.
        """
