"""Calls: pacing, summaries, and what a failure lets its caller conclude."""

import json
from dataclasses import replace

import pytest

from emucluster.client.calls import Call, Joiner, explain, failure, new_id, parse_address
from emucluster.client.lab import Flows
from emucluster.client.load import Plan, Runner, percentile, summarize
from emucluster.client.path import Hop, Path
from emucluster.core.errors import (
    ConnectionLost,
    ConnectionRefused,
    ConnectTimeout,
    DeadlineExceeded,
    Refused,
    RequestFailed,
    Unknown,
    UsageError,
)

GOOD = Call(
    id="1",
    ok=True,
    status="OK",
    latency_s=0.002,
    started_s=100.0,
    ended_s=100.002,
    pod="web-1",
    node="node-1",
    pod_ip="127.32.1.2",
    pid=7,
    client="127.16.0.2:1004",
)
BAD = replace(GOOD, id="2", ok=False, status="UNAVAILABLE", pod="", node="", pid=0, client="")
STUCK = Hop(
    id="f",
    kind="node-port",
    host="node-2",
    service="default/web",
    endpoint="",
    in_peer=("127.0.0.1", 50001),
    in_local=("127.224.0.1", 15001),
    out_local=None,
    out_peer=None,
    start_s=100.0,
    end_s=100.001,
    how="refused",
    reason="no endpoints",
)
SERVED = replace(
    STUCK,
    kind="cluster-ip",
    out_local=("127.16.0.2", 1004),
    out_peer=("127.32.1.2", 41001),
    how="fin",
)


def test_a_plan_makes_each_call_once_with_never_more_in_flight_than_asked_for() -> None:
    numbers: list[int] = []

    def send(number: int, due_s: float | None) -> Call:
        numbers.append(number)
        return replace(GOOD, id=str(number))

    batches = list(Runner(Plan(count=50, concurrency=8), send).batches(every_s=5))
    assert sorted(numbers) == list(range(50))
    assert sum(map(len, batches)) == 50


def test_an_open_loop_tells_each_call_when_it_is_due() -> None:
    plan = Plan(count=4, rate_per_s=200)
    assert [plan.due_s(number) for number in range(4)] == [0.0, 0.005, 0.01, 0.015]
    assert Plan(count=4).due_s(3) is None


def test_a_bug_in_a_caller_is_not_swallowed() -> None:
    def send(number: int, due_s: float | None) -> Call:
        raise AssertionError("bug")

    with pytest.raises(AssertionError, match="bug"):
        list(Runner(Plan(), send).batches(every_s=5))


@pytest.mark.parametrize(
    "wrong", [{"count": 0}, {"rate_per_s": 0}, {"concurrency": 0}, {"timeout_s": 0}]
)
def test_a_plan_that_cannot_be_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        Plan(**wrong)  # type: ignore[arg-type]


def test_a_summary_counts_answers_by_pod_and_node_and_failures_by_status() -> None:
    calls = [GOOD, GOOD, replace(GOOD, pod="web-2", node="node-2", latency_s=0.004), BAD]
    summary = summarize(calls)
    assert summary.by_pod == (("web-1", 2), ("web-2", 1))
    assert summary.by_node == (("node-1", 2), ("node-2", 1))
    assert (summary.count, summary.failed) == (4, 1)
    assert summary.by_failure == (("UNAVAILABLE", 1),)
    assert (summary.p50_s, summary.p99_s) == (0.002, 0.004)


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(n) for n in range(1, 101)]
    assert (percentile(values, 50), percentile(values, 99)) == (50.0, 99.0)
    assert percentile([3.0], 99) == 3.0
    assert percentile([], 50) is None


def test_json_of_a_call_has_null_where_nobody_answered() -> None:
    printed = json.loads(json.dumps(BAD.to_json()))
    assert [printed[key] for key in ("id", "ok", "pod", "node", "pid")] == ["2", False, *[None] * 3]
    assert printed["status"] == "UNAVAILABLE"


def test_joining_gives_answered_and_failed_calls_their_hops_and_reasons() -> None:
    stuck = replace(STUCK, in_peer=("127.0.0.1", 50002))
    joiner = Joiner(
        ("127.224.0.1", 15001), lambda since_s: Flows((SERVED, stuck), ()), shared=False
    )
    good, bad = joiner.join([GOOD, BAD])
    assert good.path == ("cluster-ip@node-2",)
    assert bad.hops == (stuck,)
    assert bad.error == "refused at node-2: no endpoints"


@pytest.mark.parametrize(
    ("status", "hop", "known", "expected"),
    [
        ("UNAVAILABLE", STUCK, True, ConnectionRefused),
        ("UNAVAILABLE", SERVED, True, ConnectionLost),
        ("UNAVAILABLE", STUCK, False, ConnectionLost),
        ("DEADLINE_EXCEEDED", replace(STUCK, how="dropped"), True, ConnectTimeout),
        ("DEADLINE_EXCEEDED", SERVED, True, DeadlineExceeded),
        ("DEADLINE_EXCEEDED", STUCK, False, DeadlineExceeded),
        ("RESOURCE_EXHAUSTED", SERVED, True, Refused),
        ("INTERNAL", SERVED, True, Unknown),
    ],
)
def test_only_a_connection_that_is_known_to_have_reached_no_pod_is_safe_to_repeat(
    status: str, hop: Hop, known: bool, expected: type[RequestFailed]
) -> None:
    call = replace(BAD, status=status, hops=(hop,), error="words")
    raised = failure(call, "service/web", timeout_s=1, path_known=known)
    assert type(raised) is expected


def test_grpcs_word_that_it_never_connected_is_enough_to_repeat() -> None:
    call = replace(BAD, error="failed to connect: ipv4:127.0.0.1:80: Connection refused")
    assert type(failure(call, "t", timeout_s=1, path_known=False)) is ConnectionRefused


def test_the_reason_names_the_last_hop_that_saw_the_call() -> None:
    path = Path((replace(STUCK, how="timeout", reason="node-3 is silent"),))
    assert explain(BAD, path) == "timeout at node-2: node-3 is silent"
    lost = Path((replace(STUCK, how="open"),), "end")
    assert "no answer beyond node-port at node-2" in explain(BAD, lost)


def test_ids_are_unlike_each_other_and_shaped_like_uuids() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all([len(part) for part in one.split("-")] == [8, 4, 4, 4, 12] for one in ids)


@pytest.mark.parametrize("text", ["127.0.0.1:80", "ipv4:127.0.0.1:80"])
def test_addresses_are_read_as_grpc_writes_them(text: str) -> None:
    assert parse_address(text) == ("127.0.0.1", 80)
    assert parse_address("unix:/x") == ("", 0)


def test_a_server_of_another_protocol_has_answered_that_it_does_not_know_the_call() -> None:
    call = replace(BAD, status="UNIMPLEMENTED", error="Method not found!")
    said = "the server answered UNIMPLEMENTED: call speaks emucluster.v1.Echo only"
    assert explain(call, Path((replace(SERVED, kind="node-port"),))) == said
