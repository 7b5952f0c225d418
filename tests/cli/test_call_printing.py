"""What `call` and `trace` print, and the arguments that they refuse."""

import json
from dataclasses import replace

import pytest

from emucluster.cli import run
from emucluster.cli.call import line, summary_text
from emucluster.cli.trace import text, to_json
from emucluster.client.calls import Call
from emucluster.client.load import summarize
from emucluster.client.path import Hop

HOP = Hop(
    id="f",
    kind="node-port",
    host="node-2",
    service="default/web-nodeport:grpc",
    endpoint="127.32.1.2:50051",
    in_peer=("127.224.0.1", 1002),
    in_local=("127.16.0.2", 30080),
    out_local=("127.16.0.2", 1003),
    out_peer=("127.32.1.2", 41001),
    start_s=100.0,
    end_s=None,
)
EDGE = replace(
    HOP,
    kind="edge",
    host="edge",
    in_peer=("127.0.0.1", 5),
    in_local=("127.224.0.1", 15001),
    out_local=("127.224.0.1", 1002),
    out_peer=("127.16.0.2", 30080),
)
GOOD = Call(
    id="1",
    ok=True,
    status="OK",
    latency_s=0.0021,
    started_s=100.0,
    ended_s=100.0021,
    pod="web-1",
    node="node-2",
    pid=77,
    client="127.16.0.2:1003",
    path=("outside", "node-2:30080"),
    hops=(EDGE, HOP),
)
BAD = replace(
    GOOD,
    ok=False,
    status="UNAVAILABLE",
    pod="",
    node="",
    pid=0,
    client="",
    path=("outside", "?"),
    hops=(EDGE,),
    error="refused at edge",
)


def test_an_answer_names_pod_node_latency_and_path() -> None:
    assert line(GOOD) == "web-1 on node-2  2.1 ms  outside > node-2:30080 > web-1"
    assert line(BAD) == "UNAVAILABLE  2.1 ms  outside > ?  refused at edge"


def test_the_summary_tells_spread_failures_and_latency() -> None:
    assert summary_text(summarize([GOOD, GOOD, BAD])) == (
        "3 calls, 2 answered, 1 failed\n"
        "  pods     web-1 2\n"
        "  nodes    node-2 2\n"
        "  failures UNAVAILABLE 1\n"
        "  latency  p50 2.1 ms, p99 2.1 ms"
    )
    assert "(interrupted)" in summary_text(summarize([BAD]), interrupted=True)


def test_a_trace_has_a_line_for_each_hop_with_both_its_addresses() -> None:
    lines = text(GOOD, "127.16.0.2:30080", "outside").splitlines()
    assert lines[0] == "client outside dials 127.16.0.2:30080"
    assert lines[2].split()[:6] == [
        *("edge", "edge", "127.0.0.1:5", "127.224.0.1:15001"),
        *("127.224.0.1:1002", "127.16.0.2:30080"),
    ]
    assert lines[3].split()[2] == lines[2].split()[4]
    assert "web-1 on node-2 (pid 77) saw 127.16.0.2:1003" in lines[-1]
    assert len({row.index("127.") for row in lines[2:4]}) == 1


def test_a_trace_of_a_failed_call_shows_where_the_records_end() -> None:
    lines = text(BAD, "127.16.0.2:30080", "outside").splitlines()
    assert lines[3].startswith("?")
    assert lines[-1].startswith("UNAVAILABLE after 2.1 ms: refused at edge")


@pytest.mark.parametrize(
    ("how", "outcome"), [("open", "no answer"), ("timeout", "no answer"), ("refused", "refused")]
)
def test_a_trace_shows_the_endpoint_that_was_not_reached_and_whose_it_is(
    how: str, outcome: str
) -> None:
    stuck = replace(
        HOP,
        kind="cluster-ip",
        host="node-1",
        service="default/web",
        in_peer=("127.36.1.2", 40112),
        in_local=("127.36.1.2", 15001),
        endpoint="127.36.2.2:50051",
        cluster_ip="10.96.100.50:50051",
        out_local=None,
        out_peer=None,
        how=how,
    )
    call = replace(BAD, path=("cluster-ip@node-1",), hops=(stuck,))
    lines = text(call, "10.96.100.50:50051", "pod/client", "default/web-1 on node-2").splitlines()
    assert f" 127.36.2.2:50051 ({outcome}) " in lines[2]
    assert "ONWARDS FROM" not in lines[1], "nothing was connected onwards"
    assert lines[-2] == "127.36.2.2:50051 is default/web-1 on node-2"


def test_a_trace_in_json_gives_each_hop_its_four_ends() -> None:
    printed = json.loads(json.dumps(to_json(GOOD, "127.16.0.2:30080")))
    assert [hop["out_peer"] for hop in printed["hops"]] == ["127.16.0.2:30080", "127.32.1.2:41001"]
    assert printed["dialled"] == "127.16.0.2:30080"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("-n 0", "count: must be at least 1"),
        ("--rate 0", "rate: must be above 0"),
        ("--concurrency 0", "concurrency: must be between"),
        ("--timeout 0", "timeout: must be above 0"),
        ("--connection both", "'both' is not one of"),
        ("-o yaml", "'yaml' is not one of"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_as_wrong_usage(
    arguments: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["call", "service/web", *arguments.split()]) == 2
    assert why in capsys.readouterr().err
