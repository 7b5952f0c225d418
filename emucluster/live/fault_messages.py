"""Faults as they cross between processes, checked on their way in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from emucluster.core.errors import UsageError
from emucluster.core.faults import (
    FaultLease,
    FaultTarget,
    Follow,
    check,
    check_id,
    check_until,
    kind_at,
    lasts_s,
    parse_peer,
    parse_target,
)
from emucluster.live.rpc.pb import lab_pb2


@dataclass(frozen=True, slots=True)
class AskedFault:
    """A `FaultRequest` that was found to be in order.

    Attributes:
        duration_s: None: until cleared.
        until_s: wall clock, by which it is over; None: no such limit.
    """

    id: str
    kind: str
    target: FaultTarget
    duration_s: float | None
    until_s: float | None
    params: Mapping[str, Any]
    peers: tuple[str, ...]
    networks: tuple[str, ...]
    follow: Follow

    def lease(self, *, now_s: float, wall_s: float) -> FaultLease:
        """The lease that is asked for, on the clock of its target."""
        ends_s = [now_s + self.duration_s] if self.duration_s is not None else []
        ends_s += [now_s + self.until_s - wall_s] if self.until_s is not None else []
        return FaultLease(
            id=self.id,
            kind=self.kind,
            target=str(self.target),
            injected_s=now_s,
            ends_s=min(ends_s, default=None),
            params=self.params,
            peers=self.peers,
            networks=self.networks,
            follow=self.follow,
        )


def read_request(request: Any, *, wall_s: float) -> AskedFault:
    """Check a `FaultRequest` by itself, now. Raises UsageError naming what is wrong.

    A fault that is over at once has no duration; a plan's `until_s` only says by when.
    """
    if request.id:
        check_id(request.id)
    target = parse_target(request.target)
    duration_s = float(request.duration_s) if request.HasField("duration_s") else None
    until_s = float(request.until_s) if request.HasField("until_s") else None
    if until_s is not None:
        check_until(until_s, wall_s=wall_s)
        if kind_at(request.kind, target).once:
            duration_s = None
    peers = tuple(parse_peer(peer) for peer in request.peers)
    params = check(request.kind, target, _json_object(request.params), duration_s, peers)
    return AskedFault(
        id=request.id,
        kind=request.kind,
        target=target,
        duration_s=lasts_s(request.kind, params, duration_s),
        until_s=until_s,
        params=params,
        peers=peers,
        networks=tuple(request.networks),
        follow=_follow(request.follow),
    )


def fault_message(lease: FaultLease, *, now_s: float, wall_s: float) -> lab_pb2.Fault:
    """A lease as others are told of it, on the wall clock."""
    offset_s = wall_s - now_s
    fault = lab_pb2.Fault(
        id=lease.id,
        kind=lease.kind,
        target=lease.target,
        injected_wall_s=lease.injected_s + offset_s,
        mechanism=lease.mechanism,
        state="in force" if lease.ended_s is None else "ended",
        params=json.dumps(dict(lease.params)).encode(),
        peers=lease.peers,
        follow=lease.follow,
        ended_by=lease.ended_by,
    )
    ends_s = lease.ended_s if lease.ended_s is not None else lease.ends_s
    if ends_s is not None:
        fault.ends_wall_s = ends_s + offset_s
    return fault


def _json_object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data or b"{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UsageError("params: must be a JSON object")
    return value


def _follow(text: str) -> Follow:
    allowed = get_args(Follow)
    if text and text not in allowed:
        raise UsageError(f'follow: must be one of {", ".join(allowed)}, got "{text}"')
    return "instance" if text == "instance" else "identity"
