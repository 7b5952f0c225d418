"""What a generator was told to do, checked at the door, each refusal with the field's path."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from emucluster.core.errors import UsageError
from emucluster.live.load.outcome import is_retrying
from emucluster.live.load.schedule import Segment, arrivals, evenly, poisson, thinking, turns

BATCH_S = 0.5
MAX_IN_FLIGHT = 4096
START_WITHIN_S = 10.0
PAYLOAD_BYTES_MAX = 64 * 1024 * 1024
CLIENTS_MAX = 10_000
METHODS = {"unary": "Call", "server-stream": "Expand", "client-stream": "Collect", "chat": "Chat"}

Argument = tuple[str, str | int]


@dataclass(frozen=True, slots=True)
class Open:
    """Calls due by a schedule."""

    profile: tuple[Segment, ...]
    poisson: bool

    def offsets(self, rng: Random, *, positions: Collection[int], of: int) -> Iterator[float]:
        """Seconds after the start at which calls are due of the clients at `positions`.

        The schedule goes round `of` clients, whichever generators they live on.
        """
        marks = poisson(rng) if self.poisson else evenly()
        return arrivals(
            self.profile, marks if len(positions) == of else turns(marks, positions, of)
        )


@dataclass(frozen=True, slots=True)
class Closed:
    """Callers who each wait for their answer, pause and call again."""

    concurrency: int
    think_s: float
    exponential: bool
    duration_s: float

    def pauses(self, rng: Random) -> Iterator[float]:
        """What one caller pauses before each call but the first."""
        return thinking(self.think_s, rng if self.exponential else None)


@dataclass(frozen=True, slots=True)
class ClientPlace:
    """One client: its number in the run and its gateway, empty where it dials directly.

    `uri`: dialled in place of the group's target; empty: that.
    """

    number: int
    gateway: str
    uri: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """What is dialled: numeric addresses, a name for the gateway, or a URI that gRPC resolves."""

    addresses: tuple[str, ...]
    name: str
    uri: str
    round_robin: bool


@dataclass(frozen=True, slots=True)
class Group:
    """One group of like clients.

    Attributes:
        clients: those of this generator, in the order of their turns.
        clients_in_all: of the group, on all generators.
        channels: of each client; 0: each call has its own.
        waits: for a slot, where `max_in_flight` are taken; else a call is given up at once.
    """

    name: str
    clients: tuple[ClientPlace, ...]
    clients_in_all: int
    target: Target
    loop: Open | Closed
    method: str
    messages: int
    message_interval_s: float
    request_bytes: int
    reply_bytes: int
    delay_s: float
    deadline_s: float | None
    wait_for_ready: bool
    channels: int
    service_config: str
    retrying: bool
    arguments: tuple[Argument, ...]
    max_in_flight: int
    start_within_s: float
    waits: bool

    @property
    def positions(self) -> tuple[int, ...]:
        """Whose turn each client has, from 0, among `clients_in_all`."""
        if self.clients_in_all == len(self.clients):
            return tuple(range(len(self.clients)))
        return tuple(client.number for client in self.clients)

    def rng(self, seed: str, stream: str) -> Random:
        """The random stream of that name; other groups and streams leave it alone."""
        return Random(f"{seed}/load/{self.name}/{stream}")

    def of(self, client: ClientPlace) -> Group:
        """This group as one of its clients dials."""
        if not client.uri:
            return self
        return replace(self, target=replace(self.target, addresses=(), name="", uri=client.uri))


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole load. `start_s`: wall clock; 0 means now."""

    run: str
    seed: str
    start_s: float
    batch_s: float
    groups: tuple[Group, ...]


def read_settings(spec: Any) -> Settings:
    """`LoadSpec` as it is used here. Raises UsageError with the path of what makes no sense."""
    names = [group.name for group in spec.groups]
    _require(bool(names), "groups", "at least one is needed")
    _require(len(set(names)) == len(names), "groups", f"names must differ, got {names}")
    return Settings(
        run=spec.run or "load",
        seed=spec.seed,
        start_s=_number(spec.start_s, "start_s"),
        batch_s=_number(spec.batch_s, "batch_s") or BATCH_S,
        groups=tuple(_group(group, f"groups[{n}]") for n, group in enumerate(spec.groups)),
    )


def _group(spec: Any, path: str) -> Group:
    _require(bool(spec.name), f"{path}.name", "is needed")
    method = spec.method or "unary"
    _require(method in METHODS, f"{path}.method", f"one of {', '.join(METHODS)}, got {method!r}")
    _service_config(spec.service_config, f"{path}.service_config")
    for size in ("request_bytes", "reply_bytes"):
        fits = getattr(spec, size) <= PAYLOAD_BYTES_MAX
        _require(fits, f"{path}.{size}", f"at most {PAYLOAD_BYTES_MAX}")
    deadline_s = _number(spec.deadline_s, f"{path}.deadline_s")
    within_s = _number(spec.start_within_s, f"{path}.start_within_s")
    clients = _clients(spec.clients, f"{path}.clients")
    return Group(
        name=spec.name,
        clients=clients,
        clients_in_all=_in_all(spec.clients_in_all, clients, f"{path}.clients_in_all"),
        target=_target(spec.target, f"{path}.target"),
        loop=_loop(spec, path),
        method=method,
        messages=spec.messages or 1,
        message_interval_s=_number(spec.message_interval_s, f"{path}.message_interval_s"),
        request_bytes=spec.request_bytes,
        reply_bytes=spec.reply_bytes,
        delay_s=_number(spec.delay_s, f"{path}.delay_s"),
        deadline_s=deadline_s or None,
        wait_for_ready=spec.wait_for_ready,
        channels=_channels(spec.connection or "shared", f"{path}.connection"),
        service_config=spec.service_config,
        retrying=is_retrying(spec.service_config),
        arguments=(*_keepalive(spec, path), *_arguments(spec.arguments, path)),
        max_in_flight=spec.max_in_flight or MAX_IN_FLIGHT,
        start_within_s=within_s or deadline_s or START_WITHIN_S,
        waits=not spec.no_waiting,
    )


