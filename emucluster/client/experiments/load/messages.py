"""A workload as load generators are told it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from emucluster.client.experiments.load.dialled import Dialled, dialled
from emucluster.client.experiments.load.plan import Portion
from emucluster.client.experiments.load.seats import Seat, seats
from emucluster.client.lab import Machine
from emucluster.client.targets import INSIDE, Objects
from emucluster.core.errors import EmuclusterError, UsageError
from emucluster.experiment.spec import ClientGroup, Closed, Constant, Poisson, Ramp
from emucluster.live.rpc.pb import load_pb2

BATCH_S = 0.25
START_WITHIN_S = 2.0
"""A call that the generator itself begins later than this is given up, and the run is invalid."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """One group against the cluster as it was then. `gateways` of outside clients are empty."""

    group: ClientGroup
    seats: tuple[Seat, ...]
    dialled: Dialled


def resolved(groups: Sequence[ClientGroup], objects: Objects) -> list[Resolved]:
    """Every group with its seats and what it dials.

    Raises UsageError with the path of the first field that makes no sense here.
    """
    return [_resolved(group, f"workload[{n}]", objects) for n, group in enumerate(groups)]


def _resolved(group: ClientGroup, path: str, objects: Objects) -> Resolved:
    try:
        places = seats(group, objects)
    except EmuclusterError as error:
        raise UsageError(f"{path}.source: {error}") from None
    try:
        goal = dialled(group, places[0], objects)
    except EmuclusterError as error:
        words = str(error).replace(INSIDE, "use source: pod/NAME").replace("--node", "node:")
        raise UsageError(f"{path}.target: {words}") from None
    return Resolved(group, tuple(places), goal)


def check_hosts(found: Sequence[Resolved], machines: Sequence[Machine]) -> None:
    """Generators run beside the keeper, and a client inside stands on its node's machine.

    Raises UsageError for a client on a node of another machine.
    """
    hosts = {machine.name: machine.host for machine in machines}
    for index, one in enumerate(found):
        for seat in one.seats:
            if seat.node and hosts.get(seat.node) != hosts["keeper"]:
                raise UsageError(
                    f"workload[{index}].source: {seat.source} is on the machine "
                    f"{hosts.get(seat.node)}; clients inside need a node on the keeper's, "
                    f"{hosts['keeper']}"
                )


def group_message(
    group: ClientGroup,
    found: Resolved,
    portion: Portion,
    gateways: Sequence[str],
    *,
    duration_s: float,
) -> load_pb2.LoadGroup:
    """What one generator is told of one group.

    Args:
        group: as it is to call now; `found` is where from and where to.
        gateways: of all the group's clients, by number.
        duration_s: of the whole load, for ramps that have no duration of their own.
    """
    goal = found.dialled
    made = load_pb2.LoadGroup(
        name=group.name,
        clients=[
            load_pb2.LoadClient(
                number=number, gateway=gateways[number], uri=goal.uri(found.seats[number])
            )
            for number in portion.clients
        ],
        clients_in_all=group.clients,
        target=load_pb2.LoadTarget(
            addresses=goal.addresses,
            name=goal.name,
            uri=goal.uri(found.seats[0]),
            round_robin=group.lb_policy == "round_robin",
        ),
        method=group.method,
        messages=group.messages,
        request_bytes=group.request_bytes,
        reply_bytes=group.reply_bytes,
        delay_s=group.delay_s,
        deadline_s=group.deadline_s,
        wait_for_ready=group.wait_for_ready,
        connection=group.connection,
        service_config=json.dumps(group.service_config) if group.service_config else "",
        arguments=[_argument(*option) for option in group.channel_options.items()],
        max_in_flight=portion.in_flight_max,
        start_within_s=START_WITHIN_S,
        no_waiting=True,
    )
    if group.keepalive is not None:
        made.keepalive.time_s = group.keepalive.time_s
        made.keepalive.timeout_s = group.keepalive.timeout_s
        made.keepalive.without_calls = group.keepalive.without_calls
    _schedule(made, group, duration_s)
    return made


def _argument(name: str, value: int | str) -> load_pb2.ChannelArgument:
    if isinstance(value, str):
        return load_pb2.ChannelArgument(name=name, text=value)
    return load_pb2.ChannelArgument(name=name, number=value)


def _schedule(made: load_pb2.LoadGroup, group: ClientGroup, duration_s: float) -> None:
    """All clients' calls together: a generator takes the turns of its own."""
    match group.arrival:
        case Constant(rate_per_s=rate):
            made.open.segments.add(from_per_s=rate, to_per_s=rate)
        case Poisson(rate_per_s=rate):
            made.open.segments.add(from_per_s=rate, to_per_s=rate)
            made.open.poisson = True
        case Ramp(from_per_s=first, to_per_s=last, over_s=over_s):
            ramp_s = duration_s if over_s is None else over_s
            if ramp_s > 0:
                made.open.segments.add(duration_s=ramp_s, from_per_s=first, to_per_s=last)
            made.open.segments.add(from_per_s=last, to_per_s=last)
        case Closed(concurrency=concurrency, think_s=think_s):
            made.closed.concurrency = concurrency // group.clients
            made.closed.think_s = think_s
