"""The runtime contract over a live cluster: `emucluster.client` in the words of scenarios."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence

import grpc

from emucluster.client.caller import Client
from emucluster.client.calls import Call, call_once, failure
from emucluster.client.cluster import Cluster
from emucluster.client.lab import AgentClient
from emucluster.client.path import UNKNOWN
from emucluster.core.errors import (
    ConnectionLost,
    DeadlineExceeded,
    EmuclusterError,
    NoRoute,
    NotFound,
)
from emucluster.core.errors import ConnectTimeout as NotConnected
from emucluster.core.objects import Object
from emucluster.runtime import CALL_TIMEOUT_S, CallResult, ConditionNotMet, Outcome

POLL_S = 0.02
RECONNECT: tuple[tuple[str, int], ...] = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),  # how long an attempt may take
    ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.enable_retries", 0),
)


class LiveConnection:
    """A genuine gRPC channel."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        self._was_open = False

    def call(self, timeout_s: float = CALL_TIMEOUT_S) -> Outcome:
        call = call_once(self._channel, timeout_s=timeout_s)
        was_open, self._was_open = self._was_open, call.ok or call.status == "DEADLINE_EXCEEDED"
        lost: CallResult = "reset" if was_open else "refused"
        results: dict[str, CallResult] = {"OK": "ok", "DEADLINE_EXCEEDED": "timeout"}
        return _outcome(call, results.get(call.status, lost))

    def close(self) -> None:
        self._channel.close()


class LiveRuntime:
    """A started cluster as `emucluster.runtime.ClusterRuntime`."""

    def __init__(self, cluster: Cluster, *, speed: float) -> None:
        self._cluster = cluster
        self._speed = speed
        self._clients: dict[str, Client] = {}

    @property
    def speed(self) -> float:
        return self._speed

    def close(self) -> None:
        """Give up the clients; the cluster goes on."""
        for client in self._clients.values():
            client.close()

    # --- objects ---

    def apply(self, manifest: str) -> None:
        self._cluster.apply(manifest)

    def get(self, kind: str, name: str, namespace: str = "default") -> Object | None:
        try:
            return self._cluster.get(kind, name, namespace=namespace)
        except NotFound:
            return None

    def list(self, kind: str, namespace: str | None = "default") -> Sequence[Object]:
        return self._cluster.get(kind, namespace=namespace or "*")

    def scale(self, kind: str, name: str, replicas: int, namespace: str = "default") -> None:
        self._cluster.scale(f"{kind}/{name}", replicas, namespace=namespace)

    def delete(
        self,
        kind: str,
        name: str,
        namespace: str = "default",
        *,
        grace_period_s: int | None = None,
    ) -> None:
        self._cluster.delete(
            kind, name, namespace=namespace, grace_period_s=grace_period_s, wait=False
        )

    # --- faults ---

    def inject(self, kind: str, target: str, for_s: float | None = None) -> str:
        return self._cluster.inject(kind, target, for_s).id

    def clear(self, fault_id: str) -> None:
        try:
            self._cluster.clear_faults(fault_id)
        except NotFound:
            pass

    def clear_all(self) -> None:
        """Lift every fault, after a scenario that did not come to its end."""
        self._cluster.clear_faults()

    # --- traffic ---

    def connect(
        self,
        target: str,
        *,
        source: str = "outside",
        node: str | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> Outcome:
        try:
            call = self._client(source).attempt(target, timeout_s=timeout_s, node=node or "")
        except NoRoute as error:
            return Outcome("denied", reason=str(error))
        return _outcome(call, _result(call, target, timeout_s))

    def open(
        self, target: str, *, source: str = "outside", node: str | None = None
    ) -> LiveConnection:
        client = self._client(source)
        return LiveConnection(client.channel(target, node=node or "", options=RECONNECT))

    def lb_targets(self, service: str, namespace: str = "default") -> Mapping[str, str]:
        status = self._cluster.status()
        name = f"lb/{namespace}/{service}"
        for machine in status.machines:
            if machine.name == name:
                agent = AgentClient(machine, self._cluster.record.token)
                try:
                    facts = json.loads(agent.describe() or b"{}")
                finally:
                    agent.close()
                return {each["node"]: each["state"] for each in facts.get("targets", ())}
        return {}

    def _client(self, source: str) -> Client:
        if source not in self._clients:
            self._clients[source] = self._cluster.client(source)
        return self._clients[source]

    # --- time ---

    def now_s(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def wait_until(self, condition: Callable[[], bool], *, timeout_s: float, what: str) -> float:
        end_s = time.monotonic() + timeout_s
        while True:
            try:
                if condition():
                    return time.monotonic()
            except EmuclusterError:
                pass  # as what is asked may be away for a moment
            if time.monotonic() >= end_s:
                raise ConditionNotMet(what, timeout_s)
            time.sleep(POLL_S)


def _result(call: Call, target: str, timeout_s: float) -> CallResult:
    if call.ok:
        return "ok"
    known = bool(call.path) and UNKNOWN not in call.path
    error = failure(call, target, timeout_s=timeout_s, path_known=known)
    if isinstance(error, DeadlineExceeded | NotConnected):
        return "timeout"
    if isinstance(error, ConnectionLost):
        return "reset"
    return "refused"


def _outcome(call: Call, result: CallResult) -> Outcome:
    source_ip = call.client.removeprefix("ipv4:").rpartition(":")[0]
    return Outcome(result, call.pod, call.node, source_ip, call.latency_s, call.error)