def _clients(specs: Sequence[Any], path: str) -> tuple[ClientPlace, ...]:
    _require(0 < len(specs) <= CLIENTS_MAX, path, f"1 to {CLIENTS_MAX}, got {len(specs)}")
    numbers = {client.number for client in specs}
    _require(len(numbers) == len(specs), path, "their numbers must differ")
    places = (ClientPlace(client.number, client.gateway, client.uri) for client in specs)
    return tuple(sorted(places, key=lambda place: place.number))


def _in_all(given: int, clients: Sequence[ClientPlace], path: str) -> int:
    most = max(client.number for client in clients)
    _require(not given or most < given, path, f"must be above the highest number, {most}")
    return given or len(clients)


def _target(spec: Any, path: str) -> Target:
    given = [field for field in ("addresses", "name", "uri") if getattr(spec, field)]
    _require(len(given) == 1, path, "needs one of addresses, name and uri")
    return Target(tuple(spec.addresses), spec.name, spec.uri, spec.round_robin)


def _loop(spec: Any, path: str) -> Open | Closed:
    kind = spec.WhichOneof("loop")
    _require(kind is not None, path, "needs one of open and closed")
    if kind == "open":
        path = f"{path}.open"
        return Open(_profile(spec.open.segments, path), spec.open.poisson)
    closed, path = spec.closed, f"{path}.closed"
    _require(closed.concurrency > 0, f"{path}.concurrency", "must be at least 1")
    think_s = _number(closed.think_s, f"{path}.think_s")
    duration_s = _number(closed.duration_s, f"{path}.duration_s")
    return Closed(closed.concurrency, think_s, closed.think_exponential, duration_s or math.inf)


def _profile(specs: Sequence[Any], path: str) -> tuple[Segment, ...]:
    _require(bool(specs), f"{path}.segments", "at least one is needed")
    profile = []
    for number, spec in enumerate(specs):
        where = f"{path}.segments[{number}]"
        rates = (
            _number(spec.from_per_s, f"{where}.from_per_s"),
            _number(spec.to_per_s, f"{where}.to_per_s"),
        )
        duration_s = _number(spec.duration_s, f"{where}.duration_s")
        if not duration_s:
            _require(number == len(specs) - 1, f"{where}.duration_s", "only the last has no end")
            _require(rates[0] == rates[1], where, "a ramp needs duration_s")
        profile.append(Segment(duration_s or math.inf, *rates))
    return tuple(profile)


def _channels(text: str, path: str) -> int:
    if text in ("shared", "per-call"):
        return 1 if text == "shared" else 0
    kind, _, size = text.partition(":")
    good = kind == "pool" and size.isdigit() and 1 <= int(size) <= 1024
    _require(good, path, f"shared, pool:N (1 to 1024) or per-call, got {text!r}")
    return int(size)


def _service_config(text: str, path: str) -> None:
    if not text:
        return
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{path}: no JSON: {error}") from None
    _require(isinstance(value, dict), path, "must be an object")


def _keepalive(spec: Any, path: str) -> list[Argument]:
    if not spec.HasField("keepalive"):
        return []
    keepalive = spec.keepalive
    arguments: list[Argument] = []
    for field in ("time", "timeout"):
        seconds = _number(getattr(keepalive, f"{field}_s"), f"{path}.keepalive.{field}_s")
        if seconds:
            arguments.append((f"grpc.keepalive_{field}_ms", round(seconds * 1000)))
    if keepalive.timeout_s:
        # A keepalive that falls upon a ping in flight, such as the bandwidth probe's, sends none of
        # its own and waits for that one: 60 s by default (grpc/src/core/ext/transport/chttp2).
        arguments.append(("grpc.http2.ping_timeout_ms", round(keepalive.timeout_s * 1000)))
    if keepalive.without_calls:
        # gRPC stops after two pings without data otherwise.
        arguments.append(("grpc.http2.max_pings_without_data", 0))
        arguments.append(("grpc.keepalive_permit_without_calls", 1))
    return arguments


def _arguments(specs: Sequence[Any], path: str) -> Iterator[Argument]:
    for number, spec in enumerate(specs):
        where = f"{path}.arguments[{number}]"
        _require(spec.name.startswith("grpc."), f"{where}.name", "begins with grpc.")
        kind = spec.WhichOneof("value")
        _require(kind is not None, where, "needs text or number")
        yield spec.name, getattr(spec, str(kind))


def _number(value: float, path: str) -> float:
    _require(0 <= value < math.inf, path, f"must be 0 or more, got {value:g}")
    return value


def _require(good: bool, path: str, message: str) -> None:
    if not good:
        raise UsageError(f"{path}: {message}")
