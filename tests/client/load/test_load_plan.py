"""Which generator makes which client's calls."""

from __future__ import annotations

from typing import Any

import pytest

from emucluster.client.experiments.load.plan import Portion, plan
from emucluster.core.errors import UsageError
from tests.client.load.workload import group


def rate(per_s: float, clients: int = 1, **tree: Any) -> Any:
    return group(arrival={"kind": "constant", "rate": per_s}, clients=clients, **tree)


def test_little_load_is_one_generators() -> None:
    assert plan([rate(100, 2), rate(50, name="b")]) == [
        [Portion(0, (0, 1), 1000), Portion(1, (0,), 1000)]
    ]


def test_clients_are_spread_over_as_many_generators_as_their_calls_need() -> None:
    homes = plan([rate(9000, 10)])
    assert len(homes) == 4
    clients = [number for home in homes for portion in home for number in portion.clients]
    assert sorted(clients) == list(range(10))
    assert max(len(home[0].clients) for home in homes) == 3


def test_calls_in_flight_are_shared_out_with_the_clients_and_never_more_than_allowed() -> None:
    homes = plan([rate(9000, 10, inFlightMax=50)])
    shares = [(len(home[0].clients), home[0].in_flight_max) for home in homes]
    assert all(allowed == 5 * clients for clients, allowed in shares)


@pytest.mark.parametrize(
    ("cheap", "dear"),
    [
        ({}, {"connection": "per-call"}),
        ({}, {"method": "chat"}),
        ({"method": "server-stream", "messages": 2}, {"method": "server-stream", "messages": 40}),
    ],
)
def test_dearer_calls_need_more_generators(cheap: dict[str, Any], dear: dict[str, Any]) -> None:
    assert len(plan([rate(2000, 20, **cheap)])) < len(plan([rate(2000, 20, **dear)]))


def test_a_closed_loop_that_thinks_is_planned_by_its_highest_rate() -> None:
    def closed(concurrency: int, think: str) -> Any:
        arrival = {"kind": "closed", "concurrency": concurrency, "think": think}
        return group(arrival=arrival, clients=concurrency // 10)

    assert len(plan([closed(100, "100ms")])) == 1
    assert len(plan([closed(500, "100ms")])) == 3
    assert len(plan([closed(100, "0s")])) == 1


def test_a_client_that_no_process_can_be_is_refused_with_what_would_do() -> None:
    with pytest.raises(UsageError) as refused:
        plan([rate(10), rate(7000, 2)])
    assert str(refused.value).startswith("workload[1].clients: each of 2 would make calls")
    assert str(refused.value).endswith("at least 3 clients are needed")
