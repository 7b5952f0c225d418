"""What client groups must be beyond the types of their fields."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from emucluster.experiment.bounds import (
    CHANNELS_MAX,
    IN_FLIGHT_BYTES_MAX,
    PAYLOAD_BYTES_MAX,
)
from emucluster.experiment.offered_load import call_bytes, in_flight
from emucluster.experiment.problem import Problem
from emucluster.experiment.spec import ClientGroup, Closed, Experiment, Ramp

RESERVED_OPTIONS = frozenset(
    {
        "grpc.enable_http_proxy",
        "grpc.http_proxy",
        "grpc.address_http_proxy",
        "grpc.address_http_proxy_enabled_addresses",
        "grpc.http_connect_server",
        "grpc.http_connect_headers",
        "grpc.use_local_subchannel_pool",
        "grpc.service_config",
        "grpc.lb_policy_name",
    }
)
"""They lead channels to where their client stands, or have a field of their own."""
OPTION_MAX = 2**31 - 1
"""gRPC holds numbers of channel arguments in an int of C."""
PING_MIN_S = 0.001

_TARGET = re.compile(r"(?:(?:service|pod)/[^/:\s]+|[^/:\s]+(?=:))(?::([^/:\s]+))?")
_SOURCE = re.compile(r"outside|(pod|node|zone)/[^/\s]+")
_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")
"""IANA's service names (RFC 6335), as Kubernetes wants them."""
_MIB = 1024 * 1024


def problems_of_workload(experiment: Experiment) -> Iterator[Problem]:
    """What is wrong with the groups, in their order; the paths begin with `workload`."""
    counts = Counter(group.name for group in experiment.workload)
    for index, group in enumerate(experiment.workload):
        path = f"workload[{index}]"
        if counts[group.name] > 1:
            yield Problem(f"{path}.name", f'"{group.name}" names more than one group')
        yield from problems_of_group(group, path)
    channels = sum(_channels(group) for group in experiment.workload)
    if channels > CHANNELS_MAX:
        yield Problem(
            "workload",
            f"could have {channels} connections at once (clients times their pools; with per-call, "
            f"as many as calls can be open); at most {CHANNELS_MAX}",
        )


def _channels(group: ClientGroup) -> int:
    return in_flight(group) if group.pool_size is None else group.clients * group.pool_size


def problems_of_group(group: ClientGroup, path: str) -> Iterator[Problem]:
    """What is wrong with one group, whatever the others are."""
    yield from _of_target(group, path)
    if not _SOURCE.fullmatch(group.source):
        words = "outside, pod/NAME, node/NAME or zone/ZONE"
        yield Problem(f"{path}.source", f'must be {words}; got "{group.source}"')
    yield from _of_arrival(group, path)
    yield from _of_channels(group, path)
    if group.deadline_s <= 0:
        yield Problem(f"{path}.deadline", "must be above 0 s")
    yield from _of_sizes(group, path)


def _of_target(group: ClientGroup, path: str) -> Iterator[Problem]:
    matched = _TARGET.fullmatch(group.target)
    if matched is None:
        words = "service/NAME[:PORT], pod/NAME[:PORT] or HOST:PORT"
        yield Problem(f"{path}.target", f'must be {words}; got "{group.target}"')
        return
    port, is_named = matched[1], "/" in group.target
    if port is None or (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535):
        return
    if is_named and len(port) <= 15 and _PORT_NAME.fullmatch(port):
        return
    words = "a port is a number from 1 to 65535"
    words += " or the name of one, of at most 15 letters, digits and '-'" if is_named else ""
    yield Problem(f"{path}.target", f'{words}; got "{port}"')


def _of_arrival(group: ClientGroup, path: str) -> Iterator[Problem]:
    arrival, at = group.arrival, f"{path}.arrival"
    if isinstance(arrival, Ramp) and arrival.from_per_s == arrival.to_per_s == 0:
        yield Problem(at, "a ramp from 0 to 0 calls nobody")
    if not isinstance(arrival, Closed):
        return
    if arrival.concurrency > group.in_flight_max:
        yield Problem(f"{at}.concurrency", "must not be above inFlightMax")
    if arrival.concurrency % group.clients:
        yield Problem(
            f"{at}.concurrency",
            f"{arrival.concurrency} callers cannot be shared evenly by {group.clients} clients; "
            "make it a multiple of `clients`",
        )


def _of_channels(group: ClientGroup, path: str) -> Iterator[Problem]:
    if group.lb_policy and "loadBalancingConfig" in (group.service_config or {}):
        yield Problem(f"{path}.lbPolicy", "serviceConfig has a loadBalancingConfig; give one")
    for name, value in group.channel_options.items():
        at = f"{path}.channelOptions.{name}"
        if not name.startswith("grpc."):
            yield Problem(at, "gRPC's names begin with grpc.")
        if name in RESERVED_OPTIONS:
            yield Problem(at, "is set by the load generator itself")
        if isinstance(value, int) and abs(value) > OPTION_MAX:
            yield Problem(at, f"must be from -{OPTION_MAX} to {OPTION_MAX}")
    if group.keepalive is not None:
        for field in ("time", "timeout"):
            if getattr(group.keepalive, f"{field}_s") < PING_MIN_S:
                yield Problem(f"{path}.keepalive.{field}", "must be at least 1 ms")


def _of_sizes(group: ClientGroup, path: str) -> Iterator[Problem]:
    for field, size in (("requestBytes", group.request_bytes), ("replyBytes", group.reply_bytes)):
        if size > PAYLOAD_BYTES_MAX:
            yield Problem(
                f"{path}.{field}",
                f"must be at most {PAYLOAD_BYTES_MAX} (16 MiB): every hop copies it, and larger "
                "ones would measure this machine's memory and not the cluster",
            )
    held = in_flight(group) * call_bytes(group)
    if held > IN_FLIGHT_BYTES_MAX:
        yield Problem(
            f"{path}.inFlightMax",
            f"{in_flight(group)} calls that can be open at once (the rate times the deadline, if "
            f"inFlightMax allows it) would hold {held / _MIB:.0f} MiB of payload; at most "
            f"{IN_FLIGHT_BYTES_MAX // _MIB} MiB",
        )
