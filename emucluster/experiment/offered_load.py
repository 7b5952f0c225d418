"""What a workload asks of those who make it and carry it: calls, processor time, bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from emucluster.experiment.spec import ClientGroup, Closed, Ramp

CALLS_PER_CORE_S = 3000.0
"""What one generator does on one core."""
SHARE = 0.8
"""Of that, what is planned: a generator that is busy all the time begins its calls late."""
PER_CALL_COST = 3.0
"""Of a connection for a call, in processor time of unary calls on a lasting channel."""
MESSAGE_COST = {"unary": 0.0, "server-stream": 0.25, "client-stream": 0.25, "chat": 0.5}
"""Of each message of a stream, likewise; both rounded up from measurements on loopback."""
CLOSED_GENERATORS_MAX = 4
"""A closed loop whose callers hardly pause would ask for any number."""


def calls_per_s(group: ClientGroup) -> float:
    """The highest rate at which calls of a group are due; of a closed loop an upper bound."""
    if group.rate_per_s_max is not None:
        return group.rate_per_s_max
    arrival = group.arrival
    assert isinstance(arrival, Closed)
    pause_s = arrival.think_s + group.delay_s
    one = SHARE * CALLS_PER_CORE_S / cost(group)
    if pause_s <= 0:
        return one  # callers who never pause make as many calls as there is processor time for
    most = one * min(CLOSED_GENERATORS_MAX, group.clients)
    return min(arrival.concurrency / pause_s, most)


def cost(group: ClientGroup) -> float:
    """Of one call, in unary calls on a lasting channel."""
    found = 1.0 + MESSAGE_COST[group.method] * group.messages
    return found + (PER_CALL_COST if group.pool_size is None else 0.0)


def overworked(groups: Sequence[ClientGroup]) -> Iterator[str]:
    """`workload[0].clients: ...`, for each group whose clients no single process can be."""
    for index, group in enumerate(groups):
        weight = calls_per_s(group) * cost(group)
        if weight / group.clients > CALLS_PER_CORE_S:
            yield (
                f"workload[{index}].clients: each of {group.clients} would make calls that cost as "
                f"much as {weight / group.clients:,.0f} unary ones a second, and one process makes "
                f"{CALLS_PER_CORE_S:,.0f}: at least {math.ceil(weight / CALLS_PER_CORE_S)} "
                "clients are needed"
            )


def call_bytes(group: ClientGroup) -> int:
    """Payload of one call, there and back. A reply of 0 bytes brings the request's payload."""
    reply_bytes = group.reply_bytes or group.request_bytes
    requests = group.messages if group.method in ("client-stream", "chat") else 1
    replies = group.messages if group.method in ("server-stream", "chat") else 1
    return requests * group.request_bytes + replies * reply_bytes


def in_flight(group: ClientGroup) -> int:
    """How many calls of a group can be open at once."""
    arrival = group.arrival
    if isinstance(arrival, Closed):
        return arrival.concurrency
    due = calls_per_s(group) * float(group.deadline_s)
    return min(group.in_flight_max, max(1, round(due)))


def due_until(group: ClientGroup, at_s: float, *, run_s: float) -> float:
    """Calls of a group that are due up to a time of a run; of a closed loop an upper bound."""
    arrival = group.arrival
    if not isinstance(arrival, Ramp):
        return calls_per_s(group) * at_s
    ramp_s = run_s if arrival.over_s is None else float(arrival.over_s)
    on_s = min(at_s, ramp_s)
    reached = arrival.from_per_s
    if ramp_s > 0:
        reached += (arrival.to_per_s - arrival.from_per_s) * on_s / ramp_s
    return (arrival.from_per_s + reached) / 2 * on_s + arrival.to_per_s * (at_s - on_s)
