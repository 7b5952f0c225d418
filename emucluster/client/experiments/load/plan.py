"""Which generator makes which client's calls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from emucluster.core.errors import UsageError
from emucluster.experiment.offered_load import (
    CALLS_PER_CORE_S,
    SHARE,
    calls_per_s,
    cost,
    overworked,
)
from emucluster.experiment.spec import ClientGroup


@dataclass(frozen=True, slots=True)
class Portion:
    """What one generator does of one group.

    Attributes:
        group: its index in the workload.
        clients: their numbers, ascending.
        in_flight_max: calls at once of these clients.
    """

    group: int
    clients: tuple[int, ...]
    in_flight_max: int


def plan(groups: Sequence[ClientGroup]) -> list[list[Portion]]:
    """For each generator that the rates need, its portions. A client lives on one generator.

    Raises UsageError for a client that has to make more calls than a generator can.
    """
    for problem in overworked(groups):
        raise UsageError(problem)
    weights = [_cost_s(group) / group.clients for group in groups]
    clients = [(index, number) for index, g in enumerate(groups) for number in range(g.clients)]
    wanted = math.ceil(sum(_cost_s(group) for group in groups) / (SHARE * CALLS_PER_CORE_S))
    homes: list[list[tuple[int, int]]] = [[] for _ in range(max(1, min(wanted, len(clients))))]
    loads = [0.0] * len(homes)
    for client in sorted(clients, key=lambda client: -weights[client[0]]):
        lightest = loads.index(min(loads))
        homes[lightest].append(client)
        loads[lightest] += weights[client[0]]
    return [_portions(home, groups) for home in homes if home]


def _portions(home: Sequence[tuple[int, int]], groups: Sequence[ClientGroup]) -> list[Portion]:
    found = []
    for index, group in enumerate(groups):
        numbers = tuple(sorted(number for i, number in home if i == index))
        if numbers:
            share = group.in_flight_max * len(numbers) / group.clients
            found.append(Portion(index, numbers, max(1, math.floor(share))))
    return found


def _cost_s(group: ClientGroup) -> float:
    """Of the group's calls in a second, in unary calls; of a closed loop, its highest rate."""
    return calls_per_s(group) * cost(group)
