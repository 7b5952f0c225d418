"""How an echo pod misbehaves on demand, and what it remembers."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import grpc

from emucluster.live.pods.echo_workers import Capacity
from emucluster.live.rpc.pb import echo_pb2

REMEMBERED_IDS = 1_000_000
REMEMBERED_CLIENTS = 100_000


class BadBehaviour(ValueError):
    """A setting of an echo pod makes no sense; the message names it and its value."""


@dataclass(slots=True)
class Behaviour:
    """The faults of one echo server. All off by default."""

    slow_s: float = 0.0
    error_rate: float = 0.0
    error_status: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    not_ready: bool = False
    hang: bool = False

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> Behaviour:
        """From EMU_SLOW_S, EMU_ERROR_RATE, EMU_ERROR_STATUS, EMU_NOT_READY and EMU_HANG.

        Raises `BadBehaviour` when one of them cannot be read.
        """
        return cls(
            slow_s=_seconds("EMU_SLOW_S", _number(env, "EMU_SLOW_S")),
            error_rate=_rate("EMU_ERROR_RATE", _number(env, "EMU_ERROR_RATE")),
            error_status=_status("EMU_ERROR_STATUS", env.get("EMU_ERROR_STATUS") or "UNAVAILABLE"),
            not_ready=is_set(env, "EMU_NOT_READY"),
            hang=is_set(env, "EMU_HANG"),
        )

    def change(self, control: echo_pb2.EchoControl) -> None:
        """Take over the fields that are set; all or, with `BadBehaviour`, none of them."""
        given = control.HasField
        slow_s = _seconds("slow_s", control.slow_s) if given("slow_s") else self.slow_s
        rate = _rate("error_rate", control.error_rate) if given("error_rate") else self.error_rate
        status = self.error_status
        if given("error_status"):
            status = _status("error_status", control.error_status or "UNAVAILABLE")
        self.slow_s, self.error_rate, self.error_status = slow_s, rate, status
        self.not_ready = control.not_ready if given("not_ready") else self.not_ready
        self.hang = control.hang if given("hang") else self.hang

    def describe(self) -> str:
        """One line for the log."""
        return (
            f"slow_s={self.slow_s:g} error_rate={self.error_rate:g} "
            f"error_status={self.error_status.name} not_ready={self.not_ready} hang={self.hang}"
        )


def capacity_from(env: Mapping[str, str]) -> Capacity:
    """From EMU_WORKERS, EMU_QUEUE_MAX and EMU_PATIENCE_S.

    Raises `BadBehaviour` for what cannot be read, and for the others without EMU_WORKERS.
    """
    workers = _count(env, "EMU_WORKERS")
    for name in ("EMU_QUEUE_MAX", "EMU_PATIENCE_S"):
        if env.get(name, "").strip() and not workers:
            raise BadBehaviour(f"{name}: needs EMU_WORKERS, without which nothing waits")
    return Capacity(
        workers=workers or 0,
        queue_max=_count(env, "EMU_QUEUE_MAX"),
        patience_s=_seconds("EMU_PATIENCE_S", _number(env, "EMU_PATIENCE_S"))
        if env.get("EMU_PATIENCE_S", "").strip()
        else None,
    )


def max_connection_age_s(env: Mapping[str, str]) -> float | None:
    """EMU_MAX_CONNECTION_AGE_S; None: connections may grow old. Raises `BadBehaviour`."""
    return _seconds("EMU_MAX_CONNECTION_AGE_S", _number(env, "EMU_MAX_CONNECTION_AGE_S")) or None


def _count(env: Mapping[str, str], name: str) -> int | None:
    text = env.get(name, "").strip()
    if text and not (text.isdigit() and int(text) <= 1_000_000):
        raise BadBehaviour(f"{name}: must be a whole number from 0 to 1000000, got {text!r}")
    return int(text) if text else None


def is_set(env: Mapping[str, str], name: str) -> bool:
    """Whether a yes/no variable says yes; `BadBehaviour` for anything unclear."""
    value = env.get(name, "").strip().lower()
    if value in ("", "0", "false", "no"):
        return False
    if value in ("1", "true", "yes"):
        return True
    raise BadBehaviour(f"{name}: must be 1 or 0, got {env[name]!r}")


def _number(env: Mapping[str, str], name: str) -> float:
    text = env.get(name, "").strip()
    try:
        return float(text) if text else 0.0
    except ValueError:
        raise BadBehaviour(f"{name}: must be a number, got {text!r}") from None


def _seconds(name: str, value: float) -> float:
    if not 0 <= value < float("inf"):
        raise BadBehaviour(f"{name}: must be 0 or more seconds, got {value:g}")
    return value


def _rate(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise BadBehaviour(f"{name}: must be between 0 and 1, got {value:g}")
    return value


def _status(name: str, value: str) -> grpc.StatusCode:
    try:
        status = grpc.StatusCode[value.upper()]
    except KeyError:
        raise BadBehaviour(f"{name}: must be a gRPC status name, got {value!r}") from None
    if status is grpc.StatusCode.OK:
        raise BadBehaviour(f"{name}: must be a status of failure, got {value!r}")
    return status


class Memory:
    """Which ids were executed here, and which clients were seen; both bounded, oldest first out."""

    def __init__(
        self, *, ids_max: int = REMEMBERED_IDS, clients_max: int = REMEMBERED_CLIENTS
    ) -> None:
        self.connections = 0
        self._ids_max = ids_max
        self._clients_max = clients_max
        self._executed: dict[str, int] = {}
        self._clients: dict[str, str] = {}

    def executed_now(self, call_id: str) -> int:
        """Count one execution of an id and return the new count; an empty id is not remembered."""
        if not call_id:
            return 1
        count = self._executed.get(call_id, 0) + 1
        self._executed[call_id] = count
        if len(self._executed) > self._ids_max:
            del self._executed[next(iter(self._executed))]
        return count

    def executed(self, ids: Iterable[str]) -> dict[str, int]:
        """Counts of these ids, or of all when there are none; unknown ids are left out."""
        wanted = list(ids)
        if not wanted:
            return dict(self._executed)
        return {call_id: self._executed[call_id] for call_id in wanted if call_id in self._executed}

    def page(self, prefix: str, skip: int, limit: int) -> tuple[dict[str, int], int]:
        """Counts of the ids that begin with `prefix`, oldest first, and where the next page begins.

        Args:
            skip, limit: look at `limit` ids (0: all) after the `skip` oldest.

        The second value is 0 after the last page.
        """
        end = skip + limit if limit else len(self._executed)
        looked = itertools.islice(self._executed.items(), skip, end)
        found = {call_id: count for call_id, count in looked if call_id.startswith(prefix)}
        return found, end if end < len(self._executed) else 0

    def client(self, peer: str) -> str:
        """`ip:port` of a gRPC peer string, counting each distinct one as a connection."""
        if (known := self._clients.get(peer)) is not None:
            return known
        self.connections += 1
        if len(self._clients) >= self._clients_max:
            del self._clients[next(iter(self._clients))]
        client = peer.partition(":")[2].replace("%5B", "[").replace("%5D", "]") or peer
        self._clients[peer] = client
        return client
